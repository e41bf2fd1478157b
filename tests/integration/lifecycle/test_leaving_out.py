"""What a mapping follows no longer stays as it is, until a person says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.books.entry import Entry
from bridge.config.mapping import MappingSettings
from bridge.engine.pruning import find_unfollowed
from bridge.engine.resync import ResyncRunner
from bridge.engine.sync import Done, prune_targets
from bridge.forge.base import PullRequestState
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import LATEST
from bridge.prompts.state import State
from bridge.prompts.target import Target
from bridge.steps.scan import scan
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import PATH, MakeWorld, World

OTHER, OTHER_PATH = "support/thank", PATH.replace("reply", "thank")
THIRD = "support/greet"
MERGED, DECLINED, OPEN = 1, 2, 3  # ids


def configure(world: World, **changes: Any) -> None:
    """A new configuration is taken over, and what it brought is swept."""
    told = {**world.settings[0].model_dump(exclude_unset=True), **changes}
    world.settings[0] = MappingSettings.model_validate(told)
    site = world.worker.sites["support"]
    world.worker.sites = {"support": replace(site, mapping=world.settings[0])}
    world.sweep()


def prune(world: World) -> list[Done]:
    """What the command does when it is meant."""
    site, worker = world.worker.sites["support"], world.worker
    found = scan(site, worker.index)
    entries = worker.ledger.standings.of_mapping("support")
    unfollowed = find_unfollowed(site.mapping, found, entries)
    return prune_targets(worker, "support", found, unfollowed, lambda *_: None)


def entry(world: World, prompt_id: int, label: str = LATEST) -> Entry:
    entries = world.ledger.standings.of_mapping("support")
    return entries[Target("support", prompt_id, label)]


def in_every_state(world: World, **more: Any) -> None:
    """One prompt is merged, the proposal of one was declined, and one is proposed."""
    world.save("Answer kindly.", **more)
    world.settle()
    world.place.merge(world.pull_request())
    world.save("Thank them.", OTHER, **more)
    world.settle()
    world.place.close(world.pull_request().number)
    world.save("Greet them.", THIRD, **more)
    world.settle()
    world.sweep()
    assert entry(world, MERGED).state is State.IN_STEP
    assert entry(world, DECLINED).state is State.DECLINED
    assert entry(world, OPEN).state is State.OPEN


LEFT_OUT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a typo in a pattern": ({}, {"prompts": ["supprt/**"]}, "(prompts: supprt/**)"),
    "an exclusion": ({}, {"prompts": ["**", "!support/*"]}, "(prompts: **, !support/*)"),
    "an unknown tag": ({"tags": ["eu"]}, {"tags": ["ue"]}, "(tags: ue)"),
    "an unknown folder": ({}, {"folder": "Suport"}, "(folder: Suport)"),
}


@pytest.mark.parametrize("forge_name", FORGES)
@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_a_setting_leaves_out_stays_as_it_is_and_is_found_again(
    make_world: MakeWorld, case: str
) -> None:
    before, typo, reason = LEFT_OUT[case]
    world = make_world({"prompts": ["support/**"], **before})
    in_every_state(world, tags=["eu"])
    opened = world.pull_request()
    comments = list(world.place.comments(opened.number))
    settings = world.settings[0].model_dump(exclude_unset=True)

    configure(world, **typo)
    world.sweep()

    assert world.pull_request() == opened
    assert list(world.place.comments(opened.number)) == comments
    assert world.says() == "Answer kindly."
    for id in (MERGED, OPEN):
        assert entry(world, id).state is State.NOT_FOLLOWED
        assert entry(world, id).reason.endswith(reason)

    world.settings[0] = MappingSettings.model_validate(settings)
    configure(world)

    assert world.pull_request().number == opened.number
    assert entry(world, MERGED).state is State.IN_STEP
    assert entry(world, DECLINED).state is State.DECLINED
    assert entry(world, OPEN).state is State.OPEN


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_label_that_is_tracked_no_longer_leaves_its_files_as_they_are(
    make_world: MakeWorld,
) -> None:
    world = make_world({"track": ["prod"], "path": "prompts/{label}/{prompt}.yaml"})
    world.save("Answer kindly.", labels=["prod"])
    world.settle()
    world.place.merge(world.pull_request())
    world.save("Thank them.", OTHER, labels=["prod"])
    world.settle()
    world.sweep()
    opened = world.pull_request()

    configure(world, track=["prodd"])

    assert world.pull_request() == opened
    assert world.says("prompts/prod/support/reply.yaml") == "Answer kindly."
    assert entry(world, 1, "prod").state is State.NOT_FOLLOWED
    assert entry(world, 2, "prod").reason.endswith("(track: prodd)")

    configure(world, track=["prod"])

    assert world.pull_request().number == opened.number
    assert entry(world, 1, "prod").state is State.IN_STEP


@pytest.mark.parametrize("forge_name", FORGES)
def test_pruning_withdraws_and_removes_with_the_true_reason(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"]})
    in_every_state(world)
    opened = world.pull_request()
    configure(world, prompts=["supprt/**"])

    done = prune(world)

    kinds = sorted(one.kind for one in done)
    assert kinds == [OutcomeKind.IN_STEP, OutcomeKind.PROPOSED, OutcomeKind.WITHDRAWN]
    withdrawn = world.place.newest(opened.head)
    assert withdrawn.state is PullRequestState.CLOSED
    words = "mapping support no longer follows it (prompts: supprt/**)"
    assert words in world.place.comments(opened.number)[-1]
    removal = world.pull_request()
    assert words in removal.body.replace("\\", "")
    assert world.place.text(PATH, removal.head) is None


def test_what_was_pruned_stays_so(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"]})
    in_every_state(world)
    configure(world, prompts=["supprt/**"])
    prune(world)
    removal = world.pull_request()

    world.sweep()
    assert world.pull_request().number == removal.number
    assert entry(world, MERGED).state is State.OPEN

    world.place.merge(removal)
    world.sweep()
    assert world.place.open() == []
    assert world.says() is None
    assert prune(world) == []


def test_with_prune_a_mapping_lets_go_by_itself(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"], "prune": True})
    in_every_state(world)
    opened = world.pull_request()

    configure(world, prompts=["supprt/**"])

    assert world.place.newest(opened.head).state is PullRequestState.CLOSED
    assert world.place.text(PATH, world.pull_request().head) is None
    words = "no longer follows it (prompts: supprt/**)"
    assert words in world.pull_request().body.replace("\\", "")


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_lost_database_does_not_make_a_typo_a_persons_word(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"]})
    in_every_state(world)
    opened = world.pull_request()
    world.forget_everything()

    configure(world, prompts=["supprt/**"])

    assert world.pull_request() == opened
    assert entry(world, MERGED).state is State.NOT_FOLLOWED


def test_a_merge_of_what_is_left_out_is_booked(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"]})
    in_every_state(world)
    configure(world, prompts=["supprt/**"])

    world.place.merge(world.pull_request())
    world.sweep()

    assert entry(world, OPEN).state is State.NOT_FOLLOWED
    assert entry(world, OPEN).pull_request_state == "merged"
    assert world.place.open() == []


# What persons do in PromptLayer


def test_a_prompt_that_lost_its_tag_is_proposed_for_removal(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "tags": ["eu"]})
    world.save("Answer kindly.", tags=["eu"])
    world.save("Thank them.", OTHER, tags=["eu"])
    world.adopt()
    world.adopt(OTHER_PATH, prompt_id=2)
    world.sweep()

    world.registry.save("support/reply", world.registry.entry(1).latest.template, tags=[])
    world.post.lose()
    world.sweep()

    assert world.place.text(PATH, world.pull_request().head) is None
    assert "it no longer matches mapping support (tags: eu)" in world.pull_request().body


def test_a_prompt_that_left_the_folder_is_proposed_for_removal(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "folder": "Team"})
    team = world.registry.create_folder("Team")
    world.save("Answer kindly.", folder_id=team.id)
    world.save("Thank them.", OTHER, folder_id=team.id)
    world.adopt()
    world.adopt(OTHER_PATH, prompt_id=2)
    world.sweep()

    attic = world.registry.create_folder("Attic")
    template = world.registry.entry(1).latest.template
    world.registry.save("support/reply", template, folder_id=attic.id)
    world.post.lose()
    world.sweep()

    assert world.place.text(PATH, world.pull_request().head) is None
    assert "(folder: Team)" in world.pull_request().body


def many(world: World, count: int = 12, **more: Any) -> None:
    for number in range(count):
        name = f"support/p{number}"
        world.save(f"Answer {number}.", name, **more)
        world.adopt(f"prompts/latest/{name}.yaml", prompt_id=number + 1)
    world.sweep()


@pytest.mark.parametrize("forge_name", FORGES)
def test_many_prompts_that_are_gone_at_once_stay_until_a_person_says_so(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    many(world)
    for id in range(1, 8):
        world.registry.delete(id)
    world.post.lose()

    world.sweep()
    world.sweep()

    assert world.place.open() == []
    assert entry(world, 1).state is State.NOT_FOLLOWED
    assert (
        "7 prompts of mapping support are gone from PromptLayer at once" in entry(world, 1).reason
    )

    prune(world)

    assert len(world.place.open()) == 7
    assert all("deleted in PromptLayer" in pull.body for pull in world.place.open())


def test_many_prompts_that_lost_a_tag_at_once_stay(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "tags": ["eu"]})
    many(world, tags=["eu"])
    for id in range(1, 8):
        entry_ = world.registry.entry(id)
        world.registry.save(entry_.name, entry_.latest.template, tags=[])
    world.post.lose()

    world.sweep()

    assert world.place.open() == []
    assert entry(world, 1).state is State.NOT_FOLLOWED


def test_what_comes_back_is_followed_as_before(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "tags": ["eu"]})
    many(world, tags=["eu"])
    for tags in ([], ["eu"]):
        for id in range(1, 8):
            entry_ = world.registry.entry(id)
            world.registry.save(entry_.name, entry_.latest.template, tags=tags)
        world.post.lose()
        world.sweep()

    assert entry(world, 1).held is None
    assert entry(world, 1).state in (State.IN_STEP, State.OPEN)


def test_few_prompts_that_are_gone_are_proposed_for_removal(make_world: MakeWorld) -> None:
    world = make_world()
    many(world)
    for id in range(1, 6):
        world.registry.delete(id)
    world.post.lose()

    world.sweep()

    assert len(world.place.open()) == 5


def test_one_more_deletion_is_no_sudden_one(make_world: MakeWorld) -> None:
    """Removals that wait for their merge do not count again."""
    world = make_world()
    many(world, 8)
    for id in range(1, 7):
        world.registry.delete(id)
        world.post.lose()
        world.sweep()

    assert len(world.place.open()) == 6


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_rolling_proposal_keeps_what_is_left_out(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"], "pull_request": {"group": "mapping"}})
    world.save("Answer kindly.")
    world.save("Thank them.", OTHER)
    world.settle()
    opened = world.pull_request()

    configure(world, prompts=["support/reply"])
    world.save("Answer briefly.")
    world.settle()

    assert world.pull_request().number == opened.number
    assert world.proposed() == "Answer briefly."
    assert world.says(OTHER_PATH, opened.head) == "Thank them."
    assert entry(world, 2).state is State.NOT_FOLLOWED


def test_a_scan_under_the_former_settings_is_no_word_on_what_the_new_ones_follow(
    make_world: MakeWorld,
) -> None:
    """A running bridge takes a typo over while it sweeps."""
    world = make_world({"prompts": ["support/**"]})
    in_every_state(world)
    opened, worker = world.pull_request(), world.worker
    site, started = worker.sites["support"], world.clock()
    found = scan(site, worker.index)
    typo = MappingSettings.model_validate(
        {**world.settings[0].model_dump(exclude_unset=True), "prompts": ["supprt/**"]}
    )
    worker.sites = {"support": replace(site, mapping=typo)}

    ResyncRunner(worker).record_scan(site, found, started)
    world.sweep()
    world.sweep()

    assert [each.number for each in world.place.open()] == [opened.number]
    assert {entry(world, id).state for id in (MERGED, DECLINED, OPEN)} == {State.NOT_FOLLOWED}
