"""Diff one proposal: everything that was observed about it, compared. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from bridge.errors import BridgeError
from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.compare import Standing
from bridge.prompts.memory import Memory
from bridge.prompts.occasion import Cause, Occasion
from bridge.prompts.outcome import Decided, OutcomeKind, Sight
from bridge.prompts.plan import (
    Edit,
    Situation,
    content_name,
    find_open,
    remembered,
)
from bridge.prompts.publication import Publication, Side
from bridge.prompts.target import Proposal, Target
from bridge.repo.snapshot import Snapshot
from bridge.steps.branch import Tip, blob_name, is_current
from bridge.steps.branch_files import BranchFiles, keep_out
from bridge.steps.declined_changes import DeclinedChanges
from bridge.steps.eye import Eye
from bridge.steps.observe import BaseFiles, base_file
from bridge.steps.proposal_history import KnownProposal
from bridge.steps.proposal_state import ProposalState
from bridge.steps.seen import Seen, sight
from bridge.steps.site import Site

_TAKEN_OUT = "somebody took it out of the branch; the next change is proposed again"
_MOST_TAKEN_OUT = 200  # that a pull request's one hidden line remembers


@dataclass(frozen=True)
class Look:
    """One proposal as it was found."""

    proposal: Proposal
    files: BaseFiles  # of the base branch
    tip: Tip | None
    situation: Situation
    seen: tuple[Seen, ...]
    refusals: tuple[tuple[Target, str], ...]
    causes: tuple[Cause, ...]
    branch: BranchFiles | None = None  # where people worked on it
    taken_out: tuple[Target, ...] = ()  # what people took out of the proposal

    @property
    def snapshot(self) -> Snapshot:
        return self.files.snapshot

    @property
    def base(self) -> str:
        """The branch that the proposal is for."""
        return self.snapshot.base

    @property
    def is_current(self) -> bool:
        """Whether the branch holds exactly these edits already."""
        return self.situation.tip_is_current

    @property
    def tip_name(self) -> str | None:
        return self.tip.commit.object_name if self.tip else None

    @property
    def edits(self) -> tuple[Edit, ...]:
        return self.situation.edits

    @property
    def surplus(self) -> tuple[PullRequest, ...]:
        """Open pull requests of the proposal besides the one: of a head there is one."""
        kept = find_open(self.situation.pull_requests, self.base)
        opened = (p for p in self.situation.pull_requests if p.state is PullRequestState.OPEN)
        return tuple(pull for pull in opened if pull is not kept)

    @property
    def publications(self) -> tuple[Publication, ...]:
        """What was merged and is not in PromptLayer yet."""
        return tuple(seen.publication for seen in self.seen if seen.publication is not None)

    @property
    def sights(self) -> tuple[Sight, ...]:
        """How each target was found."""
        return tuple(sight(seen) for seen in self.seen)

    @property
    def decided(self) -> Decided | None:
        """The newest pull request, if it is not open any more."""
        newest = next(iter(self.situation.pull_requests), None)
        if newest is None or newest.state is PullRequestState.OPEN:
            return None
        return Decided(newest.number, newest.url, newest.state, newest.decided_at)

    @cached_property
    def reason(self) -> str:
        """Why there is something to propose, in words; of the first target where there are more."""
        words = [seen.comparison.reason for seen in self.seen if seen.edit is not None]
        more = f", and {len(self.edits) - 1} more" if len(self.edits) > 1 else ""
        return (words[0] if words else "proposed before") + more


def diff_proposal(site: Site, state: ProposalState, occasion: Occasion, now: datetime) -> Look:
    """Compare what was observed, target by target, and find what the proposal has to say."""
    memory, base = state.memory, state.files
    occasion = replace(occasion, adopted=frozenset(memory.adopted if memory else ()))
    eye = Eye(
        site,
        base,
        state.proposal.branch,
        occasion,
        memory.pending if memory else None,
        now,
        KnownProposal(state.pull_requests),
        frozenset(state.kept.targets.values()),
    )
    seen, refusals = eye.see(tuple(sorted({*occasion.targets, *state.kept.outdated})))
    told = {s.target: s.edit for s in seen if s.edit and not _is_chosen(occasion, s.edit)}
    declined = DeclinedChanges(base, state.pull_requests, state.branch_tip).find(told)
    seen = tuple(replace(one, declined=declined.get(one.target)) for one in seen)
    out = keep_out(state.branch, state.newest_memory, told)
    edits = _edits(base, _untouched(state, seen, refusals), seen, out)
    situation = _situation(site, state, seen, edits, out)
    situation = replace(
        situation,
        chosen=any(s.edit and _is_chosen(occasion, s.edit) for s in seen),
        refused=refusals[0][1] if refusals else None,
        prune=any(s.elsewhere or (occasion.prune and s.absent) for s in seen),
        declined_in=next((one.pull_request for one in declined.values()), None),
    )
    return Look(
        state.proposal,
        base,
        state.tip,
        situation,
        seen,
        refusals,
        occasion.causes,
        state.branch,
        tuple(sorted(out)),
    )


def _untouched(
    state: ProposalState, seen: Sequence[Seen], refusals: Sequence[tuple[Target, str]]
) -> Sequence[Edit]:
    """What stays as it was proposed; what was refused is among it."""
    if state.is_merged:
        return []
    stay = state.kept.edits({one.target for one in seen if not one.not_followed})
    if not refusals:
        return stay
    snapshot = state.files.snapshot
    obstacles = snapshot.obstacles(snapshot.commit, [e.change.path for e in stay if e.text])
    return [edit for edit in stay if edit.change.path not in obstacles]


def _situation(
    site: Site,
    state: ProposalState,
    seen: tuple[Seen, ...],
    edits: tuple[Edit, ...],
    out: Collection[Target],
) -> Situation:
    """What is to be decided about, but for what a person said with this look."""
    snapshot, tip, pulls = state.files.snapshot, state.tip, state.pull_requests
    open_ = find_open(pulls, snapshot.base)
    idle_kind, idle_reason = _idle(site, snapshot, pulls, seen, open_)
    entries, changes = state.files.entries, state.kept.changes
    return Situation(
        edits=edits,
        memory=_memory(seen, edits, out, state.newest_memory, state.memory),
        idle_kind=OutcomeKind.REJECTED if out else idle_kind,
        idle_reason=_TAKEN_OUT if out else idle_reason,
        pull_requests=pulls,
        branch_exists=tip is not None,
        people=state.branch_tip is not None and state.branch_tip.people,
        tip=tip.commit.object_name if tip else None,
        tip_is_current=is_current(site, snapshot, tip, changes, entries, edits),
        base=snapshot.base,
        taken_back=_are_taken_back(site, snapshot, pulls, edits),
    )


def _edits(
    base: BaseFiles, untouched: Sequence[Edit], seen: Sequence[Seen], out: Collection[Target]
) -> tuple[Edit, ...]:
    """What is proposed: of what was looked at, and of what stays as it was proposed. Whatever the
    base branch says already is not."""
    if seen and all(one.not_followed for one in seen):
        return ()  # the pull request is not touched
    looked = [one.edit for one in seen if one.edit and not one.declined and one.target not in out]
    return _sorted([edit for edit in (*looked, *untouched) if _changes_tree(edit, base)])


def _changes_tree(edit: Edit, base: BaseFiles) -> bool:
    """Whether the base branch does not hold it to the letter."""
    for path, text in edit.contents.items():
        entry = base.entries.get(path)
        if blob_name(text, base.commit) != (entry.object_name if entry else None):
            return True
    return False


def _memory(
    seen: Sequence[Seen],
    edits: Sequence[Edit],
    out: Collection[Target],
    newest: Memory | None,
    now_open: Memory | None,
) -> Memory:
    """What the pull request has to remember: ``newest`` is what the newest one does, ``now_open``
    the same where it is open."""
    looked = {(one.target.prompt_id, one.target.label) for one in seen}
    taken = {
        (one.target.prompt_id, one.target.label, content_name(one.edit))
        for one in seen
        if one.edit and one.target in out
    }
    taken |= {each for each in (newest.taken_out if newest else ()) if each[:2] not in looked}
    return replace(
        remembered(edits),
        pending=next((one.pending for one in seen if one.pending), None),
        adopted=_adopted(seen, now_open, edits),
        wrote=newest.wrote if newest else None,
        taken_out=tuple(sorted(taken)[:_MOST_TAKEN_OUT]),
    )


def _adopted(seen: Sequence[Seen], memory: Memory | None, edits: Sequence[Edit]) -> tuple[int, ...]:
    """The prompts whose proposal takes PromptLayer's text because a person chose it; of those
    that nobody looked at now, the open pull request remembers, as long as it proposes them."""
    proposed = {edit.change.prompt.id for edit in edits}
    looked = {one.target.prompt_id for one in seen}
    known = frozenset(memory.adopted if memory else ()) & proposed
    before = (id for id in known if id not in looked)
    return tuple(sorted({*before, *(one.target.prompt_id for one in seen if one.adopted)}))


def _is_chosen(occasion: Occasion, edit: Edit) -> bool:
    told = occasion.adopt.of(edit.change.prompt.name) if occasion.adopt else None
    return told is Side.PLATFORM


def _sorted(edits: list[Edit]) -> tuple[Edit, ...]:
    return tuple(sorted(edits, key=lambda edit: edit.change.path))


def _idle(
    site: Site,
    snapshot: Snapshot,
    pulls: Sequence[PullRequest],
    seen: tuple[Seen, ...],
    open_: PullRequest | None,
) -> tuple[OutcomeKind, str]:
    """What it means where nothing is to be proposed, and why in words."""
    declined = [one.declined for one in seen if one.declined]
    if declined and open_ is None:
        return OutcomeKind.REJECTED, declined[0].reason
    if any(s.not_followed for s in seen):
        return OutcomeKind.NOT_FOLLOWED, _idle_reason(seen)
    ahead = [s for s in seen if s.comparison.standing is Standing.REPOSITORY_AHEAD]
    if not ahead:
        return OutcomeKind.IN_STEP, _idle_reason(seen)
    merged = pulls[0] if pulls and pulls[0].state is PullRequestState.MERGED else None
    if merged is not None and not site.mapping.publish:
        shown = (_held_at(site, snapshot, merged, one) for one in ahead)
        if all(shown):
            words = f"#{merged.number} was merged and `{site.base}` has been taken back since"
            return OutcomeKind.UNDONE, words
    return OutcomeKind.REPOSITORY_AHEAD, _idle_reason(seen)


def _held_at(site: Site, snapshot: Snapshot, merged: PullRequest, seen: Seen) -> bool:
    """Whether the merge brought what PromptLayer still holds."""
    if seen.held is None:
        return False
    path = seen.file.path if seen.file else site.path(seen.held, seen.target.label)
    return _said_at(site, snapshot, merged, path) == seen.held.digest


def _are_taken_back(
    site: Site, snapshot: Snapshot, pulls: Sequence[PullRequest], edits: Sequence[Edit]
) -> bool:
    """Whether the newest pull request was merged with just these edits, and the base lost them."""
    merged = pulls[0] if pulls and pulls[0].state is PullRequestState.MERGED else None
    return merged is not None and all(
        _said_at(site, snapshot, merged, edit.change.path)
        == (edit.change.after.digest if edit.change.after else None)
        for edit in edits
    )


def _said_at(site: Site, snapshot: Snapshot, merged: PullRequest, path: str) -> str | None:
    """What a file meant when a pull request was merged; None where there was none."""
    if merged.merge_commit is None:
        return ""
    try:
        text = snapshot.file(merged.merge_commit, path)
    except BridgeError:  # the server has it no longer
        return ""
    prompt = base_file(path, text, site).prompt if text is not None else None
    return prompt.digest if prompt else None


def _idle_reason(seen: tuple[Seen, ...]) -> str:
    words = sorted(
        {s.gone_because or s.comparison.reason for s in seen if not s.comparison.proposes}
    )
    return "; ".join(words) or "same content"
