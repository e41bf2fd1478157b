"""People's commits on the bridge's branch are theirs, and stay."""

from __future__ import annotations

import pytest

from bridge.forge.base import PullRequestState
from bridge.prompts.outcome import OutcomeKind
from tests.contract.case import MergeHow
from tests.integration.lifecycle.place import EVERY_FORGE
from tests.integration.lifecycle.world import PATH, World, lines

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def edit_branch(world: World, old: str, new: str) -> None:
    """Somebody changes the proposed file on its branch."""
    branch = world.pull_request().head
    text = world.place.text(PATH, branch)
    assert text is not None
    assert old in text
    world.place.commit({PATH: text.replace(old, new, 1).encode()}, branch)


def line(name: str) -> str:
    """A line of the prompt as the file has it."""
    return f"      {name}\n"


@on_every_forge
def test_a_commit_that_touches_another_file_stays_under_the_next_version(world: World) -> None:
    propose(world, "Answer kindly.")
    branch = world.pull_request().head
    world.place.commit({"tests/test_bot.py": b"pass\n"}, branch)

    propose(world, "Answer briefly.")

    assert world.place.text("tests/test_bot.py", branch) == "pass\n"
    assert world.proposed() == "Answer briefly."
    assert world.place.log(branch, "%an") == ["Ada Lovelace", "Sam Person", "Ada Lovelace"]


@on_every_forge
def test_a_persons_edit_and_a_newer_version_are_merged(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))

    propose(world, lines(g="G of Ada"))

    assert world.proposed() == lines(a="A of Sam", g="G of Ada")


def test_a_merged_edit_survives_another_look(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    propose(world, lines(g="G of Ada"))

    world.sweep()

    assert world.proposed() == lines(a="A of Sam", g="G of Ada")
    assert world.standing().kind is OutcomeKind.UNCHANGED


def test_a_merged_edit_survives_the_version_after(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    propose(world, lines(g="G of Ada"))

    propose(world, lines(g="G of Ada", d="D of Ada"))

    assert world.proposed() == lines(a="A of Sam", d="D of Ada", g="G of Ada")


def test_a_second_edit_survives_as_well(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    propose(world, lines(g="G of Ada"))
    edit_branch(world, line("d"), line("D of Sam"))

    propose(world, lines(g="G of Ada again"))

    assert world.proposed() == lines(a="A of Sam", d="D of Sam", g="G of Ada again")


@on_every_forge
def test_a_conflict_is_told_once_and_the_branch_is_left(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    opened = world.pull_request()

    propose(world, lines(a="A of Ada"))
    world.sweep()

    left = world.pull_request()
    assert left.head_commit == opened.head_commit
    assert world.proposed() == lines(a="A of Sam")
    (words,) = world.place.comments(left.number)
    assert PATH in words
    assert world.standing().kind is OutcomeKind.CONFLICT


def test_a_conflict_that_a_person_solves_is_over(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    propose(world, lines(a="A of Ada"))
    text = world.place.text(PATH, world.branch())
    assert text is not None
    solved = text.replace("A of Sam", "A of Ada").replace("version: 1", "version: 2")
    world.place.commit({PATH: solved.encode()}, world.branch())

    world.sweep()

    assert world.standing().kind in (OutcomeKind.UPDATED, OutcomeKind.UNCHANGED)


def test_a_branch_is_the_bridges_again_once_the_commits_of_others_are_gone(world: World) -> None:
    propose(world, lines())
    branch = world.branch()
    ours = world.pull_request().head_commit
    edit_branch(world, line("a"), line("A of Sam"))
    propose(world, lines(a="A of Ada"))
    world.place.point(branch, ours)

    world.sweep()

    assert world.proposed() == lines(a="A of Ada")
    assert len(world.place.log(branch, "%H")) == 1


def test_a_branch_with_commits_of_others_does_not_follow_the_base(world: World) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    before = world.pull_request().head_commit
    world.place.commit({"src/bot.py": b"print()\n"})

    world.sweep()

    assert world.pull_request().head_commit == before


@on_every_forge
def test_a_withdrawn_branch_with_commits_of_others_stays(world: World) -> None:
    propose(world, "Answer kindly.")
    world.place.merge(world.pull_request())
    world.sweep()
    propose(world, "Answer briefly.")
    opened = world.pull_request()
    world.place.commit({"tests/test_bot.py": b"pass\n"}, opened.head)

    propose(world, "Answer kindly.")

    assert world.place.newest(opened.head).state is PullRequestState.CLOSED
    assert world.place.branches() == {opened.head}
    assert "The branch stays" in world.place.comments(opened.number)[0]


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_branch_with_commits_of_others_is_done_with_once_it_is_merged(
    world: World, how: MergeHow
) -> None:
    """Its next proposal starts from the base and shows the new version alone."""
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    opened = world.pull_request()
    world.place.merge(opened, how)
    world.sweep()

    propose(world, lines(g="G of Ada"))

    again = world.pull_request()
    assert again.number > opened.number
    assert len(world.place.log(again.head, "%H")) == 1
    assert world.proposed() == lines(g="G of Ada")
    assert "edited in the repository too" in again.body


def test_a_rejected_branch_with_commits_of_others_keeps_them_in_the_next_proposal(
    world: World,
) -> None:
    propose(world, lines())
    edit_branch(world, line("a"), line("A of Sam"))
    world.place.close(world.pull_request().number)
    world.sweep()
    assert world.place.open() == []

    propose(world, lines(g="G of Ada"))

    assert world.proposed() == lines(a="A of Sam", g="G of Ada")


def test_somebody_elses_branch_of_that_name_is_not_thrown_away(world: World) -> None:
    world.place.commit({"plan.txt": b"Mine.\n"}, world.branch())

    propose(world, "Answer kindly.")

    assert world.place.text("plan.txt", world.pull_request().head) == "Mine.\n"
    assert world.proposed() == "Answer kindly."


def test_an_amended_commit_of_the_bridge_counts_as_somebodys(world: World) -> None:
    propose(world, lines())
    branch = world.branch()
    edit_branch(world, line("a"), line("A of Sam"))
    world.place.squash_branch(branch)

    propose(world, lines(g="G of Ada"))

    found = world.proposed()
    assert found is not None
    assert "A of Sam" in found or world.standing().kind is OutcomeKind.CONFLICT
