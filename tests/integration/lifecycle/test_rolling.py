"""``group: mapping``: one rolling pull request for all prompts of a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES

BRANCH = "promptlayer/support"


@pytest.fixture
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    return make_world({"pull_request": {"group": "mapping"}})


def path(name: str) -> str:
    return f"prompts/latest/{name}.yaml"


def propose(environment: BridgeEnvironment, **texts: str) -> None:
    for name, text in texts.items():
        environment.save(text, name)
    environment.settle()


def proposed(environment: BridgeEnvironment) -> dict[str, str | None]:
    """Prompt → what the one pull request makes of it."""
    head = environment.pull_request().head_branch
    files = [
        Path(each) for each in environment.repository.changed(head) if each.startswith("prompts/")
    ]
    return {file.stem: environment.says(str(file), head) for file in files}


def states(environment: BridgeEnvironment) -> dict[str, str]:
    """Prompt → how it stands in the books."""
    known = environment.store.target_statuses.find_by_mapping("support").values()
    return {status.name: str(status.state) for status in known}


@pytest.mark.parametrize("forge_name", FORGES)
def test_all_prompts_are_one_commit_in_one_pull_request(environment: BridgeEnvironment) -> None:
    propose(environment, one="1", two="2", three="3")

    assert environment.pull_request().head_branch == BRANCH
    assert proposed(environment) == {"one": "1", "two": "2", "three": "3"}
    assert len(environment.repository.log(BRANCH, "%H")) == 1


@pytest.mark.parametrize("forge_name", FORGES)
def test_an_event_on_one_prompt_keeps_what_is_proposed_of_the_others(
    environment: BridgeEnvironment,
) -> None:
    propose(environment, one="1", two="2")
    opened = environment.pull_request()

    propose(environment, two="2 again")

    assert environment.pull_request().number == opened.number
    assert proposed(environment) == {"one": "1", "two": "2 again"}
    assert "one" in environment.pull_request().body


def test_a_base_that_moves_is_followed_with_all_of_it(environment: BridgeEnvironment) -> None:
    propose(environment, one="1", two="2")
    moved = environment.repository.commit({"src/bot.py": b"print()\n"})

    propose(environment, three="3")

    assert environment.repository.log(BRANCH, "%P") == [moved]
    assert proposed(environment) == {"one": "1", "two": "2", "three": "3"}


def test_what_somebody_took_over_by_hand_leaves_the_proposal(
    environment: BridgeEnvironment,
) -> None:
    propose(environment, one="1", two="2")
    text = environment.repository.text(path("one"), BRANCH)
    assert text is not None
    environment.repository.commit({path("one"): text.encode()})

    environment.sweep()

    assert proposed(environment) == {"two": "2"}


def test_a_prompt_that_goes_back_leaves_the_others_proposed(environment: BridgeEnvironment) -> None:
    environment.save("0", "one")
    environment.adopt(path("one"))
    propose(environment, one="1", two="2")

    propose(environment, one="0")

    assert proposed(environment) == {"two": "2"}


def test_a_person_at_work_on_the_branch_does_not_make_it_forget_the_others(
    environment: BridgeEnvironment,
) -> None:
    environment.save("0", "one")
    environment.adopt(path("one"))
    propose(environment, one="1", two="2")
    opened = environment.pull_request()
    environment.repository.commit({"tests/test_bot.py": b"pass\n"}, BRANCH)

    propose(environment, three="3")
    propose(environment, one="0")

    assert environment.pull_request().number == opened.number
    assert proposed(environment)["two"] == "2"
    assert proposed(environment)["three"] == "3"
    assert "two" in environment.pull_request().body


def test_a_renamed_prompt_moves_within_the_proposal(environment: BridgeEnvironment) -> None:
    propose(environment, one="1", two="2")

    environment.registry.rename(1, "first")
    environment.settle()

    assert proposed(environment) == {"first": "1", "two": "2"}


def test_a_deleted_prompt_is_removed_beside_the_others_changes(
    environment: BridgeEnvironment,
) -> None:
    environment.save("0", "one")
    environment.adopt(path("one"))
    propose(environment, two="2")

    environment.registry.delete(1)
    environment.settle()
    propose(environment, three="3")

    assert proposed(environment) == {"one": None, "two": "2", "three": "3"}


def test_a_refused_prompt_does_not_hold_up_the_others(environment: BridgeEnvironment) -> None:
    environment.repository.commit({path("one"): b"Somebody's own notes.\n"})

    propose(environment, one="1", two="2")

    assert proposed(environment) == {"two": "2"}
    (told,) = {
        each.outcome
        for each in environment.controller.inbox.list_recent(9)
        if each.prompt_name == "one"
    }
    assert told is not None
    assert "does not belong to prompt" in told


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_closed_rolling_proposal_declines_each_change_of_it(
    environment: BridgeEnvironment,
) -> None:
    propose(environment, one="1", two="2", three="3")
    environment.repository.close(environment.pull_request().number)

    environment.sweep()
    assert environment.repository.open() == []
    assert environment.standing(BRANCH).kind is ReconcileOutcomeKind.REJECTED
    environment.sweep()
    assert states(environment) == {"one": "declined", "two": "declined", "three": "declined"}

    propose(environment, four="4")
    assert proposed(environment) == {"four": "4"}
    environment.sweep()
    assert proposed(environment) == {"four": "4"}
    assert states(environment) == {
        "one": "declined",
        "two": "declined",
        "three": "declined",
        "four": "pull request open",
    }

    propose(environment, two="2 again")
    assert proposed(environment) == {"two": "2 again", "four": "4"}


@pytest.mark.parametrize("forge_name", FORGES)
def test_what_was_declined_is_found_again_after_the_database_is_lost(
    environment: BridgeEnvironment,
) -> None:
    propose(environment, one="1", two="2")
    environment.repository.close(environment.pull_request().number)
    propose(environment, three="3")
    environment.forget_everything()

    environment.sweep()

    assert proposed(environment) == {"three": "3"}
    assert states(environment)["one"] == "declined"


def test_a_decision_outlives_later_decisions_on_other_prompts(
    environment: BridgeEnvironment,
) -> None:
    for name in ("one", "two", "three"):
        propose(environment, **{name: name})
        environment.repository.close(environment.pull_request().number)
    environment.forget_everything()

    environment.sweep()

    assert environment.repository.open() == []
    assert set(states(environment).values()) == {"declined"}


def test_a_declined_rename_and_a_declined_removal_are_not_proposed_again(
    environment: BridgeEnvironment,
) -> None:
    environment.save("0", "one")
    environment.save("0", "two")
    environment.adopt(path("one"))
    environment.adopt(path("two"))
    environment.registry.rename(1, "first")
    environment.registry.delete(2)
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    propose(environment, three="3")
    environment.sweep()

    assert proposed(environment) == {"three": "3"}


def test_a_declined_change_is_known_by_the_closed_commit_where_the_body_is_lost(
    environment: BridgeEnvironment,
) -> None:
    propose(environment, one="1", two="2")
    closed = environment.pull_request()
    environment.repository.edit(closed, body="No, thank you.")
    environment.repository.close(closed.number)

    propose(environment, three="3")
    environment.sweep()

    assert proposed(environment) == {"three": "3"}


def test_a_reopened_rolling_proposal_goes_on(environment: BridgeEnvironment) -> None:
    propose(environment, one="1", two="2")
    opened = environment.pull_request()
    environment.repository.close(opened.number)
    environment.sweep()
    environment.repository.reopen(opened.number)

    propose(environment, two="2 again")
    environment.sweep()

    assert environment.pull_request().number == opened.number
    assert proposed(environment) == {"one": "1", "two": "2 again"}


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_merged_rolling_proposal_ends_in_step(environment: BridgeEnvironment, how: str) -> None:
    propose(environment, one="1", two="2")
    opened = environment.pull_request()
    environment.repository.press_merge(opened.number, how)  # type: ignore[arg-type]

    environment.sweep()
    assert environment.repository.open() == []
    assert not environment.repository.branches()

    propose(environment, three="3")
    assert proposed(environment) == {"three": "3"}


def test_two_rolling_mappings_of_one_repository_do_not_touch_each_other(
    make_world: MakeWorld,
) -> None:
    environment = make_world(
        {"name": "a", "prompts": ["a-*"], "pull_request": {"group": "mapping"}},
        {"name": "b", "prompts": ["b-*"], "pull_request": {"group": "mapping"}},
    )
    environment.save("1", "a-one")
    environment.save("2", "b-two")
    environment.settle()
    environment.sweep()

    heads = {
        each.head_branch: environment.repository.changed(each.head_branch)
        for each in environment.repository.open()
    }
    assert heads == {"promptlayer/a": {path("a-one")}, "promptlayer/b": {path("b-two")}}
    states = [each.state for head in heads for each in environment.repository.every(head)]
    assert states == [PullRequestState.OPEN] * 2
