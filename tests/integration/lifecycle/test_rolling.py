"""``group: mapping``: one rolling pull request for all prompts of a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.forge.base import PullRequestState
from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import MakeWorld, World

BRANCH = "promptlayer/support"


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world({"pull_request": {"group": "mapping"}})


def path(name: str) -> str:
    return f"prompts/latest/{name}.yaml"


def propose(world: World, **texts: str) -> None:
    for name, text in texts.items():
        world.save(text, name)
    world.settle()


def proposed(world: World) -> dict[str, str | None]:
    """Prompt → what the one pull request makes of it."""
    head = world.pull_request().head
    files = [Path(each) for each in world.place.changed(head) if each.startswith("prompts/")]
    return {file.stem: world.says(str(file), head) for file in files}


def states(world: World) -> dict[str, str]:
    """Prompt → how it stands in the books."""
    known = world.ledger.standings.of_mapping("support").values()
    return {entry.name: str(entry.state) for entry in known}


@pytest.mark.parametrize("forge_name", FORGES)
def test_all_prompts_are_one_commit_in_one_pull_request(world: World) -> None:
    propose(world, one="1", two="2", three="3")

    assert world.pull_request().head == BRANCH
    assert proposed(world) == {"one": "1", "two": "2", "three": "3"}
    assert len(world.place.log(BRANCH, "%H")) == 1


@pytest.mark.parametrize("forge_name", FORGES)
def test_an_event_on_one_prompt_keeps_what_is_proposed_of_the_others(world: World) -> None:
    propose(world, one="1", two="2")
    opened = world.pull_request()

    propose(world, two="2 again")

    assert world.pull_request().number == opened.number
    assert proposed(world) == {"one": "1", "two": "2 again"}
    assert "one" in world.pull_request().body


def test_a_base_that_moves_is_followed_with_all_of_it(world: World) -> None:
    propose(world, one="1", two="2")
    moved = world.place.commit({"src/bot.py": b"print()\n"})

    propose(world, three="3")

    assert world.place.log(BRANCH, "%P") == [moved]
    assert proposed(world) == {"one": "1", "two": "2", "three": "3"}


def test_what_somebody_took_over_by_hand_leaves_the_proposal(world: World) -> None:
    propose(world, one="1", two="2")
    text = world.place.text(path("one"), BRANCH)
    assert text is not None
    world.place.commit({path("one"): text.encode()})

    world.sweep()

    assert proposed(world) == {"two": "2"}


def test_a_prompt_that_goes_back_leaves_the_others_proposed(world: World) -> None:
    world.save("0", "one")
    world.adopt(path("one"))
    propose(world, one="1", two="2")

    propose(world, one="0")

    assert proposed(world) == {"two": "2"}


def test_a_person_at_work_on_the_branch_does_not_make_it_forget_the_others(world: World) -> None:
    world.save("0", "one")
    world.adopt(path("one"))
    propose(world, one="1", two="2")
    opened = world.pull_request()
    world.place.commit({"tests/test_bot.py": b"pass\n"}, BRANCH)

    propose(world, three="3")
    propose(world, one="0")

    assert world.pull_request().number == opened.number
    assert proposed(world)["two"] == "2"
    assert proposed(world)["three"] == "3"
    assert "two" in world.pull_request().body


def test_a_renamed_prompt_moves_within_the_proposal(world: World) -> None:
    propose(world, one="1", two="2")

    world.registry.rename(1, "first")
    world.settle()

    assert proposed(world) == {"first": "1", "two": "2"}


def test_a_deleted_prompt_is_removed_beside_the_others_changes(world: World) -> None:
    world.save("0", "one")
    world.adopt(path("one"))
    propose(world, two="2")

    world.registry.delete(1)
    world.settle()
    propose(world, three="3")

    assert proposed(world) == {"one": None, "two": "2", "three": "3"}


def test_a_refused_prompt_does_not_hold_up_the_others(world: World) -> None:
    world.place.commit({path("one"): b"Somebody's own notes.\n"})

    propose(world, one="1", two="2")

    assert proposed(world) == {"two": "2"}
    (told,) = {each.outcome for each in world.worker.inbox.recent(9) if each.prompt_name == "one"}
    assert told is not None
    assert "does not belong to prompt" in told


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_closed_rolling_proposal_declines_each_change_of_it(world: World) -> None:
    propose(world, one="1", two="2", three="3")
    world.place.close(world.pull_request().number)

    world.sweep()
    assert world.place.open() == []
    assert world.standing(BRANCH).kind is OutcomeKind.REJECTED
    world.sweep()
    assert states(world) == {"one": "declined", "two": "declined", "three": "declined"}

    propose(world, four="4")
    assert proposed(world) == {"four": "4"}
    world.sweep()
    assert proposed(world) == {"four": "4"}
    assert states(world) == {
        "one": "declined",
        "two": "declined",
        "three": "declined",
        "four": "pull request open",
    }

    propose(world, two="2 again")
    assert proposed(world) == {"two": "2 again", "four": "4"}


@pytest.mark.parametrize("forge_name", FORGES)
def test_what_was_declined_is_found_again_after_the_database_is_lost(world: World) -> None:
    propose(world, one="1", two="2")
    world.place.close(world.pull_request().number)
    propose(world, three="3")
    world.forget_everything()

    world.sweep()

    assert proposed(world) == {"three": "3"}
    assert states(world)["one"] == "declined"


def test_a_decision_outlives_later_decisions_on_other_prompts(world: World) -> None:
    for name in ("one", "two", "three"):
        propose(world, **{name: name})
        world.place.close(world.pull_request().number)
    world.forget_everything()

    world.sweep()

    assert world.place.open() == []
    assert set(states(world).values()) == {"declined"}


def test_a_declined_rename_and_a_declined_removal_are_not_proposed_again(world: World) -> None:
    world.save("0", "one")
    world.save("0", "two")
    world.adopt(path("one"))
    world.adopt(path("two"))
    world.registry.rename(1, "first")
    world.registry.delete(2)
    world.settle()
    world.place.close(world.pull_request().number)

    propose(world, three="3")
    world.sweep()

    assert proposed(world) == {"three": "3"}


def test_a_declined_change_is_known_by_the_closed_commit_where_the_body_is_lost(
    world: World,
) -> None:
    propose(world, one="1", two="2")
    closed = world.pull_request()
    world.place.edit(closed, body="No, thank you.")
    world.place.close(closed.number)

    propose(world, three="3")
    world.sweep()

    assert proposed(world) == {"three": "3"}


def test_a_reopened_rolling_proposal_goes_on(world: World) -> None:
    propose(world, one="1", two="2")
    opened = world.pull_request()
    world.place.close(opened.number)
    world.sweep()
    world.place.reopen(opened.number)

    propose(world, two="2 again")
    world.sweep()

    assert world.pull_request().number == opened.number
    assert proposed(world) == {"one": "1", "two": "2 again"}


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_merged_rolling_proposal_ends_in_step(world: World, how: str) -> None:
    propose(world, one="1", two="2")
    opened = world.pull_request()
    world.place.press_merge(opened.number, how)  # type: ignore[arg-type]

    world.sweep()
    assert world.place.open() == []
    assert not world.place.branches()

    propose(world, three="3")
    assert proposed(world) == {"three": "3"}


def test_two_rolling_mappings_of_one_repository_do_not_touch_each_other(
    make_world: MakeWorld,
) -> None:
    world = make_world(
        {"name": "a", "prompts": ["a-*"], "pull_request": {"group": "mapping"}},
        {"name": "b", "prompts": ["b-*"], "pull_request": {"group": "mapping"}},
    )
    world.save("1", "a-one")
    world.save("2", "b-two")
    world.settle()
    world.sweep()

    heads = {each.head: world.place.changed(each.head) for each in world.place.open()}
    assert heads == {"promptlayer/a": {path("a-one")}, "promptlayer/b": {path("b-two")}}
    states = [each.state for head in heads for each in world.place.every(head)]
    assert states == [PullRequestState.OPEN] * 2
