"""An open proposal is pushed when it has something new to say, and not whenever the base moves."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES

PROPOSALS, COMMITS, SWEEPS = 10, 100, 2
on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


def pushes_after_unrelated_commits(environment: BridgeEnvironment) -> int:
    """How often a branch was pushed while others worked on the base."""
    for number in range(PROPOSALS):
        environment.save(f"Answer {number}.", f"prompt-{number}")
    environment.settle()
    heads = {pull.head_branch: pull.head_commit for pull in environment.repository.open()}
    assert len(heads) == PROPOSALS
    pushes = 0
    for _ in range(SWEEPS):
        environment.repository.commit_often("src/bot.py", COMMITS // SWEEPS)
        environment.sweep()
        now = {pull.head_branch: pull.head_commit for pull in environment.repository.open()}
        pushes += sum(now[head] != heads[head] for head in heads)
        heads = now
    return pushes


@on_every_forge
def test_a_hundred_unrelated_commits_push_nothing(environment: BridgeEnvironment) -> None:
    assert pushes_after_unrelated_commits(environment) == 0


def test_the_count_of_pushes_sees_those_that_a_mapping_wants(make_world: MakeWorld) -> None:
    wanted = make_world({"pull_request": {"behind": "update"}})

    assert pushes_after_unrelated_commits(wanted) == PROPOSALS * SWEEPS


@on_every_forge
@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_base_that_changed_the_file_is_followed(make_world: MakeWorld, group: str) -> None:
    environment = make_world({"pull_request": {"group": group}})
    environment.save("Answer.")
    environment.adopt()
    environment.save("Answer kindly.")
    environment.settle()
    text = environment.repository.text(PATH)
    assert text is not None
    moved = environment.repository.commit(
        {PATH: text.replace("messages:", "# Ask Ada.\nmessages:").encode()}
    )

    environment.sweep()

    opened = environment.pull_request()
    assert environment.repository.log(opened.head_branch, "%P") == [moved]
    proposed = environment.repository.text(PATH, opened.head_branch)
    assert proposed is not None
    assert "# Ask Ada." in proposed
    assert environment.proposed() == "Answer kindly."


@on_every_forge
def test_the_next_version_stands_on_the_base_as_it_is_then(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    moved = environment.repository.commit({"src/bot.py": b"print()\n"})
    environment.sweep()
    assert environment.repository.log(environment.pull_request().head_branch, "%P") != [moved]

    environment.save("Answer briefly.")
    environment.settle()

    assert environment.repository.log(environment.pull_request().head_branch, "%P") == [moved]
