"""The one decision of the bridge, as a table of situations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.plan import (
    ClosePullRequest,
    DeleteBranch,
    FileEdit,
    NoChange,
    PlanInput,
    ProposalPlan,
    UpsertPullRequest,
    build_pull_request_metadata,
    decide_plan,
    find_open,
    select_proposal_pull_requests,
)
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.metadata import PendingApproval, PullRequestMetadata
from bridge.prompts.pull_request.proposal_summary import ApprovalRequest, PromptChange

PATH = "prompts/prod/reply.yaml"
TIP = "1" * 40
PENDING = PendingApproval(ApprovalRequest("Jane", "move", "prod", "2026-03-02"), 1)


def prompt(text: str, name: str = "reply") -> Prompt:
    return Prompt(name, {"type": "chat", "messages": [text]}, id=17, version=1)


def edit(after: str | None = "new", before: str | None = "old", **change: str) -> FileEdit:
    made = PromptChange(
        path=change.get("path", PATH),
        old_path=change.get("old_path"),
        label="prod",
        before=prompt(before) if before is not None else None,
        after=prompt(after) if after is not None else None,
    )
    return FileEdit(made, after.encode() if after is not None else None)


def memory_of(*edits: FileEdit) -> PullRequestMetadata:
    return build_pull_request_metadata(edits)


NEW = edit()
MEMORY = memory_of(NEW)


def pull(
    state: PullRequestState,
    metadata: PullRequestMetadata | None = MEMORY,
    *,
    number: int = 3,
    head: str = TIP,
) -> PullRequest:
    body = "Words.\n" + (metadata.render_hidden_line() if metadata else "")
    return PullRequest(number, "https://x/3", state, "b", "main", head, "Title", body, False)


OPEN, MERGED, CLOSED = PullRequestState.OPEN, PullRequestState.MERGED, PullRequestState.CLOSED
WITHDRAWN = pull(CLOSED, replace(MEMORY, withdrawn=True))
OTHER = memory_of(edit("something else"))


def situation(*edits: FileEdit, pulls: tuple[PullRequest, ...] = (), **changed: Any) -> PlanInput:
    given = PlanInput(
        edits=edits,
        metadata=memory_of(*edits),
        no_change_kind=ReconcileOutcomeKind.IN_STEP,
        no_change_reason="same content",
        pull_requests=pulls,
        branch_exists=False,
        has_commits_of_people=False,
        tip_commit_id=None,
        is_branch_current=False,
        base="main",
    )
    return replace(given, **changed)


def propose(onto: PullRequest | None) -> UpsertPullRequest:
    return UpsertPullRequest((NEW,), MEMORY, onto)


def rejected(by: PullRequest) -> NoChange:
    reason = f"#{by.number} proposed this and was closed; the next change is proposed again"
    return NoChange(ReconcileOutcomeKind.REJECTED, reason, by)


CURRENT: dict[str, Any] = {"branch_exists": True, "tip_commit_id": TIP, "is_branch_current": True}

WITH_EDITS: dict[str, tuple[PlanInput, ProposalPlan]] = {
    "never proposed": (situation(NEW), propose(None)),
    "a branch is left from a crash": (situation(NEW, **CURRENT), propose(None)),
    "proposed already": (
        situation(NEW, pulls=(pull(OPEN),), **CURRENT),
        propose(pull(OPEN)),
    ),
    "proposed, and changed since": (
        situation(NEW, pulls=(pull(OPEN, OTHER),)),
        propose(pull(OPEN, OTHER)),
    ),
    "proposed, and the body was emptied": (
        situation(NEW, pulls=(pull(OPEN, None),)),
        propose(pull(OPEN, None)),
    ),
    "closed by a person": (
        situation(NEW, pulls=(pull(CLOSED),)),
        rejected(pull(CLOSED)),
    ),
    "closed by a person, another content": (
        situation(NEW, pulls=(pull(CLOSED, OTHER),)),
        propose(None),
    ),
    "closed by a person who replaced something else": (
        situation(NEW, pulls=(pull(CLOSED, replace(MEMORY, replaces="other")),)),
        rejected(pull(CLOSED, replace(MEMORY, replaces="other"))),
    ),
    "withdrawn by the bridge": (situation(NEW, pulls=(WITHDRAWN,)), propose(None)),
    "closed without a memory, and the branch says this": (
        situation(NEW, pulls=(pull(CLOSED, None),), **CURRENT),
        rejected(pull(CLOSED, None)),
    ),
    "closed without a memory, and the branch is gone": (
        situation(NEW, pulls=(pull(CLOSED, None),)),
        propose(None),
    ),
    "closed without a memory, and the branch says something else": (
        situation(NEW, pulls=(pull(CLOSED, None),), **CURRENT | {"is_branch_current": False}),
        propose(None),
    ),
    "closed without a memory, and the branch went on": (
        situation(NEW, pulls=(pull(CLOSED, None, head="2" * 40),), **CURRENT),
        propose(None),
    ),
    "merged, and saved again": (
        situation(NEW, pulls=(pull(MERGED, OTHER),)),
        propose(None),
    ),
    "merged, and taken back": (
        situation(NEW, pulls=(pull(MERGED),), taken_back=True),
        NoChange(
            ReconcileOutcomeKind.UNDONE,
            "#3 was merged and `main` has been taken back since",
            pull(MERGED),
        ),
    ),
    "merged, and the history does not show that it was taken back": (
        situation(NEW, pulls=(pull(MERGED),)),
        propose(None),
    ),
    "merged, and the file was changed to something else": (
        situation(NEW, pulls=(pull(MERGED, replace(MEMORY, replaces="other")),)),
        propose(None),
    ),
    "merged without a memory": (
        situation(NEW, pulls=(pull(MERGED, None),)),
        propose(None),
    ),
    "closed once, and open again": (
        situation(NEW, pulls=(pull(CLOSED, number=5), pull(OPEN, number=4))),
        propose(pull(OPEN, number=4)),
    ),
    "closed long ago, merged since": (
        situation(NEW, pulls=(pull(MERGED, OTHER, number=5), pull(CLOSED, number=4))),
        propose(None),
    ),
    "merged long ago, closed since": (
        situation(NEW, pulls=(pull(CLOSED, number=5), pull(MERGED, OTHER, number=4))),
        rejected(pull(CLOSED, number=5)),
    ),
}


@pytest.mark.parametrize(("given", "plan"), WITH_EDITS.values(), ids=WITH_EDITS)
def test_what_is_new_is_proposed_unless_a_person_has_answered(
    given: PlanInput, plan: ProposalPlan
) -> None:
    assert decide_plan(given) == plan


OURS: dict[str, Any] = {"branch_exists": True, "tip_commit_id": TIP}
AHEAD: dict[str, Any] = {
    "no_change_kind": ReconcileOutcomeKind.REPOSITORY_AHEAD,
    "no_change_reason": "edited in the repository",
}
AT_REST = NoChange(ReconcileOutcomeKind.IN_STEP, "same content")
SAME_AGAIN = (
    "PromptLayer and `main` hold the same content again. It showed version 1, which stays in"
    " PromptLayer's history"
)

WITHOUT_EDITS: dict[str, tuple[PlanInput, ProposalPlan]] = {
    "in step": (situation(), AT_REST),
    "the repository is ahead": (
        situation(**AHEAD),
        NoChange(ReconcileOutcomeKind.REPOSITORY_AHEAD, "edited in the repository"),
    ),
    "still open": (
        situation(pulls=(pull(OPEN),), **OURS),
        ClosePullRequest(pull(OPEN), SAME_AGAIN),
    ),
    "still open, and people worked on it": (
        situation(pulls=(pull(OPEN),), **OURS, has_commits_of_people=True),
        ClosePullRequest(pull(OPEN), SAME_AGAIN),
    ),
    "still open, and the repository is ahead": (
        situation(pulls=(pull(OPEN),), **OURS, **AHEAD),
        ClosePullRequest(pull(OPEN), "edited in the repository"),
    ),
    "still open, and the request was denied": (
        situation(pulls=(pull(OPEN, replace(MEMORY, pending=PENDING)),), **OURS),
        ClosePullRequest(
            pull(OPEN, replace(MEMORY, pending=PENDING)),
            "the change of the protected label did not come about",
        ),
    ),
    "merged, and the branch is left": (
        situation(pulls=(pull(MERGED),), **OURS),
        DeleteBranch("same content"),
    ),
    "never proposed, and a branch is left": (situation(**OURS), DeleteBranch("same content")),
    "withdrawn, and the branch is left": (
        situation(pulls=(WITHDRAWN,), **OURS),
        DeleteBranch("same content"),
    ),
    "closed by a person, who may want the branch": (
        situation(pulls=(pull(CLOSED),), **OURS),
        AT_REST,
    ),
    "merged, and people worked on the branch": (
        situation(pulls=(pull(MERGED),), **OURS, has_commits_of_people=True),
        AT_REST,
    ),
}


@pytest.mark.parametrize(("given", "plan"), WITHOUT_EDITS.values(), ids=WITHOUT_EDITS)
def test_what_is_not_needed_any_more_is_cleared_away(given: PlanInput, plan: ProposalPlan) -> None:
    assert decide_plan(given) == plan


def test_the_same_situation_has_the_same_plan() -> None:
    for given, _ in (*WITH_EDITS.values(), *WITHOUT_EDITS.values()):
        assert decide_plan(given) == decide_plan(given)


def test_an_edit_that_moves_a_file_removes_it_where_it_was() -> None:
    moved = edit(path="b.yaml", old_path="a.yaml")

    assert moved.text_by_path == {"a.yaml": None, "b.yaml": b"new"}


def test_a_memory_is_of_meaning_and_not_of_provenance() -> None:
    saved_again = replace(
        NEW, change=replace(NEW.change, after=replace(prompt("new"), version=9, tags=("x",)))
    )

    again = memory_of(saved_again)

    assert (again.proposes, again.replaces) == (MEMORY.proposes, MEMORY.replaces)
    assert again.versions == ((17, "prod", 9),)


DIFFERENT = {
    "another content": edit("newer"),
    "another content before": edit(before="older"),
    "a new file": edit(before=None),
    "a removal": edit(after=None),
    "another path": edit(path="b.yaml"),
    "a move": edit(old_path="a.yaml"),
    "a rename": replace(NEW, change=replace(NEW.change, after=prompt("new", "answer"))),
}


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT)
def test_different_proposals_are_remembered_apart(other: FileEdit) -> None:
    assert memory_of(other) != MEMORY


def test_the_order_of_edits_is_not_remembered() -> None:
    one, two = edit(path="a.yaml"), edit(path="b.yaml")

    assert memory_of(one, two) == memory_of(two, one)


# Which pull requests of a head branch are about the proposal


def to_develop(found: PullRequest) -> PullRequest:
    return replace(found, base_branch="develop")


ABOUT: dict[str, tuple[PullRequest, bool]] = {
    "open to the base": (pull(OPEN), True),
    "a person's to the base": (pull(OPEN, None), True),
    "the bridge's, taken elsewhere": (to_develop(pull(OPEN)), True),
    "a person's, elsewhere": (to_develop(pull(OPEN, None)), False),
    "declined elsewhere": (to_develop(pull(CLOSED)), True),
    "merged to the base": (pull(MERGED), True),
    "merged elsewhere": (to_develop(pull(MERGED)), False),
}


@pytest.mark.parametrize(("found", "counts"), ABOUT.values(), ids=ABOUT)
def test_a_pull_request_counts_or_is_somebodys_own(found: PullRequest, counts: bool) -> None:
    assert bool(select_proposal_pull_requests([found], "main")) is counts


def test_of_several_open_ones_the_newest_to_the_base_is_the_proposal() -> None:
    elsewhere = to_develop(pull(OPEN, number=5))
    newer, older = pull(OPEN, number=4), pull(OPEN, number=3)

    assert find_open([elsewhere, newer, older], "main") == newer
    assert find_open([elsewhere, pull(CLOSED, number=2)], "main") == elsewhere
    assert find_open([pull(CLOSED), pull(MERGED)], "main") is None
