"""An open proposal is pushed when it has something new to say, and not whenever the base moves."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import PATH, MakeWorld, World

PROPOSALS, COMMITS, SWEEPS = 10, 100, 2
on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


def pushes_after_unrelated_commits(world: World) -> int:
    """How often a branch was pushed while others worked on the base."""
    for number in range(PROPOSALS):
        world.save(f"Answer {number}.", f"prompt-{number}")
    world.settle()
    heads = {pull.head: pull.head_commit for pull in world.place.open()}
    assert len(heads) == PROPOSALS
    pushes = 0
    for _ in range(SWEEPS):
        world.place.commit_often("src/bot.py", COMMITS // SWEEPS)
        world.sweep()
        now = {pull.head: pull.head_commit for pull in world.place.open()}
        pushes += sum(now[head] != heads[head] for head in heads)
        heads = now
    return pushes


@on_every_forge
def test_a_hundred_unrelated_commits_push_nothing(world: World) -> None:
    assert pushes_after_unrelated_commits(world) == 0


def test_the_count_of_pushes_sees_those_that_a_mapping_wants(make_world: MakeWorld) -> None:
    wanted = make_world({"pull_request": {"behind": "update"}})

    assert pushes_after_unrelated_commits(wanted) == PROPOSALS * SWEEPS


@on_every_forge
@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_base_that_changed_the_file_is_followed(make_world: MakeWorld, group: str) -> None:
    world = make_world({"pull_request": {"group": group}})
    world.save("Answer.")
    world.adopt()
    world.save("Answer kindly.")
    world.settle()
    text = world.place.text(PATH)
    assert text is not None
    moved = world.place.commit({PATH: text.replace("messages:", "# Ask Ada.\nmessages:").encode()})

    world.sweep()

    opened = world.pull_request()
    assert world.place.log(opened.head, "%P") == [moved]
    proposed = world.place.text(PATH, opened.head)
    assert proposed is not None
    assert "# Ask Ada." in proposed
    assert world.proposed() == "Answer kindly."


@on_every_forge
def test_the_next_version_stands_on_the_base_as_it_is_then(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    moved = world.place.commit({"src/bot.py": b"print()\n"})
    world.sweep()
    assert world.place.log(world.pull_request().head, "%P") != [moved]

    world.save("Answer briefly.")
    world.settle()

    assert world.place.log(world.pull_request().head, "%P") == [moved]
