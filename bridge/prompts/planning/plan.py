"""Decide what to do about one proposal, from what was observed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.drift import DELETED_IN_PROMPTLAYER
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.metadata import (
    MOST_CHANGES,
    PullRequestMetadata,
    compute_fingerprint,
    parse_metadata,
)
from bridge.prompts.pull_request.proposal_summary import PromptChange
from bridge.prompts.target import Target

_DIGEST_LENGTH = 12  # characters of a digest in the hidden line


@dataclass(frozen=True)
class FileEdit:
    """One file as it is proposed."""

    change: PromptChange
    text: bytes | None  # None: the file goes
    text_before: bytes | None = None  # what the base branch holds
    held: str | None = None  # digest of what PromptLayer holds, where ``change`` merges it

    @property
    def text_by_path(self) -> dict[str, bytes | None]:
        """The changes of the tree: path → text, None where a file is removed."""
        gone = {self.change.old_path: None} if self.change.old_path else {}
        return {**gone, self.change.path: self.text}


@dataclass(frozen=True)
class NoChange:
    """Change nothing, for the reason."""

    kind: ReconcileOutcomeKind
    reason: str
    pull_request: PullRequest | None = None


@dataclass(frozen=True)
class UpsertPullRequest:
    """Bring branch and pull request to these edits."""

    edits: tuple[FileEdit, ...]
    metadata: PullRequestMetadata
    pull_request: PullRequest | None  # the open one, if there is one


@dataclass(frozen=True)
class ClosePullRequest:
    """Close the pull request with a comment that gives the reason; delete its branch unless
    people worked on it."""

    pull_request: PullRequest
    reason: str


@dataclass(frozen=True)
class DeleteBranch:
    """Delete a branch of the bridge that is not needed any more."""

    reason: str


ProposalPlan = NoChange | UpsertPullRequest | ClosePullRequest | DeleteBranch


@dataclass(frozen=True)
class PlanInput:
    """The observation of one proposal, as far as the plan depends on it."""

    edits: tuple[FileEdit, ...]
    metadata: PullRequestMetadata  # as a new pull request would carry it
    no_change_kind: ReconcileOutcomeKind  # the outcome when there are no edits
    no_change_reason: str
    pull_requests: Sequence[PullRequest]  # newest first
    branch_exists: bool
    has_commits_of_people: bool  # somebody else's commits are on the branch
    tip_commit_id: str | None  # the branch's newest commit
    is_branch_current: bool  # the branch says already what would be proposed
    base: str  # the base branch's name
    is_chosen_by_person: bool = False  # a person has just chosen PromptLayer's text
    refusal_reason: str | None = None  # why a target could not be read or placed
    prune: bool = False  # its branch goes, whatever was decided: another one stands for it now,
    # or a person lets go what the mapping leaves out
    taken_back: bool = False  # the newest pull request was merged, and the base lost it later
    declined_in: PullRequest | None = None  # where people declined all that could be proposed


def decide_plan(plan_input: PlanInput) -> ProposalPlan:
    """Decide the plan. The same input gives the same plan. A person's present choice of
    PromptLayer's text outweighs the decisions on earlier pull requests."""
    open_ = find_open(plan_input.pull_requests, plan_input.base)
    if not plan_input.edits:
        return _nothing_to_propose(plan_input, open_)
    if open_ is None and plan_input.pull_requests and not plan_input.is_chosen_by_person:
        decided = _decided_before(plan_input, plan_input.pull_requests[0])
        if decided is not None:
            return decided
    return UpsertPullRequest(plan_input.edits, plan_input.metadata, open_)


def select_proposal_pull_requests(
    found: Sequence[PullRequest], base: str
) -> tuple[PullRequest, ...]:
    """Select the pull requests of a head branch that are about its proposal to ``base``. One to
    another base counts if the bridge made it (the mapping's base changed since, or a person
    retargeted it) and it was not merged there. A person's own does not count."""
    return tuple(
        each
        for each in found
        if each.base_branch == base
        or (each.state is not PullRequestState.MERGED and parse_metadata(each.body) is not None)
    )


def find_open(pull_requests: Sequence[PullRequest], base: str) -> PullRequest | None:
    """The open pull request that is the proposal: the newest to ``base``, else to any."""
    opened = [each for each in pull_requests if each.state is PullRequestState.OPEN]
    return next((each for each in opened if each.base_branch == base), next(iter(opened), None))


def _nothing_to_propose(plan_input: PlanInput, open_: PullRequest | None) -> ProposalPlan:
    if (
        plan_input.refusal_reason is not None
    ):  # a refusal is no reason to close what was proposed before
        return NoChange(ReconcileOutcomeKind.PARKED, plan_input.refusal_reason, open_)
    if plan_input.no_change_kind is ReconcileOutcomeKind.NOT_FOLLOWED:
        return NoChange(plan_input.no_change_kind, plan_input.no_change_reason, open_)
    if open_ is not None:
        return ClosePullRequest(open_, _why_withdrawn(plan_input, open_))
    last = plan_input.pull_requests[0] if plan_input.pull_requests else None
    rejected = last is not None and last.state is PullRequestState.CLOSED and not _withdrawn(last)
    if (
        plan_input.branch_exists
        and not plan_input.has_commits_of_people
        and (plan_input.prune or not rejected)
    ):
        return DeleteBranch(plan_input.no_change_reason)
    return NoChange(plan_input.no_change_kind, plan_input.no_change_reason, plan_input.declined_in)


def _why_withdrawn(plan_input: PlanInput, open_: PullRequest) -> str:
    if plan_input.no_change_kind is not ReconcileOutcomeKind.IN_STEP:
        return plan_input.no_change_reason
    metadata = parse_metadata(open_.body)
    if metadata is not None and metadata.pending is not None:
        return "the change of the protected label did not come about"
    words = {
        "same content": f"PromptLayer and `{plan_input.base}` hold the same content again"
        + _tell_shown_version(metadata),
        "on neither side": "PromptLayer has it no longer",
        DELETED_IN_PROMPTLAYER: "PromptLayer has it no longer: it was deleted there",
    }
    reason, separator, more = plan_input.no_change_reason.partition("; ")
    return f"{words.get(reason, reason)}{separator}{more}"


def _tell_shown_version(metadata: PullRequestMetadata | None) -> str:
    """Name the one version that a pull request showed: another one may have been put over it, of
    which nobody was asked."""
    numbers = [number for _, _, number in metadata.versions if number] if metadata else []
    if len(numbers) != 1:
        return ""
    return f". It showed version {numbers[0]}, which stays in PromptLayer's history"


def _withdrawn(pull_request: PullRequest) -> bool:
    metadata = parse_metadata(pull_request.body)
    return metadata is not None and metadata.withdrawn


def _decided_before(plan_input: PlanInput, last: PullRequest) -> NoChange | None:
    """Find the decision of the last pull request about exactly this proposal; None without one.

    A merged file that is gone again is reported, and its prompt is never deleted: people may have
    deleted the file, moved it out of the mapping's folder, or moved the mapping elsewhere.
    """
    metadata = parse_metadata(last.body)
    if last.state is PullRequestState.CLOSED:
        same = (
            metadata.proposes == plan_input.metadata.proposes
            if metadata is not None
            else plan_input.is_branch_current and last.head_commit == plan_input.tip_commit_id
        )
        if same and not _withdrawn(last):
            return NoChange(
                ReconcileOutcomeKind.REJECTED,
                tell_declined(last.number),
                last,
            )
    elif (
        metadata is not None
        and plan_input.taken_back
        and (metadata.proposes, metadata.replaces)
        == (
            plan_input.metadata.proposes,
            plan_input.metadata.replaces,
        )
    ):
        return NoChange(
            ReconcileOutcomeKind.UNDONE,
            f"#{last.number} was merged and `{plan_input.base}` has been taken back since",
            last,
        )
    return None


def tell_declined(number: int | None) -> str:
    """Describe why a declined change is not proposed."""
    where = f"#{number} proposed this and was closed" if number else "this was declined earlier"
    return f"{where}; the next change is proposed again"


def build_pull_request_metadata(edits: Sequence[FileEdit]) -> PullRequestMetadata:
    """Build the metadata of a pull request with these edits."""
    proposes: dict[str, str | None] = {}
    replaces: dict[str, str | None] = {}
    for edit in edits:
        change = edit.change
        for path in edit.text_by_path:
            proposes[path] = None
            replaces[path] = None
        proposes[change.path] = _meaning(change.after)
        replaces[change.old_path or change.path] = _replaced(edit)
    changes = [edit.change for edit in edits[:MOST_CHANGES]]
    return PullRequestMetadata(
        compute_fingerprint(proposes),
        compute_fingerprint(replaces),
        versions=_versions((change.label, change.after) for change in changes),
        before=_versions((change.label, change.before) for change in changes),
        texts=_texts(edits[:MOST_CHANGES]),
        contents=tuple(
            (edit.change.prompt.id, edit.change.label, build_decision_name(edit))
            for edit in edits[:MOST_CHANGES]
            if edit.change.prompt.id is not None
        ),
    )


def _replaced(edit: FileEdit) -> str | None:
    """Name the replaced content: a file that cannot be read differs from an absent one."""
    if edit.change.before is None and edit.text_before is not None:
        return f"unreadable {hashlib.sha256(edit.text_before).hexdigest()}"
    return _meaning(edit.change.before)


def _texts(edits: Sequence[FileEdit]) -> tuple[tuple[int, str, str | None, str | None], ...]:
    return tuple(
        (change.prompt.id, change.label, _beginning(held), _beginning(file))
        for edit in edits
        if (change := edit.change).prompt.id is not None
        for held in [edit.held or (change.after.digest if change.after else None)]
        for file in [change.before.digest if change.before else None]
    )


def _beginning(digest: str | None) -> str | None:
    return digest[:_DIGEST_LENGTH] if digest else None


def _versions(
    prompts: Iterable[tuple[str, Prompt | None]],
) -> tuple[tuple[int, str, int | None], ...]:
    return tuple(
        (prompt.id, label, prompt.version)
        for label, prompt in prompts
        if prompt is not None and prompt.id is not None
    )


def find_target(mapping: str, edit: FileEdit) -> Target:
    """Find the target of an edit."""
    prompt = edit.change.prompt
    assert prompt.id is not None  # each edited prompt has an id
    return Target(mapping, prompt.id, edit.change.label)


def build_content_name(edit: FileEdit) -> str:
    """Build a short name of the proposed content, independent of its path."""
    return compute_content_name(edit.change.after)


def build_decision_name(edit: FileEdit) -> str:
    """Build a short name of a person's decision: the content, or the path where only that
    changes."""
    change = edit.change
    if change.before is None or _meaning(change.before) != _meaning(change.after):
        return build_content_name(edit)
    return compute_fingerprint({change.path: _meaning(change.after)})


def compute_content_name(prompt: Prompt | None) -> str:
    """Compute a short name of a prompt's content; of a removal for None."""
    return compute_fingerprint({"": _meaning(prompt)})


def _meaning(prompt: Prompt | None) -> str | None:
    return None if prompt is None else f"{prompt.digest} {prompt.name}"
