"""Look at one proposal: everything that was observed about it, compared. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from bridge.errors import BridgeError
from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.compare import Standing
from bridge.prompts.memory import Memory, recall
from bridge.prompts.occasion import Cause, Occasion
from bridge.prompts.outcome import Decided, OutcomeKind, Sight
from bridge.prompts.plan import Edit, Situation, first, remembered
from bridge.prompts.publication import Publication, Side
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.steps.branch import Tip, is_current, tip_of
from bridge.steps.eye import Eye
from bridge.steps.kept import Kept
from bridge.steps.observe import BaseFiles, base_file
from bridge.steps.proposal_history import KnownProposal
from bridge.steps.seen import Seen, sight
from bridge.steps.site import Site


@dataclass(frozen=True)
class Look:
    """One proposal as it was found."""

    proposal: Proposal
    base: str
    files: BaseFiles  # of the base branch
    tip: Tip | None
    is_current: bool  # the branch holds exactly these edits already
    situation: Situation
    seen: tuple[Seen, ...]
    refusals: tuple[tuple[Target, str], ...]
    causes: tuple[Cause, ...]

    @property
    def snapshot(self) -> Snapshot:
        return self.files.snapshot

    @property
    def tip_name(self) -> str | None:
        return self.tip.commit.object_name if self.tip else None

    @property
    def edits(self) -> tuple[Edit, ...]:
        return self.situation.edits

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


def look(
    site: Site, index: FileIndex, proposal: Proposal, occasion: Occasion, now: datetime
) -> Look:
    """Observe and compare. The forge is asked before git, so that a pull request merged in
    between is seen as merged by both, or by git alone."""
    pulls = tuple(site.forge.pull_requests(proposal.branch, site.base))
    snapshot = site.mirror.fetch(site.forge.git_remote(), site.base, site.branches)
    tip = _tip(site, snapshot, proposal.branch, pulls)
    open_ = first(pulls, PullRequestState.OPEN)
    memory = recall(open_.body) if open_ else None
    base = BaseFiles.at(site, snapshot, snapshot.commit, index)
    kept = Kept(base, tip)
    occasion = replace(occasion, adopted=frozenset(memory.adopted if memory else ()))
    pending = memory.pending if memory else None
    eye = Eye(site, base, proposal.branch, occasion, pending, now, KnownProposal(pulls))
    targets = tuple(sorted({*occasion.targets, *kept.outdated}))
    seen, refusals = eye.see(targets)
    understood = {one.target for one in seen}  # what was refused stays as it was proposed
    untouched = _placeable(snapshot, kept.edits(understood)) if refusals else kept.edits(understood)
    edits = _sorted([s.edit for s in seen if s.edit], untouched)
    pending = next((s.pending for s in seen if s.pending), None)
    current = is_current(snapshot, tip, kept.left, edits)
    idle_kind, idle_reason = _idle(site, snapshot, pulls, seen)
    situation = Situation(
        edits=edits,
        memory=replace(remembered(edits), pending=pending, adopted=_adopted(seen, memory, edits)),
        idle_kind=idle_kind,
        idle_reason=idle_reason,
        pull_requests=pulls,
        branch_exists=tip is not None,
        people=tip is not None and tip.people,
        tip=tip.commit.object_name if tip else None,
        tip_is_current=current,
        base=site.base,
        chosen=any(s.edit and _is_chosen(occasion, s.edit) for s in seen),
        refused=refusals[0][1] if refusals else None,
        taken_back=_are_taken_back(site, snapshot, pulls, edits),
    )
    return Look(proposal, site.base, base, tip, current, situation, seen, refusals, occasion.causes)


def _tip(site: Site, snapshot: Snapshot, branch: str, pulls: Sequence[PullRequest]) -> Tip | None:
    """The branch's tip. Once it is merged, everybody's commits on it have reached the base: the
    next proposal starts from there, and names none of those who worked on this one."""
    tip = tip_of(site, snapshot, branch)
    if tip is None or not pulls or pulls[0].state is not PullRequestState.MERGED:
        return tip
    done = pulls[0].head_commit == tip.commit.object_name
    return replace(tip, people=False, written=None) if done else tip


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


def _placeable(snapshot: Snapshot, edits: list[Edit]) -> list[Edit]:
    """Those that nothing stands in the way of."""
    obstacles = snapshot.obstacles(snapshot.commit, [e.change.path for e in edits if e.text])
    return [edit for edit in edits if edit.change.path not in obstacles]


def _sorted(looked: list[Edit], untouched: list[Edit]) -> tuple[Edit, ...]:
    return tuple(sorted([*looked, *untouched], key=lambda edit: edit.change.path))


def _idle(
    site: Site, snapshot: Snapshot, pulls: Sequence[PullRequest], seen: tuple[Seen, ...]
) -> tuple[OutcomeKind, str]:
    """What it means where nothing is to be proposed, and why in words."""
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
    words = sorted({s.comparison.reason for s in seen if not s.comparison.proposes})
    return "; ".join(words) or "same content"
