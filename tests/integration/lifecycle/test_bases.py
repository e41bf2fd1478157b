"""Where a proposal goes: one pull request for a head branch, to the mapping's base, and nothing in
it but the bridge's work and that of people on its own branch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.forge.forge import PullRequest, PullRequestContent, PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.pull_request.metadata import parse_metadata
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


def change_base(environment: BridgeEnvironment, base: str | None) -> None:
    """Somebody writes another ``base`` into the mapping, and the running bridge takes it up."""
    (context,) = environment.controller.contexts.values()
    settings = context.mapping.model_copy(update={"base": base})
    environment.controller.contexts = {context.mapping.name: replace(context, mapping=settings)}


def start_develop(environment: BridgeEnvironment) -> None:
    """A branch with work that main does not have."""
    environment.repository.commit({"unfinished/plan.txt": b"Not yet.\n"}, "develop")


def only_proposal(environment: BridgeEnvironment) -> PullRequest:
    """The one open pull request, which brings the prompt's file and nothing else."""
    (only,) = environment.repository.open()
    assert environment.repository.changed(only.head_branch, only.base_branch) == {PATH}
    assert f"`{only.base_branch}`" in only.body
    return only


# The mapping's base changes


@on_every_forge
def test_a_proposal_follows_the_base_to_a_branch_with_unfinished_work(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    opened = only_proposal(environment)
    start_develop(environment)

    change_base(environment, "develop")
    environment.sweep()

    moved = only_proposal(environment)
    assert (moved.number, moved.base_branch) == (opened.number, "develop")
    assert environment.repository.log(moved.head_branch, "%P", "develop") == [
        environment.repository.head("develop")
    ]
    (words,) = environment.repository.comments(moved.number)
    assert "develop" in words


@on_every_forge
def test_a_proposal_follows_the_base_back_and_brings_nothing_of_the_other(
    environment: BridgeEnvironment,
) -> None:
    start_develop(environment)
    change_base(environment, "develop")
    environment.propose("Answer kindly.")
    opened = only_proposal(environment)

    change_base(environment, None)
    environment.sweep()

    moved = only_proposal(environment)
    assert (moved.number, moved.base_branch) == (opened.number, "main")
    assert environment.repository.log(moved.head_branch, "%P", "main") == [
        environment.repository.head("main")
    ]


@on_every_forge
def test_a_proposal_follows_the_base_between_branches_that_went_different_ways(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    start_develop(environment)
    environment.repository.commit({"hotfix.txt": b"Now.\n"})
    environment.sweep()

    change_base(environment, "develop")
    environment.sweep()

    assert only_proposal(environment).base_branch == "develop"


@on_every_forge
def test_what_was_declined_stays_declined_on_another_base(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    start_develop(environment)

    change_base(environment, "develop")
    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED


@on_every_forge
def test_what_was_merged_is_proposed_to_the_base_that_lacks_it(
    environment: BridgeEnvironment,
) -> None:
    start_develop(environment)
    environment.propose("Answer kindly.")
    environment.repository.merge(environment.pull_request())
    environment.sweep()

    change_base(environment, "develop")
    environment.sweep()

    assert only_proposal(environment).base_branch == "develop"


@on_every_forge
def test_a_branch_with_commits_of_others_stays_on_the_base_it_stands_on_and_is_told(
    environment: BridgeEnvironment,
) -> None:
    start_develop(environment)
    change_base(environment, "develop")
    environment.propose("Answer kindly.")
    environment.repository.commit({"tests/test_bot.py": b"pass\n"}, environment.branch())

    change_base(environment, None)
    environment.sweep()

    left = environment.pull_request()
    assert left.base_branch == "develop"
    assert environment.standing().kind is ReconcileOutcomeKind.CONFLICT
    assert "rebase it onto main" in environment.standing().reason
    (words,) = environment.repository.comments(left.number)
    assert "rebase it onto `main`" in words

    environment.repository.merge(left)
    environment.sweep()

    assert only_proposal(environment).base_branch == "main"


@on_every_forge
def test_a_branch_with_commits_of_others_goes_along_where_it_brings_nothing_else(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    environment.repository.commit({"tests/test_bot.py": b"pass\n"}, environment.branch())
    start_develop(environment)

    change_base(environment, "develop")
    environment.sweep()

    moved = environment.pull_request()
    assert moved.base_branch == "develop"
    assert environment.repository.changed(moved.head_branch, "develop") == {
        PATH,
        "tests/test_bot.py",
    }


@on_every_forge
def test_a_rolling_proposal_follows_the_base_with_all_it_proposes(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"group": "mapping"}})
    environment.save("Answer kindly.")
    environment.save("Refund.", "support/refund")
    environment.settle()
    environment.save("Refund at once.", "support/refund")
    environment.settle()
    start_develop(environment)

    change_base(environment, "develop")
    environment.sweep()

    moved = environment.pull_request()
    assert moved.base_branch == "develop"
    paths = {PATH, "prompts/latest/support/refund.yaml"}
    assert environment.repository.changed(moved.head_branch, "develop") == paths
    assert environment.proposed_by(moved, "prompts/latest/support/refund.yaml") == "Refund at once."


def test_two_pull_requests_that_an_older_bridge_left_become_one(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    start_develop(environment)
    before = environment.pull_request()
    content = PullRequestContent(before.title, before.body)
    second = environment.repository.forge.create_pull_request(
        before.head_branch, "develop", content
    )

    change_base(environment, "develop")
    environment.sweep()

    assert only_proposal(environment).number == second.number
    closed = environment.repository.forge.find_pull_request(before.number)
    assert closed is not None
    assert closed.state is PullRequestState.CLOSED
    assert "Withdrawn" in environment.repository.comments(before.number)[0]
    metadata = parse_metadata(closed.body)
    assert metadata is not None
    assert metadata.withdrawn


# A person takes it elsewhere


@on_every_forge
def test_a_pull_request_that_a_person_took_elsewhere_is_put_back_with_a_word(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    opened = only_proposal(environment)
    start_develop(environment)

    for _ in range(2):
        environment.repository.retarget(environment.pull_request(), "develop")
        environment.sweep()

    back = only_proposal(environment)
    assert (back.number, back.base_branch) == (opened.number, "main")
    (words,) = environment.repository.comments(back.number)
    assert "change its `base`" in words


def test_a_pull_request_that_a_person_opens_from_the_branch_is_left_alone(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    start_develop(environment)
    theirs = environment.repository.forge.create_pull_request(
        opened.head_branch, "develop", PullRequestContent("To develop as well", "By Sam.")
    )

    environment.propose("Answer briefly.")

    numbers = {each.number: each for each in environment.repository.open()}
    assert numbers[theirs.number].body.strip() == "By Sam."
    assert numbers[opened.number].base_branch == "main"
    assert environment.proposed_by(numbers[opened.number]) == "Answer briefly."


# The forge's default branch


@on_every_forge
def test_a_renamed_default_branch_needs_no_restart(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()

    environment.repository.rename_branch("main", "trunk")
    environment.propose("Answer briefly.")

    moved = only_proposal(environment)
    assert (moved.number, moved.base_branch) == (opened.number, "trunk")
    assert environment.says(PATH, moved.head_branch) == "Answer briefly."


@on_every_forge
def test_a_default_branch_that_moved_is_followed_at_the_next_sweep(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    start_develop(environment)

    environment.repository.set_default_branch("develop")
    environment.sweep()

    assert only_proposal(environment).base_branch == "develop"


# The check that follows every test


def test_a_planted_foreign_commit_is_seen(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    start_develop(environment)
    ours = environment.pull_request().head_commit
    environment.repository.point(environment.branch(), environment.repository.head("develop"))

    seen = environment.repository.foreign_work()

    environment.repository.point(environment.branch(), ours)
    assert len(seen) == 1
    assert "unfinished/plan.txt" in seen[0]
    assert environment.repository.foreign_work() == []
