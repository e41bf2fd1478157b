"""Diff one proposal: everything that was observed about it, compared. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from bridge.errors import BridgeError
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    DecidedPullRequest,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.planning.plan import (
    FileEdit,
    PlanInput,
    build_content_name,
    build_pull_request_metadata,
    find_open,
)
from bridge.prompts.planning.publication import AdoptedSide, PromptPublication
from bridge.prompts.planning.reconcile_context import ReconcileContext, TriggerEvent
from bridge.prompts.pull_request.check_boxes import CheckBoxAction
from bridge.prompts.pull_request.metadata import PullRequestMetadata
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.branch_files import BranchFiles, keep_out
from bridge.reconcile.declined_changes import DeclinedChanges
from bridge.reconcile.diff_targets import TargetDiffer
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.proposal_branch import BranchTip, compute_blob_id, is_current
from bridge.reconcile.proposal_history import KnownProposalHistory
from bridge.reconcile.proposal_state import ProposalState
from bridge.reconcile.read_sources import (
    BaseFiles,
    PlatformReader,
    choose_platform_reader,
    parse_base_file,
)
from bridge.reconcile.requested_actions import RequestedActions, read_requested_actions
from bridge.reconcile.target_diff import (
    TargetDiff,
    build_decided_pull_request,
    build_target_observation,
)
from bridge.repo.snapshot import RepositorySnapshot

_TAKEN_OUT = "somebody took it out of the branch; the next change is proposed again"
_MOST_TAKEN_OUT = 200  # entries of the hidden line


@dataclass(frozen=True)
class ProposalObservation:
    """One proposal as it was observed, with the diffs of its targets and the input of its plan."""

    proposal: Proposal
    base_files: BaseFiles  # of the base branch
    platform: PlatformReader
    tip: BranchTip | None
    plan_input: PlanInput
    target_diffs: tuple[TargetDiff, ...]
    refusals: tuple[tuple[Target, str], ...]
    trigger_events: tuple[TriggerEvent, ...]
    branch: BranchFiles | None = None  # where people worked on it
    taken_out: tuple[Target, ...] = ()  # what people took out of the proposal
    requested: RequestedActions = field(default_factory=RequestedActions)

    @property
    def snapshot(self) -> RepositorySnapshot:
        return self.base_files.snapshot

    @property
    def base(self) -> str:
        """The branch that the proposal is for."""
        return self.snapshot.base

    @property
    def is_branch_current(self) -> bool:
        """Whether the branch holds exactly these edits already."""
        return self.plan_input.is_branch_current

    @property
    def tip_commit_id(self) -> str | None:
        return self.tip.commit.object_id if self.tip else None

    @property
    def edits(self) -> tuple[FileEdit, ...]:
        return self.plan_input.edits

    @property
    def surplus(self) -> tuple[PullRequest, ...]:
        """Open pull requests of the proposal besides the one that is used: a head should have
        one."""
        kept = find_open(self.plan_input.pull_requests, self.base)
        opened = (p for p in self.plan_input.pull_requests if p.state is PullRequestState.OPEN)
        return tuple(pull for pull in opened if pull is not kept)

    @property
    def pending_publications(self) -> tuple[PromptPublication, ...]:
        """The merged files that are not in PromptLayer yet."""
        return tuple(
            target_diff.publication
            for target_diff in self.target_diffs
            if target_diff.publication is not None
        )

    @property
    def target_observations(self) -> tuple[TargetObservation, ...]:
        """How each target was found."""
        return tuple(build_target_observation(target_diff) for target_diff in self.target_diffs)

    @property
    def decided_pull_request(self) -> DecidedPullRequest | None:
        """The newest pull request, if it is not open any more."""
        newest = next(iter(self.plan_input.pull_requests), None)
        if newest is None or newest.state is PullRequestState.OPEN:
            return None
        return build_decided_pull_request(newest)

    @cached_property
    def reason(self) -> str:
        """The reason for the first edit, with the count of the others."""
        words = [
            target_diff.comparison.reason
            for target_diff in self.target_diffs
            if target_diff.edit is not None
        ]
        more = f", and {len(self.edits) - 1} more" if len(self.edits) > 1 else ""
        return (words[0] if words else "proposed before") + more


def diff_proposal(
    context: MappingContext,
    state: ProposalState,
    reconcile_context: ReconcileContext,
    now: datetime,
) -> ProposalObservation:
    """Diff the proposal's targets, and build the input of the plan."""
    metadata, base_files = state.metadata, state.base_files
    requested = read_requested_actions(context, state, now)
    reconcile_context = _add_choices(reconcile_context, state, requested)
    targets = reconcile_context.targets
    platform = choose_platform_reader(context, targets, reconcile_context.listed_prompts)
    differ = TargetDiffer(
        context,
        base_files,
        platform,
        state.proposal.branch,
        reconcile_context,
        metadata.pending if metadata else None,
        now,
        KnownProposalHistory(state.pull_requests),
        frozenset(state.existing_edits.target_by_path.values()),
    )
    diffs, refusals = differ.diff_targets(targets)
    chosen = {d.target for d in diffs if _is_chosen(reconcile_context, d)}
    open_edits = {d.target: d.edit for d in diffs if d.edit and d.target not in chosen}
    declined = DeclinedChanges(base_files, state.pull_requests, state.branch_tip).find(open_edits)
    diffs = tuple(replace(one, declined=declined.get(one.target)) for one in diffs)
    out = keep_out(state.branch, state.newest_metadata, open_edits)
    edits = _edits(base_files, _untouched(state, diffs, refusals), diffs, out)
    plan_input = replace(
        _situation(context, state, diffs, edits, out),
        is_chosen_by_person=bool(chosen),
        refusal_reason=refusals[0][1] if refusals else None,
        prune=any(s.is_tracked_elsewhere or (reconcile_context.prune and s.absent) for s in diffs),
        declined_in=next((one.pull_request for one in declined.values()), None),
    )
    return ProposalObservation(
        state.proposal,
        base_files,
        platform,
        state.tip,
        plan_input,
        diffs,
        refusals,
        reconcile_context.trigger_events,
        state.branch,
        tuple(sorted(out)),
        requested,
    )


def _add_choices(
    reconcile_context: ReconcileContext, state: ProposalState, requested: RequestedActions
) -> ReconcileContext:
    """Add the sides that people chose in the open pull request, and the targets that are diffed
    because of its branch: all of it where a check box takes the repository's text."""
    chosen = set[Target]()
    if requested.contains(CheckBoxAction.TAKE_REPOSITORY):
        chosen.update(state.existing_edits.target_by_path.values())
    outdated = state.existing_edits.outdated_targets
    return replace(
        reconcile_context,
        targets=tuple(sorted({*reconcile_context.targets, *outdated, *chosen})),
        adopted_prompt_ids=frozenset(state.metadata.adopted if state.metadata else ()),
        repository_prompt_ids=frozenset(target.prompt_id for target in chosen),
    )


def _untouched(
    state: ProposalState, diffs: Sequence[TargetDiff], refusals: Sequence[tuple[Target, str]]
) -> Sequence[FileEdit]:
    """Build the edits that stay as they were proposed, refused targets among them."""
    if state.is_merged:
        return []
    stay = state.existing_edits.build_edits({one.target for one in diffs if not one.not_followed})
    if not refusals:
        return stay
    snapshot = state.base_files.snapshot
    obstacles = snapshot.find_obstacles(snapshot.commit, [e.change.path for e in stay if e.text])
    return [edit for edit in stay if edit.change.path not in obstacles]


def _situation(
    context: MappingContext,
    state: ProposalState,
    diffs: tuple[TargetDiff, ...],
    edits: tuple[FileEdit, ...],
    out: Collection[Target],
) -> PlanInput:
    """Build the input of the plan, without a person's request to this reconcile."""
    snapshot, tip, pulls = state.base_files.snapshot, state.tip, state.pull_requests
    open_ = find_open(pulls, snapshot.base)
    idle_kind, idle_reason = _idle(context, snapshot, pulls, diffs, open_)
    entries, changes = state.base_files.entries, state.existing_edits.changes
    return PlanInput(
        edits=edits,
        metadata=_build_metadata(diffs, edits, out, state.newest_metadata, state.metadata),
        no_change_kind=ReconcileOutcomeKind.REJECTED if out else idle_kind,
        no_change_reason=_TAKEN_OUT if out else idle_reason,
        pull_requests=pulls,
        branch_exists=tip is not None,
        has_commits_of_people=state.branch_tip is not None
        and state.branch_tip.has_commits_of_people,
        tip_commit_id=tip.commit.object_id if tip else None,
        is_branch_current=is_current(context, snapshot, tip, changes, entries, edits),
        base=snapshot.base,
        taken_back=_are_taken_back(snapshot, pulls, edits),
    )


def _edits(
    base_files: BaseFiles,
    untouched: Sequence[FileEdit],
    diffs: Sequence[TargetDiff],
    out: Collection[Target],
) -> tuple[FileEdit, ...]:
    """Collect the edits that are proposed: those of the diffed targets, and those that stay. An
    edit that the base branch has already is left out."""
    if diffs and all(one.not_followed for one in diffs):
        return ()  # the pull request is not touched
    diffed = [one.edit for one in diffs if one.edit and not one.declined and one.target not in out]
    return _sorted([edit for edit in (*diffed, *untouched) if _changes_tree(edit, base_files)])


def _changes_tree(edit: FileEdit, base_files: BaseFiles) -> bool:
    """Whether the base branch differs from the edit, byte for byte."""
    for path, text in edit.text_by_path.items():
        entry = base_files.entries.get(path)
        if compute_blob_id(text, base_files.commit) != (entry.object_id if entry else None):
            return True
    return False


def _build_metadata(
    diffs: Sequence[TargetDiff],
    edits: Sequence[FileEdit],
    out: Collection[Target],
    newest: PullRequestMetadata | None,
    now_open: PullRequestMetadata | None,
) -> PullRequestMetadata:
    """Build the metadata of the pull request from that of the ``newest`` one, and of the open
    one (``now_open``)."""
    diffed = {(one.target.prompt_id, one.target.label) for one in diffs}
    taken = {
        (one.target.prompt_id, one.target.label, build_content_name(one.edit))
        for one in diffs
        if one.edit and one.target in out
    }
    taken |= {each for each in (newest.taken_out if newest else ()) if each[:2] not in diffed}
    return replace(
        build_pull_request_metadata(edits),
        pending=next((one.pending_approval for one in diffs if one.pending_approval), None),
        adopted=_adopted(diffs, now_open, edits),
        wrote=newest.wrote if newest else None,
        answers=now_open.answers if now_open else (),
        taken_out=tuple(sorted(taken)[:_MOST_TAKEN_OUT]),
    )


def _adopted(
    diffs: Sequence[TargetDiff], metadata: PullRequestMetadata | None, edits: Sequence[FileEdit]
) -> tuple[int, ...]:
    """Find the prompts whose proposal takes PromptLayer's text because a person chose it. Of a
    prompt that is not diffed now, the open pull request's metadata counts as long as it
    proposes the prompt."""
    proposed = {edit.change.prompt.id for edit in edits}
    diffed = {one.target.prompt_id for one in diffs}
    known = frozenset(metadata.adopted if metadata else ()) & proposed
    before = (id for id in known if id not in diffed)
    return tuple(sorted({*before, *(one.target.prompt_id for one in diffs if one.adopted)}))


def _is_chosen(reconcile_context: ReconcileContext, target_diff: TargetDiff) -> bool:
    if target_diff.edit is None:
        return False
    name = target_diff.edit.change.prompt.name
    side = reconcile_context.find_requested_side(target_diff.target, name)
    return side is AdoptedSide.PLATFORM


def _sorted(edits: list[FileEdit]) -> tuple[FileEdit, ...]:
    return tuple(sorted(edits, key=lambda edit: edit.change.path))


def _idle(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    pulls: Sequence[PullRequest],
    diffs: tuple[TargetDiff, ...],
    open_: PullRequest | None,
) -> tuple[ReconcileOutcomeKind, str]:
    """Find the outcome where nothing is proposed, with its reason."""
    declined = [one.declined for one in diffs if one.declined]
    if declined and open_ is None:
        return ReconcileOutcomeKind.REJECTED, declined[0].reason
    if any(s.not_followed for s in diffs):
        return ReconcileOutcomeKind.NOT_FOLLOWED, _idle_reason(diffs)
    ahead = [s for s in diffs if s.comparison.status is DriftStatus.REPOSITORY_AHEAD]
    if not ahead:
        return ReconcileOutcomeKind.IN_STEP, _idle_reason(diffs)
    merged = pulls[0] if pulls and pulls[0].state is PullRequestState.MERGED else None
    if merged is not None and not context.mapping.publish:
        shown = (_held_at(context, snapshot, merged, one) for one in ahead)
        if all(shown):
            words = (
                f"#{merged.number} was merged and `{context.base_branch}` has been taken back since"
            )
            return ReconcileOutcomeKind.UNDONE, words
    return ReconcileOutcomeKind.REPOSITORY_AHEAD, _idle_reason(diffs)


def _held_at(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    merged: PullRequest,
    target_diff: TargetDiff,
) -> bool:
    """Whether the merge brought what PromptLayer still holds."""
    if target_diff.held is None:
        return False
    path = (
        target_diff.file.path
        if target_diff.file
        else context.build_file_path(target_diff.held, target_diff.target.label)
    )
    return _said_at(snapshot, merged, path) == target_diff.held.digest


def _are_taken_back(
    snapshot: RepositorySnapshot,
    pulls: Sequence[PullRequest],
    edits: Sequence[FileEdit],
) -> bool:
    """Whether the newest pull request was merged with just these edits, and the base lost them."""
    merged = pulls[0] if pulls and pulls[0].state is PullRequestState.MERGED else None
    return merged is not None and all(
        _said_at(snapshot, merged, edit.change.path)
        == (edit.change.after.digest if edit.change.after else None)
        for edit in edits
    )


def _said_at(snapshot: RepositorySnapshot, merged: PullRequest, path: str) -> str | None:
    """Read the digest of a file at the merge commit of a pull request; None where there was no
    file, "" where that is unknown."""
    if merged.merge_commit is None:
        return ""
    try:
        text = snapshot.read_file(merged.merge_commit, path)
    except BridgeError:  # the server has it no longer
        return ""
    prompt = parse_base_file(path, text).prompt if text is not None else None
    return prompt.digest if prompt else None


def _idle_reason(diffs: tuple[TargetDiff, ...]) -> str:
    words = sorted(
        {
            s.gone_because or s.comparison.reason
            for s in diffs
            if not s.comparison.has_platform_changes
        }
    )
    return "; ".join(words) or "same content"
