"""People's commits on the bridge's branch are theirs, and stay."""

from __future__ import annotations

import pytest

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.contract.forge_case import MergeMethod
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, lines
from tests.integration.lifecycle.forge_repository import EVERY_FORGE

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)


def line(name: str) -> str:
    """A line of the prompt as the file has it."""
    return f"      {name}\n"


@on_every_forge
def test_a_commit_that_touches_another_file_stays_under_the_next_version(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    branch = environment.pull_request().head_branch
    environment.repository.commit({"tests/test_bot.py": b"pass\n"}, branch)

    environment.propose("Answer briefly.")

    assert environment.repository.text("tests/test_bot.py", branch) == "pass\n"
    assert environment.proposed() == "Answer briefly."
    assert environment.repository.log(branch, "%an") == [
        "Ada Lovelace",
        "Sam Person",
        "Ada Lovelace",
    ]


@on_every_forge
def test_a_persons_edit_and_a_newer_version_are_merged(environment: BridgeEnvironment) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))

    environment.propose(lines(g="G of Ada"))

    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")


def test_a_merged_edit_survives_another_look(environment: BridgeEnvironment) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.propose(lines(g="G of Ada"))

    environment.sweep()

    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")
    assert environment.standing().kind is ReconcileOutcomeKind.UNCHANGED


def test_a_merged_edit_survives_the_version_after(environment: BridgeEnvironment) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.propose(lines(g="G of Ada"))

    environment.propose(lines(g="G of Ada", d="D of Ada"))

    assert environment.proposed() == lines(a="A of Sam", d="D of Ada", g="G of Ada")


def test_a_second_edit_survives_as_well(environment: BridgeEnvironment) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.propose(lines(g="G of Ada"))
    environment.edit_branch(line("d"), line("D of Sam"))

    environment.propose(lines(g="G of Ada again"))

    assert environment.proposed() == lines(a="A of Sam", d="D of Sam", g="G of Ada again")


@on_every_forge
def test_a_conflict_is_told_once_and_the_branch_is_left(environment: BridgeEnvironment) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    opened = environment.pull_request()

    environment.propose(lines(a="A of Ada"))
    environment.sweep()

    left = environment.pull_request()
    assert left.head_commit == opened.head_commit
    assert environment.proposed() == lines(a="A of Sam")
    assert "**The branch is not up to date.**" in left.body
    assert "People changed this branch" in left.body
    assert "Sam Person" in left.body
    (words,) = environment.repository.comments(left.number)
    assert PATH in words
    assert environment.standing().kind is ReconcileOutcomeKind.CONFLICT


def test_a_conflict_that_a_person_solves_is_over(environment: BridgeEnvironment) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.propose(lines(a="A of Ada"))
    text = environment.repository.text(PATH, environment.branch())
    assert text is not None
    solved = text.replace("A of Sam", "A of Ada").replace("version: 1", "version: 2")
    environment.repository.commit({PATH: solved.encode()}, environment.branch())

    environment.sweep()

    assert environment.standing().kind in (
        ReconcileOutcomeKind.UPDATED,
        ReconcileOutcomeKind.UNCHANGED,
    )
    assert "is not up to date" not in environment.pull_request().body


def test_a_branch_is_the_bridges_again_once_the_commits_of_others_are_gone(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines())
    branch = environment.branch()
    ours = environment.pull_request().head_commit
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.propose(lines(a="A of Ada"))
    environment.repository.point(branch, ours)

    environment.sweep()

    assert environment.proposed() == lines(a="A of Ada")
    assert len(environment.repository.log(branch, "%H")) == 1


def test_a_branch_with_commits_of_others_does_not_follow_the_base(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    before = environment.pull_request().head_commit
    environment.repository.commit({"src/bot.py": b"print()\n"})

    environment.sweep()

    assert environment.pull_request().head_commit == before


@on_every_forge
def test_a_withdrawn_branch_with_commits_of_others_stays(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    environment.propose("Answer briefly.")
    opened = environment.pull_request()
    environment.repository.commit({"tests/test_bot.py": b"pass\n"}, opened.head_branch)

    environment.propose("Answer kindly.")

    assert environment.repository.newest(opened.head_branch).state is PullRequestState.CLOSED
    assert environment.repository.branches() == {opened.head_branch}
    assert "The branch stays" in environment.repository.comments(opened.number)[0]


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_branch_with_commits_of_others_is_done_with_once_it_is_merged(
    environment: BridgeEnvironment, how: MergeMethod
) -> None:
    """Its next proposal starts from the base and shows the new version alone."""
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    opened = environment.pull_request()
    environment.repository.merge(opened, how)
    environment.sweep()

    environment.propose(lines(g="G of Ada"))

    again = environment.pull_request()
    assert again.number > opened.number
    assert len(environment.repository.log(again.head_branch, "%H")) == 1
    assert environment.proposed() == lines(g="G of Ada")
    assert "edited in the repository too" in again.body


def test_a_rejected_branch_with_commits_of_others_keeps_them_in_the_next_proposal(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines())
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    assert environment.repository.open() == []

    environment.propose(lines(g="G of Ada"))

    assert environment.proposed() == lines(a="A of Sam", g="G of Ada")


def test_somebody_elses_branch_of_that_name_is_not_thrown_away(
    environment: BridgeEnvironment,
) -> None:
    environment.repository.commit({"plan.txt": b"Mine.\n"}, environment.branch())

    environment.propose("Answer kindly.")

    assert (
        environment.repository.text("plan.txt", environment.pull_request().head_branch) == "Mine.\n"
    )
    assert environment.proposed() == "Answer kindly."


def test_an_amended_commit_of_the_bridge_counts_as_somebodys(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines())
    branch = environment.branch()
    environment.edit_branch(line("a"), line("A of Sam"))
    environment.repository.squash_branch(branch)

    environment.propose(lines(g="G of Ada"))

    found = environment.proposed()
    assert found is not None
    assert "A of Sam" in found or environment.standing().kind is ReconcileOutcomeKind.CONFLICT
