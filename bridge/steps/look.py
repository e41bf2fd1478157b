"""Look at one proposal: everything that was observed about it, compared. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from bridge.config.mapping import Group
from bridge.errors import BridgeError
from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.compare import Standing
from bridge.prompts.memory import Memory, recall
from bridge.prompts.occasion import Cause, Occasion
from bridge.prompts.outcome import Decided, OutcomeKind, Sight
from bridge.prompts.plan import (
    Edit,
    Situation,
    content_name,
    find_open,
    remembered,
    select_pull_requests,
)
from bridge.prompts.publication import Publication, Side
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.steps.branch import Tip, blob_name, is_current, tip_of
from bridge.steps.branch_files import BranchFiles, keep_out
from bridge.steps.declined_changes import DeclinedChanges
from bridge.steps.eye import Eye
from bridge.steps.kept import Kept
from bridge.steps.observe import BaseFiles, base_file
from bridge.steps.proposal_history import KnownProposal
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


def look(
    site: Site, index: FileIndex, proposal: Proposal, occasion: Occasion, now: datetime
) -> Look:
    """Observe and compare. The forge is asked before git, so that a pull request merged in
    between is seen as merged by both, or by git alone."""
    found = tuple(site.forge.pull_requests(proposal.branch))
    snapshot = site.fetch()
    pulls = select_pull_requests(found, snapshot.base)
    open_ = find_open(pulls, snapshot.base)
    newest = open_ or (pulls[0] if pulls else None)
    memory = recall(newest.body) if newest else None
    now_open = memory if open_ else None
    base = BaseFiles.at(site, snapshot, snapshot.commit, index)
    there = _tip(site, snapshot, proposal.branch, newest, memory, found)
    tip = _leave_declined(site, there, newest, memory)
    kept = Kept(base, tip)
    branch = BranchFiles.read(base, tip, memory) if tip is not None and tip.people else None
    occasion = replace(occasion, adopted=frozenset(now_open.adopted if now_open else ()))
    pending = now_open.pending if now_open else None
    carried = frozenset(kept.targets.values())
    history = KnownProposal(pulls)
    eye = Eye(site, base, proposal.branch, occasion, pending, now, history, carried)
    targets = tuple(sorted({*occasion.targets, *kept.outdated}))
    seen, refusals = eye.see(targets)
    told = {s.target: s.edit for s in seen if s.edit and not _is_chosen(occasion, s.edit)}
    declined = DeclinedChanges(base, pulls, there).find(told)
    seen = tuple(replace(one, declined=declined.get(one.target)) for one in seen)
    out = keep_out(branch, memory, told)
    untouched = [] if _is_merged(tip, pulls) else _untouched(kept, seen, refusals=bool(refusals))
    edits = _edits(base, untouched, seen, out)
    idle_kind, idle_reason = _idle(site, snapshot, pulls, seen, open_)
    situation = Situation(
        edits=edits,
        memory=_memory(seen, edits, out, memory, now_open),
        idle_kind=OutcomeKind.REJECTED if out else idle_kind,
        idle_reason=_TAKEN_OUT if out else idle_reason,
        pull_requests=pulls,
        branch_exists=tip is not None,
        people=there is not None and there.people,
        tip=tip.commit.object_name if tip else None,
        tip_is_current=is_current(site, snapshot, tip, kept.changes, base.entries, edits),
        base=snapshot.base,
        chosen=any(s.edit and _is_chosen(occasion, s.edit) for s in seen),
        refused=refusals[0][1] if refusals else None,
        taken_back=_are_taken_back(site, snapshot, pulls, edits),
        prune=any(s.elsewhere or (occasion.prune and s.absent) for s in seen),
        declined_in=next((one.pull_request for one in declined.values()), None),
    )
    taken = tuple(sorted(out))
    return Look(proposal, base, tip, situation, seen, refusals, occasion.causes, branch, taken)


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


def _tip(
    site: Site,
    snapshot: Snapshot,
    branch: str,
    newest: PullRequest | None,
    memory: Memory | None,
    found: Sequence[PullRequest],
) -> Tip | None:
    """The branch's tip. Once it is merged, everybody's commits on it have reached the base: the
    next proposal starts from there, and names none of those who worked on this one. What a pull
    request remembers of its branch is about that branch as long as it is open, or as it was then."""
    about_it = newest is not None and (
        newest.state is PullRequestState.OPEN or newest.head_commit == snapshot.branches.get(branch)
    )
    tip = tip_of(site, snapshot, branch, memory=memory if about_it else None)
    if tip is None or not _is_merged(tip, found):
        return tip
    return Tip(tip.commit, False, None, None)


def _leave_declined(
    site: Site, tip: Tip | None, newest: PullRequest | None, memory: Memory | None
) -> Tip | None:
    """The branch of a closed pull request stands for nothing: what comes next begins afresh. What
    people wrote on one stays, but for a rolling one that they declined with all that is on it."""
    if tip is None or newest is None or newest.state is not PullRequestState.CLOSED:
        return tip
    if newest.head_commit != tip.commit.object_name:
        return tip  # the bridge was killed before it had opened the next one
    rolling = site.mapping.pull_request.group is Group.MAPPING
    withdrawn = memory is not None and memory.withdrawn
    if tip.people and (withdrawn or not rolling):
        return tip
    return Tip(tip.commit, False, None, None)


def _is_merged(tip: Tip | None, pulls: Sequence[PullRequest]) -> bool:
    """Whether all of the branch has reached the base: nothing of it is proposed any more."""
    if tip is None or not pulls or pulls[0].state is not PullRequestState.MERGED:
        return False
    return pulls[0].head_commit == tip.commit.object_name


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


def _untouched(kept: Kept, seen: Sequence[Seen], *, refusals: bool) -> list[Edit]:
    """What stays as it was proposed. What was refused is among those that were looked at; then
    only what nothing stands in the way of."""
    edits = kept.edits({one.target for one in seen if not one.not_followed})
    if not refusals:
        return edits
    snapshot = kept.base.snapshot
    obstacles = snapshot.obstacles(snapshot.commit, [e.change.path for e in edits if e.text])
    return [edit for edit in edits if edit.change.path not in obstacles]


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
