"""``import --history``: every version of a prompt is a commit."""

from __future__ import annotations

import pytest

from bridge.errors import Refused
from bridge.prompts.outcome import OutcomeKind
from bridge.steps.history import Imported, import_history
from tests.contract.case import MergeHow
from tests.integration.lifecycle.world import BOT, NAME, PATH, MakeWorld, World

BRANCH = "promptlayer/support/history"
OTHER = "support/thank"
OTHER_PATH = PATH.replace("reply", "thank")
TOKEN = "ghp_" + "wq8Zr3LkT0nVb5YhJ2xCdM7sPfA1gE9uQi4o"


def import_all(world: World) -> Imported:
    world.post.lose()
    worker = world.worker
    return import_history(worker.sites["support"], worker.index, lambda *_: None, worker.room.take)


def three_versions(world: World) -> None:
    world.save("Answer kindly.", commit_message="First words")
    world.clock.turn(3600)
    world.save("Answer briefly.")
    world.clock.turn(3600)
    world.save("Answer at length.", commit_message="Say more")


def test_every_version_is_one_commit_with_its_date_and_message(world: World) -> None:
    three_versions(world)

    imported = import_all(world)

    assert (imported.prompts, imported.versions, imported.refusals) == (1, 3, ())
    assert world.place.log(BRANCH, "%s") == [
        "support/reply version 3: Say more",
        "support/reply version 2",
        "support/reply version 1: First words",
    ]
    dates = [f"{v.created_at:%Y-%m-%dT%H:%M:%S+00:00}" for v in world.registry.entry(NAME).versions]
    assert world.place.log(BRANCH, "%aI") == dates[::-1]
    assert set(world.place.log(BRANCH, "%ae %ce")) == {f"{BOT.email} {BOT.email}"}
    texts = [world.says(PATH, f"{BRANCH}~{back}") for back in (2, 1, 0)]
    assert texts == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert [pull.head for pull in world.place.open()] == [BRANCH]


def test_versions_of_several_prompts_follow_one_another_by_time(world: World) -> None:
    world.save("Answer kindly.", commit_message="a")
    world.clock.turn(60)
    world.save("Say thanks.", OTHER, commit_message="b")
    world.clock.turn(60)
    world.save("Answer briefly.", commit_message="c")

    import_all(world)

    subjects = world.place.log(BRANCH, "%s")
    assert [subject.rpartition(": ")[2] for subject in subjects] == ["c", "b", "a"]
    assert world.place.changed(BRANCH) == {PATH, OTHER_PATH}


def test_a_second_import_has_nothing_to_push(world: World) -> None:
    three_versions(world)
    import_all(world)
    before = world.place.log(BRANCH, "%H")

    import_all(world)

    assert world.place.log(BRANCH, "%H") == before
    assert len(world.place.every(BRANCH)) == 1


def test_a_version_that_came_later_is_added_to_the_same_pull_request(world: World) -> None:
    three_versions(world)
    import_all(world)
    before = world.place.log(BRANCH, "%H")
    world.clock.turn(60)
    world.save("Answer in verse.")

    import_all(world)

    assert world.place.log(BRANCH, "%H")[1:] == before
    assert len(world.place.every(BRANCH)) == 1


def test_a_prompt_that_has_a_file_is_left_alone(world: World) -> None:
    three_versions(world)
    world.adopt()
    world.save("Say thanks.", OTHER)

    imported = import_all(world)

    assert imported.prompts == 1
    assert world.place.changed(BRANCH) == {OTHER_PATH}


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_once_merged_everything_is_in_step(world: World, how: MergeHow) -> None:
    three_versions(world)
    import_all(world)
    world.place.merge(world.pull_request(), how)

    world.sweep()

    assert world.place.open() == []
    assert world.says() == "Answer at length."
    assert import_all(world) == Imported(0, 0, None)


def test_a_sweep_leaves_the_branch_of_the_history_alone(world: World) -> None:
    three_versions(world)
    import_all(world)

    world.sweep()

    assert {pull.head for pull in world.place.open()} == {BRANCH, world.branch()}
    assert world.standing().kind is OutcomeKind.PROPOSED


def test_a_version_with_a_secret_is_left_out_and_told(world: World) -> None:
    world.save("Answer kindly.")
    world.save(f"Use {TOKEN}.")
    world.save("Answer briefly.")

    imported = import_all(world)

    assert imported.versions == 2
    ((prompt, reason),) = imported.refusals
    assert prompt == NAME
    assert "Version 2" in reason
    assert TOKEN not in reason


def test_a_message_of_a_stranger_does_nothing_in_git(world: World) -> None:
    world.save("Answer kindly.", commit_message="Fixes #1\n\nSigned-off-by: x <x@example.com>")

    import_all(world)

    (message,) = world.place.log(BRANCH, "%B")
    assert "\nSigned-off-by" not in message
    assert "Fixes #1" not in message


def test_commits_of_others_on_the_branch_are_not_overwritten(world: World) -> None:
    three_versions(world)
    import_all(world)
    commit = world.place.commit({"notes.md": b"mine"}, BRANCH)
    world.save("Answer in verse.")

    with pytest.raises(Refused, match="not the bridge's"):
        import_all(world)

    assert world.place.log(BRANCH, "%H")[0] == commit


def test_a_file_in_the_way_is_told_and_the_others_are_imported(make_world: MakeWorld) -> None:
    world = make_world({})
    world.save("Answer kindly.")
    world.save("Say thanks.", OTHER)
    world.place.commit({PATH: b"not: a prompt\n"})

    imported = import_all(world)

    assert imported.prompts == 1
    assert [prompt for prompt, _ in imported.refusals] == [NAME]
