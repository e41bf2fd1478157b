"""Apply a plan: write the commit, push it, and bring the pull request up to date.

In this order, so that the next reconcile completes whatever a kill interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bridge.errors import TransientError
from bridge.forge.ensure_pull_request import EnsurePullRequestResult, ensure_pull_request
from bridge.forge.forge import PullRequest, PullRequestContent, PullRequestState
from bridge.prompts.file_format.source_text import format_of
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.planning.plan import (
    ClosePullRequest,
    DeleteBranch,
    NoChange,
    ProposalPlan,
    UpsertPullRequest,
    find_target,
)
from bridge.prompts.pull_request.check_boxes import merge_answers, replace_check_boxes
from bridge.prompts.pull_request.markdown import (
    escape_html_text,
    escape_prose,
    format_code_block,
    format_code_span,
    format_link,
    shorten,
)
from bridge.prompts.pull_request.metadata import (
    PullRequestMetadata,
    TakenOut,
    parse_metadata,
    replace_hidden_line,
)
from bridge.prompts.pull_request.proposal_summary import ProposalSummary
from bridge.reconcile.branch_merge import BranchConflictError, BranchMerge
from bridge.reconcile.evaluation_status import EvaluationStatus, request_evaluation
from bridge.reconcile.head_content import read_head
from bridge.reconcile.mapping_context import MappingContext, ReconcileCallbacks
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.proposal_branch import (
    FOLLOW_UP_TRAILER,
    AuthoredMessage,
    merge_edit_contents,
    write_commit,
)
from bridge.reconcile.proposal_texts import build_commit_message, build_proposal_summary
from bridge.reconcile.pull_request_content import PullRequestDraft, build_pull_request_draft
from bridge.reconcile.retarget import is_stranded, prepare_retarget, tell_stranded

_CONFLICT = "promptlayer-bridge-conflict"
_WITHDRAWN = "promptlayer-bridge-withdrawn"
_MOST_TEXTS = 5  # files whose text a comment on a conflict shows
_LONGEST_TEXT = 8000  # characters


def apply_plan(
    context: MappingContext,
    observation: ProposalObservation,
    plan: ProposalPlan,
    callbacks: ReconcileCallbacks,
) -> ReconcileOutcome:
    """Apply the plan; returns its outcome."""
    for surplus in observation.surplus:
        _close(
            context,
            surplus,
            f"the same is proposed to {format_code_span(observation.base)} by another one",
        )
    if isinstance(plan, UpsertPullRequest):
        return _propose(context, observation, plan, callbacks)
    if isinstance(plan, ClosePullRequest):
        return _withdraw(context, observation, plan)
    if isinstance(plan, DeleteBranch):
        return _tidy(context, observation, plan)
    return _rest(observation, plan)


def _rest(observation: ProposalObservation, plan: NoChange) -> ReconcileOutcome:
    return _outcome(observation, plan.kind, plan.reason, plan.pull_request)


def _propose(
    context: MappingContext,
    observation: ProposalObservation,
    plan: UpsertPullRequest,
    callbacks: ReconcileCallbacks,
) -> ReconcileOutcome:
    if is_stranded(observation, plan):
        words = tell_stranded(context, observation, plan.pull_request)
        return _outcome(
            observation,
            ReconcileOutcomeKind.CONFLICT,
            words,
            plan.pull_request,
            observation.tip_commit_id,
        )
    if plan.pull_request is None:
        callbacks.permit(context)
    summary = build_proposal_summary(context, observation, plan.edits, plan.metadata.pending)
    said = build_commit_message(context, observation.snapshot, summary, observation.trigger_events)
    open_ = plan.pull_request
    is_held = _holds_edits(observation, open_)
    tip, plan = _retarget(context, observation, plan, summary, said, callbacks)
    try:
        merged = _merge_branch(observation, plan)
    except BranchConflictError as conflict:
        return _conflict(context, observation, plan, conflict)
    commit = _commit_and_push(
        context, observation, plan, said, merged, tip, callbacks, is_held=is_held
    )
    plan = replace(
        plan,
        metadata=replace(
            _add_answers(observation, plan.metadata), wrote=_find_wrote(observation, plan, commit)
        ),
    )
    status = request_evaluation(context, observation, plan.pull_request, commit)
    draft = _draft(context, observation, plan, commit, merged, status.commit)
    ensured, remarks = _ensure(context, observation, plan.pull_request, draft)
    if isinstance(status.problem, TransientError):
        raise status.problem
    kind = {
        "created": ReconcileOutcomeKind.PROPOSED,
        "updated": ReconcileOutcomeKind.UPDATED,
        "unchanged": ReconcileOutcomeKind.UNCHANGED,
    }[ensured.action]
    if kind is ReconcileOutcomeKind.UNCHANGED and commit != observation.tip_commit_id:
        kind = ReconcileOutcomeKind.UPDATED
    answers = observation.requested.describe()
    reason = "; ".join([observation.reason, *remarks, *_tell_status(status), *answers])
    return _outcome(observation, kind, reason, ensured.pull_request, commit)


def _holds_edits(observation: ProposalObservation, open_: PullRequest | None) -> bool:
    """Whether the branch has the edits on the base that it goes to, and no person asked for a new
    commit."""
    is_for_base = open_ is None or open_.base_branch == observation.base
    is_asked = observation.requested.needs_new_commit
    return observation.is_branch_current and is_for_base and not is_asked


def _retarget(
    context: MappingContext,
    observation: ProposalObservation,
    plan: UpsertPullRequest,
    summary: ProposalSummary,
    said: AuthoredMessage,
    callbacks: ReconcileCallbacks,
) -> tuple[str | None, UpsertPullRequest]:
    """Take an open pull request to the base, if it goes elsewhere; the branch's newest commit
    then, and the plan with the pull request as it is then."""
    open_ = plan.pull_request
    if open_ is None or open_.base_branch == observation.base:
        return observation.tip_commit_id, plan
    tip = prepare_retarget(context, observation, plan, said, callbacks)
    draft = build_pull_request_draft(context, summary, plan.metadata, observation.base, open_)
    content = draft.render_content(context.forge.body_limit)
    ensured = ensure_pull_request(
        context.forge, open_, observation.proposal.branch, observation.base, content
    )
    return tip, replace(plan, pull_request=ensured.pull_request)


def _merge_branch(observation: ProposalObservation, plan: UpsertPullRequest) -> BranchMerge | None:
    """Merge the edits into a branch with commits of people; None for any other branch. Raises
    BranchConflictError."""
    if observation.branch is None:
        return None
    merged = BranchMerge(observation.branch, observation.platform)
    edits = {find_target(observation.proposal.mapping, edit): edit for edit in plan.edits}
    idle = {target_diff.target for target_diff in observation.target_diffs} - {
        *edits,
        *observation.taken_out,
    }
    merged.merge(edits, idle)
    return merged


def _leave_branch(observation: ProposalObservation, plan: UpsertPullRequest) -> BranchMerge | None:
    """The branch as people left it."""
    if observation.branch is None:
        return None
    merged = BranchMerge(observation.branch, observation.platform)
    merged.keep_branch_as_is(
        {find_target(observation.proposal.mapping, edit): edit for edit in plan.edits}
    )
    return merged


def _commit_and_push(
    context: MappingContext,
    observation: ProposalObservation,
    plan: UpsertPullRequest,
    said: AuthoredMessage,
    merged: BranchMerge | None,
    tip: str | None,
    callbacks: ReconcileCallbacks,
    *,
    is_held: bool,
) -> str:
    """Commit and push the edits; returns the branch's newest commit. ``tip`` is the commit
    before. With ``is_held`` the branch has the edits already, on the base that it goes to."""
    requested = observation.requested
    if merged is not None and not merged.changes and not requested.needs_new_commit:
        is_held = True
    if is_held and tip is not None and tip == observation.tip_commit_id:
        return tip
    if requested.needs_new_commit and requested.at is not None:
        said = replace(said, date=requested.at)  # else it may be the same commit again
    parent, changes = observation.snapshot.commit, merge_edit_contents(plan.edits)
    if merged is not None:
        assert tip is not None
        parent, changes = tip, merged.changes
        said = replace(said, text=f"{said.text.rstrip()}\n{FOLLOW_UP_TRAILER}\n")
    commit = write_commit(context, observation.snapshot, parent, changes, said)
    callbacks.record_commit(commit)
    observation.snapshot.push_branch(
        context.forge.create_git_remote(), observation.proposal.branch, commit, tip
    )
    return commit


def _add_answers(
    observation: ProposalObservation,
    metadata: PullRequestMetadata,
    *,
    has_conflict: bool = False,
) -> PullRequestMetadata:
    """Add the answers to the boxes that a person checked."""
    answers = observation.requested.build_answers(has_conflict=has_conflict)
    return replace(metadata, answers=merge_answers(metadata.answers, answers))


def _find_wrote(
    observation: ProposalObservation, plan: UpsertPullRequest, commit: str
) -> str | None:
    """The commit that the bridge wrote last on the branch."""
    if commit != observation.tip_commit_id:
        return commit
    written = observation.tip.newest_bridge_commit if observation.tip else None
    return written.object_id if written else plan.metadata.wrote


def _draft(
    context: MappingContext,
    observation: ProposalObservation,
    plan: UpsertPullRequest,
    commit: str,
    merged: BranchMerge | None,
    status_commit: str | None,
    conflicts: tuple[str, ...] = (),
) -> PullRequestDraft:
    """The pull request that describes what merging ``commit`` does."""
    head = read_head(context, observation.snapshot, commit, plan.edits, merged)
    summary = build_proposal_summary(
        context, observation, plan.edits, plan.metadata.pending, merged, head
    )
    summary = replace(summary, branch_conflicts=conflicts)
    metadata = replace(plan.metadata, status_commit=status_commit)
    return build_pull_request_draft(context, summary, metadata, observation.base, plan.pull_request)


def _ensure(
    context: MappingContext,
    observation: ProposalObservation,
    open_: PullRequest | None,
    draft: PullRequestDraft,
) -> tuple[EnsurePullRequestResult, list[str]]:
    """Bring the pull request up to date; returns it, and a sentence for each addition that the
    forge refused. Refusals are stored in the hidden line, so that they are shown later as
    well and are not requested again."""
    limit = context.forge.body_limit
    content = draft.render_content(limit)
    ensured = ensure_pull_request(
        context.forge, open_, observation.proposal.branch, observation.base, content
    )
    refused = (*draft.metadata.refused, *ensured.refused)
    if ensured.refused:
        final = replace(draft, metadata=replace(draft.metadata, refused=refused)).render_content(
            limit
        )
        without = PullRequestContent(final.title, final.body, final.draft)
        updated = context.forge.update_pull_request(ensured.pull_request, without)
        ensured = replace(ensured, pull_request=updated)
    if not refused:
        return ensured, []
    names = ", ".join(f"{kind} {name}" for kind, name in refused)
    return ensured, [f"{context.forge.repository} did not take {names}: check `pull_request`"]


def _tell_status(status: EvaluationStatus) -> list[str]:
    return [f"its commit has no status: {status.problem}"] if status.problem else []


def _conflict(
    context: MappingContext,
    observation: ProposalObservation,
    plan: UpsertPullRequest,
    conflict: BranchConflictError,
) -> ReconcileOutcome:
    """Comment on the conflict on the pull request, whose body still describes the branch's
    newest commit."""
    words = "\n\n".join([*_spelled_conflict(conflict), *_newer_texts(observation, conflict)])
    open_, tip = plan.pull_request, observation.tip_commit_id
    if open_ is not None:
        context.forge.upsert_comment(open_.number, _CONFLICT, words)
        metadata = parse_metadata(open_.body)
        if metadata is not None and tip is not None:  # it proposes what it proposed before
            plan = replace(plan, metadata=_add_answers(observation, metadata, has_conflict=True))
            draft = _draft(
                context,
                observation,
                plan,
                tip,
                _leave_branch(observation, plan),
                metadata.status_commit,
                (*conflict.edited, *conflict.removed, *conflict.absent),
            )
            _ensure(context, observation, open_, draft)
    return _outcome(observation, ReconcileOutcomeKind.CONFLICT, str(conflict), open_, tip)


def _newer_texts(observation: ProposalObservation, conflict: BranchConflictError) -> Iterator[str]:
    """Render PromptLayer's text of each conflicting file, folded, with a link to its version."""
    against = {*conflict.edited, *conflict.absent}
    for edit in observation.edits[:_MOST_TEXTS]:
        change = edit.change
        places = {change.path, change.old_path}
        if edit.text is None or not (places & against or len(observation.edits) == 1):
            continue
        text = format_code_block(shorten(edit.text.decode(), _LONGEST_TEXT), format_of(change.path))
        see = f"\n\n{format_link('See it in PromptLayer', change.link)}." if change.link else ""
        summary = escape_html_text(f"The newer text of {change.path}")
        yield f"<details>\n<summary>{summary}</summary>\n\n{text}{see}\n\n</details>"


def _spelled_conflict(conflict: BranchConflictError) -> Iterator[str]:
    """Describe the conflicting files, and how a person can resolve each conflict."""
    drop = "drop the commits that touch it: the next look then brings the branch up to date."
    if conflict.edited:
        yield (
            f"PromptLayer has a newer text for {_listed(conflict.edited)}, and this branch changed"
            " the same part, so the branch is left as it is. Either take the newer text over by"
            f" hand, or {drop}"
        )
    if conflict.removed:
        yield (
            f"PromptLayer no longer has {_listed(conflict.removed)}, and this branch changed it, so"
            " the branch is left as it is. Either remove the file on this branch, or close this"
            f" pull request to keep the file as the base has it, or {drop}"
        )
    if conflict.absent:
        yield (
            f"PromptLayer has a newer text for {_listed(conflict.absent)}, and this branch removes"
            " the file, so the branch is left as it is. Either merge the removal, or restore the"
            f" file here, or {drop}"
        )


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(format_code_span(path) for path in paths)


def _withdraw(
    context: MappingContext, observation: ProposalObservation, plan: ClosePullRequest
) -> ReconcileOutcome:
    number = plan.pull_request.number
    found = context.forge.list_pull_requests(observation.proposal.branch)
    if not any(p.number == number and p.state is PullRequestState.OPEN for p in found):
        # Somebody merged or closed it since it was observed: that decision stands.
        return _outcome(observation, observation.plan_input.no_change_kind, plan.reason)
    kept = observation.tip is not None and observation.tip.has_commits_of_people
    more = ["The branch stays, because it has commits that are not the bridge's."] if kept else []
    taken_out = observation.plan_input.metadata.taken_out
    more += [f"{escape_prose(one)}." for one in observation.requested.describe()]
    answered = _answer_in_body(observation, plan.pull_request)
    closed = _close(context, answered, plan.reason, more, taken_out)
    if not kept:
        _delete_branch(context, observation)
    return _outcome(observation, ReconcileOutcomeKind.WITHDRAWN, plan.reason, closed)


def _answer_in_body(observation: ProposalObservation, pull_request: PullRequest) -> PullRequest:
    """Put the answers to the checked boxes in place of all boxes, as a closed pull request has
    nothing to ask for."""
    metadata = parse_metadata(pull_request.body)
    if metadata is None:
        return pull_request
    metadata = _add_answers(observation, metadata)
    body = replace_check_boxes(pull_request.body, metadata.answers)
    return replace(pull_request, body=replace_hidden_line(body, metadata))


def _close(
    context: MappingContext,
    pull_request: PullRequest,
    reason: str,
    more: Sequence[str] = (),
    taken_out: TakenOut = (),
) -> PullRequest:
    """Close a pull request with a comment that gives the reason."""
    words = " ".join([f"Withdrawn: {reason}.", *more])
    context.forge.upsert_comment(pull_request.number, _WITHDRAWN, words)
    body = _withdrawn_body(pull_request, taken_out)
    return context.forge.close_pull_request(pull_request, body)


def _withdrawn_body(pull_request: PullRequest, taken_out: TakenOut) -> str:
    """Add to the body's hidden line that the bridge closed it, so that it is no rejection."""
    metadata = parse_metadata(pull_request.body) or PullRequestMetadata("", "")
    now = replace(metadata, withdrawn=True, pending=None, taken_out=taken_out)
    return replace_hidden_line(pull_request.body, now)


def _tidy(
    context: MappingContext, observation: ProposalObservation, plan: DeleteBranch
) -> ReconcileOutcome:
    _delete_branch(context, observation)
    return _outcome(observation, observation.plan_input.no_change_kind, plan.reason)


def _delete_branch(context: MappingContext, observation: ProposalObservation) -> None:
    if observation.tip_commit_id is not None:
        observation.snapshot.delete_branch(
            context.forge.create_git_remote(),
            observation.proposal.branch,
            observation.tip_commit_id,
        )


def _outcome(
    observation: ProposalObservation,
    kind: ReconcileOutcomeKind,
    reason: str,
    pull_request: PullRequest | None = None,
    commit: str | None = None,
) -> ReconcileOutcome:
    return ReconcileOutcome(
        kind=kind,
        reason=reason,
        pull_request=pull_request.url if pull_request else None,
        number=pull_request.number if pull_request else None,
        commit=commit,
        refusals=observation.refusals,
    )
