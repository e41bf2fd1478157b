"""What a mapping follows no longer stays as it is, until a person says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.config.mapping_settings import MappingSettings
from bridge.engine.resync import ResyncRunner
from bridge.engine.sync_mappings import SyncResult, prune_targets
from bridge.engine.unfollowed_targets import find_unfollowed
from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from bridge.reconcile.scan_mapping import scan_mapping
from bridge.status.target_status import TargetStatus
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES

OTHER, OTHER_PATH = "support/thank", PATH.replace("reply", "thank")
THIRD = "support/greet"
MERGED, DECLINED, OPEN = 1, 2, 3  # ids


def configure(environment: BridgeEnvironment, **changes: Any) -> None:
    """A new configuration is taken over, and what it brought is swept."""
    told = {**environment.settings[0].model_dump(exclude_unset=True), **changes}
    environment.settings[0] = MappingSettings.model_validate(told)
    context = environment.controller.contexts["support"]
    environment.controller.contexts = {"support": replace(context, mapping=environment.settings[0])}
    environment.sweep()


def prune(environment: BridgeEnvironment) -> list[SyncResult]:
    """What the command does when it is meant."""
    context, controller = environment.controller.contexts["support"], environment.controller
    found = scan_mapping(context, controller.file_index)
    entries = controller.store.target_statuses.find_by_mapping("support")
    unfollowed = find_unfollowed(context.mapping, found, entries)
    return prune_targets(controller, "support", found, unfollowed, entries, lambda *_: None)


def entry(environment: BridgeEnvironment, prompt_id: int, label: str = LATEST) -> TargetStatus:
    entries = environment.store.target_statuses.find_by_mapping("support")
    return entries[Target("support", prompt_id, label)]


def in_every_state(environment: BridgeEnvironment, **more: Any) -> None:
    """One prompt is merged, the proposal of one was declined, and one is proposed."""
    environment.save("Answer kindly.", **more)
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Thank them.", OTHER, **more)
    environment.settle()
    environment.repository.close(environment.pull_request().number)
    environment.save("Greet them.", THIRD, **more)
    environment.settle()
    environment.sweep()
    assert entry(environment, MERGED).state is TargetState.IN_STEP
    assert entry(environment, DECLINED).state is TargetState.DECLINED
    assert entry(environment, OPEN).state is TargetState.OPEN


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
    environment = make_world({"prompts": ["support/**"], **before})
    in_every_state(environment, tags=["eu"])
    opened = environment.pull_request()
    comments = list(environment.repository.comments(opened.number))
    settings = environment.settings[0].model_dump(exclude_unset=True)

    configure(environment, **typo)
    environment.sweep()

    assert environment.pull_request() == opened
    assert list(environment.repository.comments(opened.number)) == comments
    assert environment.says() == "Answer kindly."
    for id in (MERGED, OPEN):
        assert entry(environment, id).state is TargetState.NOT_FOLLOWED
        assert entry(environment, id).reason.endswith(reason)

    environment.settings[0] = MappingSettings.model_validate(settings)
    configure(environment)

    assert environment.pull_request().number == opened.number
    assert entry(environment, MERGED).state is TargetState.IN_STEP
    assert entry(environment, DECLINED).state is TargetState.DECLINED
    assert entry(environment, OPEN).state is TargetState.OPEN


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_label_that_is_tracked_no_longer_leaves_its_files_as_they_are(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"track": ["prod"], "path": "prompts/{label}/{prompt}.yaml"})
    environment.save("Answer kindly.", labels=["prod"])
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Thank them.", OTHER, labels=["prod"])
    environment.settle()
    environment.sweep()
    opened = environment.pull_request()

    configure(environment, track=["prodd"])

    assert environment.pull_request() == opened
    assert environment.says("prompts/prod/support/reply.yaml") == "Answer kindly."
    assert entry(environment, 1, "prod").state is TargetState.NOT_FOLLOWED
    assert entry(environment, 2, "prod").reason.endswith("(track: prodd)")

    configure(environment, track=["prod"])

    assert environment.pull_request().number == opened.number
    assert entry(environment, 1, "prod").state is TargetState.IN_STEP


@pytest.mark.parametrize("forge_name", FORGES)
def test_pruning_withdraws_and_removes_with_the_true_reason(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"]})
    in_every_state(environment)
    opened = environment.pull_request()
    configure(environment, prompts=["supprt/**"])

    done = prune(environment)

    kinds = sorted(one.kind for one in done)
    assert kinds == [
        ReconcileOutcomeKind.IN_STEP,
        ReconcileOutcomeKind.PROPOSED,
        ReconcileOutcomeKind.WITHDRAWN,
    ]
    withdrawn = environment.repository.newest(opened.head_branch)
    assert withdrawn.state is PullRequestState.CLOSED
    words = "mapping support no longer follows it (prompts: supprt/**)"
    assert words in environment.repository.comments(opened.number)[-1]
    removal = environment.pull_request()
    assert words in removal.body.replace("\\", "")
    assert environment.repository.text(PATH, removal.head_branch) is None


def test_what_was_pruned_stays_so(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"]})
    in_every_state(environment)
    configure(environment, prompts=["supprt/**"])
    prune(environment)
    removal = environment.pull_request()

    environment.sweep()
    assert environment.pull_request().number == removal.number
    assert entry(environment, MERGED).state is TargetState.OPEN

    environment.repository.merge(removal)
    environment.sweep()
    assert environment.repository.open() == []
    assert environment.says() is None
    assert prune(environment) == []


def test_with_prune_a_mapping_lets_go_by_itself(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"], "prune": True})
    in_every_state(environment)
    opened = environment.pull_request()

    configure(environment, prompts=["supprt/**"])

    assert environment.repository.newest(opened.head_branch).state is PullRequestState.CLOSED
    assert environment.repository.text(PATH, environment.pull_request().head_branch) is None
    words = "no longer follows it (prompts: supprt/**)"
    assert words in environment.pull_request().body.replace("\\", "")


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_lost_database_does_not_make_a_typo_a_persons_word(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"]})
    in_every_state(environment)
    opened = environment.pull_request()
    environment.forget_everything()

    configure(environment, prompts=["supprt/**"])

    assert environment.pull_request() == opened
    assert entry(environment, MERGED).state is TargetState.NOT_FOLLOWED


def test_a_merge_of_what_is_left_out_is_booked(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"]})
    in_every_state(environment)
    configure(environment, prompts=["supprt/**"])

    environment.repository.merge(environment.pull_request())
    environment.sweep()

    assert entry(environment, OPEN).state is TargetState.NOT_FOLLOWED
    assert entry(environment, OPEN).pull_request_state == "merged"
    assert environment.repository.open() == []


# What persons do in PromptLayer


def test_a_prompt_that_lost_its_tag_is_proposed_for_removal(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "tags": ["eu"]})
    environment.save("Answer kindly.", tags=["eu"])
    environment.save("Thank them.", OTHER, tags=["eu"])
    environment.adopt()
    environment.adopt(OTHER_PATH, prompt_id=2)
    environment.sweep()

    environment.registry.save_version(
        "support/reply", environment.registry.find_entry(1).latest.template, tags=[]
    )
    environment.post.lose()
    environment.sweep()

    assert environment.repository.text(PATH, environment.pull_request().head_branch) is None
    assert "it no longer matches mapping support (tags: eu)" in environment.pull_request().body


def test_a_prompt_that_left_the_folder_is_proposed_for_removal(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "folder": "Team"})
    team = environment.registry.create_folder("Team")
    environment.save("Answer kindly.", folder_id=team.id)
    environment.save("Thank them.", OTHER, folder_id=team.id)
    environment.adopt()
    environment.adopt(OTHER_PATH, prompt_id=2)
    environment.sweep()

    attic = environment.registry.create_folder("Attic")
    template = environment.registry.find_entry(1).latest.template
    environment.registry.save_version("support/reply", template, folder_id=attic.id)
    environment.post.lose()
    environment.sweep()

    assert environment.repository.text(PATH, environment.pull_request().head_branch) is None
    assert "(folder: Team)" in environment.pull_request().body


def many(environment: BridgeEnvironment, count: int = 12, **more: Any) -> None:
    for number in range(count):
        name = f"support/p{number}"
        environment.save(f"Answer {number}.", name, **more)
        environment.adopt(f"prompts/latest/{name}.yaml", prompt_id=number + 1)
    environment.sweep()


@pytest.mark.parametrize("forge_name", FORGES)
def test_many_prompts_that_are_gone_at_once_stay_until_a_person_says_so(
    make_world: MakeWorld,
) -> None:
    environment = make_world()
    many(environment)
    for id in range(1, 8):
        environment.registry.delete(id)
    environment.post.lose()

    environment.sweep()
    environment.sweep()

    assert environment.repository.open() == []
    assert entry(environment, 1).state is TargetState.NOT_FOLLOWED
    assert (
        "7 prompts of mapping support are gone from PromptLayer at once"
        in entry(environment, 1).reason
    )

    prune(environment)

    assert len(environment.repository.open()) == 7
    assert all("deleted in PromptLayer" in pull.body for pull in environment.repository.open())


def test_many_prompts_that_lost_a_tag_at_once_stay(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "tags": ["eu"]})
    many(environment, tags=["eu"])
    for id in range(1, 8):
        entry_ = environment.registry.find_entry(id)
        environment.registry.save_version(entry_.name, entry_.latest.template, tags=[])
    environment.post.lose()

    environment.sweep()

    assert environment.repository.open() == []
    assert entry(environment, 1).state is TargetState.NOT_FOLLOWED


def test_what_comes_back_is_followed_as_before(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "tags": ["eu"]})
    many(environment, tags=["eu"])
    for tags in ([], ["eu"]):
        for id in range(1, 8):
            entry_ = environment.registry.find_entry(id)
            environment.registry.save_version(entry_.name, entry_.latest.template, tags=tags)
        environment.post.lose()
        environment.sweep()

    assert entry(environment, 1).held is None
    assert entry(environment, 1).state in (TargetState.IN_STEP, TargetState.OPEN)


def test_few_prompts_that_are_gone_are_proposed_for_removal(make_world: MakeWorld) -> None:
    environment = make_world()
    many(environment)
    for id in range(1, 6):
        environment.registry.delete(id)
    environment.post.lose()

    environment.sweep()

    assert len(environment.repository.open()) == 5


def test_one_more_deletion_is_no_sudden_one(make_world: MakeWorld) -> None:
    """Removals that wait for their merge do not count again."""
    environment = make_world()
    many(environment, 8)
    for id in range(1, 7):
        environment.registry.delete(id)
        environment.post.lose()
        environment.sweep()

    assert len(environment.repository.open()) == 6


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_rolling_proposal_keeps_what_is_left_out(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"], "pull_request": {"group": "mapping"}})
    environment.save("Answer kindly.")
    environment.save("Thank them.", OTHER)
    environment.settle()
    opened = environment.pull_request()

    configure(environment, prompts=["support/reply"])
    environment.save("Answer briefly.")
    environment.settle()

    assert environment.pull_request().number == opened.number
    assert environment.proposed() == "Answer briefly."
    assert environment.says(OTHER_PATH, opened.head_branch) == "Thank them."
    assert entry(environment, 2).state is TargetState.NOT_FOLLOWED


def test_a_scan_under_the_former_settings_is_no_word_on_what_the_new_ones_follow(
    make_world: MakeWorld,
) -> None:
    """A running bridge takes a typo over while it sweeps."""
    environment = make_world({"prompts": ["support/**"]})
    in_every_state(environment)
    opened, controller = environment.pull_request(), environment.controller
    context, started = controller.contexts["support"], environment.clock()
    found = scan_mapping(context, controller.file_index)
    typo = MappingSettings.model_validate(
        {**environment.settings[0].model_dump(exclude_unset=True), "prompts": ["supprt/**"]}
    )
    controller.contexts = {"support": replace(context, mapping=typo)}

    ResyncRunner(controller).record_scan(context, found, started)
    environment.sweep()
    environment.sweep()

    assert [each.number for each in environment.repository.open()] == [opened.number]
    assert {entry(environment, id).state for id in (MERGED, OPEN)} == {TargetState.NOT_FOLLOWED}
