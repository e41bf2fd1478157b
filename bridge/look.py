"""Look at one proposal: everything that was observed about it, compared. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from bridge.branch import Tip, is_current, tip_of
from bridge.config import Group
from bridge.errors import Refused, Transient, UnsafePath
from bridge.forge.base import PullRequest, PullRequestState
from bridge.kept import Kept
from bridge.observe import BaseFiles, Held, PlatformReading, ancestor, reading
from bridge.prompts.compare import BaseFile, Comparison, Standing, compare
from bridge.prompts.file import render
from bridge.prompts.memory import PendingRequest, recall
from bridge.prompts.occasion import Cause, NotYet, Occasion, pending_request
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.plan import Edit, Situation, first, remembered
from bridge.prompts.prompt import Prompt, PromptFile
from bridge.prompts.snippets import references
from bridge.prompts.story import Change
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.site import Site

_APPROVAL_PAUSE = 6.0  # seconds: five looks, before pauses grow, are as long as the patience
_STORIES_WITH_USAGE = 20  # a proposal of more prompts does not ask who uses each


@dataclass(frozen=True)
class Seen:
    """One target as it was found."""

    target: Target
    comparison: Comparison
    edit: Edit | None
    pending: PendingRequest | None = None


@dataclass(frozen=True)
class Look:
    """One proposal as it was found."""

    proposal: Proposal
    base: str
    snapshot: Snapshot
    tip: Tip | None
    is_current: bool  # the branch holds exactly these edits already
    situation: Situation
    seen: tuple[Seen, ...]
    refusals: tuple[tuple[Target, str], ...]
    causes: tuple[Cause, ...]

    @property
    def tip_name(self) -> str | None:
        return self.tip.commit.object_name if self.tip else None

    @property
    def edits(self) -> tuple[Edit, ...]:
        return self.situation.edits

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
    eye = _Eye(site, base, proposal.branch, occasion, memory.pending if memory else None, now)
    targets = tuple(sorted({*occasion.targets, *kept.outdated}))
    seen, refusals = eye.see(targets)
    understood = {one.target for one in seen}  # what was refused stays as it was proposed
    untouched = _placeable(snapshot, kept.edits(understood)) if refusals else kept.edits(understood)
    edits = _sorted([s.edit for s in seen if s.edit], untouched)
    pending = next((s.pending for s in seen if s.pending), None)
    current = is_current(snapshot, tip, kept.left, edits)
    situation = Situation(
        edits=edits,
        memory=replace(remembered(edits), pending=pending),
        idle_kind=_idle_kind(seen),
        idle_reason=_idle_reason(seen),
        pull_requests=pulls,
        branch_exists=tip is not None,
        people=tip is not None and tip.people,
        tip=tip.commit.object_name if tip else None,
        tip_is_current=current,
        base=site.base,
        refused=refusals[0][1] if refusals else None,
    )
    return Look(
        proposal, site.base, snapshot, tip, current, situation, seen, refusals, occasion.causes
    )


def _tip(site: Site, snapshot: Snapshot, branch: str, pulls: Sequence[PullRequest]) -> Tip | None:
    """The branch's tip. Once it is merged, everybody's commits on it have reached the base: the
    next proposal starts from there, and names none of those who worked on this one."""
    tip = tip_of(site, snapshot, branch)
    if tip is None or not pulls or pulls[0].state is not PullRequestState.MERGED:
        return tip
    done = pulls[0].head_commit == tip.commit.object_name
    return replace(tip, people=False, written=None) if done else tip


def _placeable(snapshot: Snapshot, edits: list[Edit]) -> list[Edit]:
    """Those that nothing stands in the way of."""
    obstacles = snapshot.obstacles(snapshot.commit, [e.change.path for e in edits if e.text])
    return [edit for edit in edits if edit.change.path not in obstacles]


def _sorted(looked: list[Edit], untouched: list[Edit]) -> tuple[Edit, ...]:
    return tuple(sorted([*looked, *untouched], key=lambda edit: edit.change.path))


def _idle_kind(seen: tuple[Seen, ...]) -> OutcomeKind:
    ahead = any(s.comparison.standing is Standing.REPOSITORY_AHEAD for s in seen)
    return OutcomeKind.REPOSITORY_AHEAD if ahead else OutcomeKind.IN_STEP


def _idle_reason(seen: tuple[Seen, ...]) -> str:
    words = sorted({s.comparison.reason for s in seen if not s.comparison.proposes})
    return "; ".join(words) or "same content"


@dataclass(frozen=True)
class _Eye:
    """Looks at targets one after the other, with what was read once for all of them."""

    site: Site
    base: BaseFiles
    branch: str
    occasion: Occasion
    remembered: PendingRequest | None
    now: datetime

    def see(
        self, targets: tuple[Target, ...]
    ) -> tuple[tuple[Seen, ...], tuple[tuple[Target, str], ...]]:
        """Every target, or why it cannot be placed."""
        platform = reading(self.site, targets)
        refusals: list[tuple[Target, str]] = []
        held = self._held(platform, targets, refusals)
        wanted = self._homes(held, refusals)
        base = self.base.find(wanted)
        asking = len(targets) <= _STORIES_WITH_USAGE
        seen = []
        for target in wanted:
            try:
                found = base.get(target)
                seen.append(self._see_one(platform, target, held[target], found, asking))
            except (UnsafePath, Refused) as error:
                refusals.append((target, str(error)))
        return self._placeable(seen, refusals)

    def _placeable(
        self, seen: list[Seen], refusals: list[tuple[Target, str]]
    ) -> tuple[tuple[Seen, ...], tuple[tuple[Target, str], ...]]:
        """Without those that something stands in the way of; asked of git once for all."""
        writes = {s.target: s.edit.change.path for s in seen if s.edit and s.edit.text is not None}
        snapshot = self.base.snapshot
        obstacles = snapshot.obstacles(snapshot.commit, sorted(set(writes.values())))
        blocked = {t: path for t, path in writes.items() if path in obstacles}
        refusals.extend(
            (t, f"{path} cannot be written for prompt {t.prompt_id}: {obstacles[path]}.")
            for t, path in blocked.items()
        )
        return tuple(s for s in seen if s.target not in blocked), tuple(refusals)

    @staticmethod
    def _held(
        platform: PlatformReading, targets: tuple[Target, ...], refusals: list[tuple[Target, str]]
    ) -> dict[Target, Held]:
        held: dict[Target, Held] = {}
        for target in targets:
            try:
                held[target] = platform.held(target)
            except Refused as error:  # this one cannot be understood; the others go on
                refusals.append((target, str(error)))
        return held

    def _homes(
        self, held: Mapping[Target, Held], refusals: list[tuple[Target, str]]
    ) -> dict[Target, str]:
        homes: dict[Target, str] = {}
        for target, found in held.items():
            try:
                prompt = found.prompt
                homes[target] = self.site.path(prompt, target.label) if prompt else ""
            except UnsafePath as error:
                refusals.append((target, str(error)))
        return homes

    def _see_one(
        self,
        platform: PlatformReading,
        target: Target,
        held: Held,
        base: BaseFile | None,
        asking: bool,
    ) -> Seen:
        pending = self._pending(target, held, base)
        if pending is not None:
            held = _as_requested(platform, target, pending, held)
        if (elsewhere := self._elsewhere(target, held, base)) is not None:
            return Seen(target, Comparison(Standing.IN_STEP, elsewhere), None)
        before = ancestor(self.site.platform, base, held.prompt)
        comparison = compare(held.prompt, base, before)
        if not comparison.proposes:
            return Seen(target, comparison, None, pending)
        edit = self._edit(target, held, base, comparison, asking)
        return Seen(target, comparison, edit, pending)

    def _elsewhere(self, target: Target, held: Held, base: BaseFile | None) -> str | None:
        """A prompt whose name is in its branch's name has another branch after a rename."""
        prompt = held.prompt or (base.prompt if base else None)
        if prompt is None:
            return None
        branch = self.site.proposal(prompt.name, target).branch
        return None if branch == self.branch else f"is proposed on {branch}"

    def _pending(self, target: Target, held: Held, base: BaseFile | None) -> PendingRequest | None:
        if self.site.mapping.pull_request.group is Group.MAPPING:
            return None  # one undecided label must not turn everybody's proposal into a draft
        known = base.prompt.version if base and base.prompt else None
        version = held.prompt.version if held.prompt else None
        newest = self.occasion.label_events.get(target)
        remembered = self.remembered if _is_about(self.remembered, target) else None
        pending = pending_request(newest, remembered, version, known, self.now)
        if isinstance(pending, NotYet):
            raise Transient(
                f"The change of label {target.label} of prompt {target.prompt_id} is approved,"
                " and PromptLayer does not show it yet.",
                retry_after=_APPROVAL_PAUSE,
            )
        return pending

    def _edit(
        self,
        target: Target,
        held: Held,
        base: BaseFile | None,
        comparison: Comparison,
        asking: bool,
    ) -> Edit:
        if held.prompt is None:
            return _removal(target, held, base)
        path = self._place(target, held.prompt, base)
        existing = base.text.decode("utf-8", "replace") if base else None
        file = PromptFile(held.prompt, target.label)
        text = render(file, self.site.mapping.format, existing).encode()
        change = Change(
            path=path,
            old_path=base.path if base and base.path != path else None,
            label=target.label,
            before=base.prompt if base else None,
            after=held.prompt,
            link=self.site.link(held.prompt),
            uses=tuple(str(reference) for reference in references(held.prompt.template)),
            used_by=self._used_by(held.prompt) if asking else (),
            overwrites=comparison.standing is Standing.BOTH_MOVED,
        )
        return Edit(change, text, base.text if base else None)

    def _used_by(self, prompt: Prompt) -> tuple[str, ...]:
        """Only a completion template can be a snippet."""
        if prompt.id is None or prompt.template.get("type") != "completion":
            return ()
        return tuple(user.name for user in self.site.platform.snippet_users(prompt.id))

    def _place(self, target: Target, prompt: Prompt, base: BaseFile | None) -> str:
        """Where the file goes: where an engineer put it, else where the mapping wants it."""
        path = self.site.path(prompt, target.label)
        if base is not None and not self._follows_its_name(target, prompt, base):
            path = base.path
        if (base is None or base.path != path) and path in self.base.entries:
            raise Refused(
                f"{path} is there already and does not belong to prompt {prompt.id}"
                f" ({prompt.name!r}). Move that file, or change the mapping's `path`."
            )
        return path

    def _follows_its_name(self, target: Target, prompt: Prompt, base: BaseFile) -> bool:
        """Whether the prompt was renamed and its file stands where the old name put it."""
        if base.prompt is None or base.prompt.name == prompt.name:
            return False
        old = replace(base.prompt, id=target.prompt_id)
        try:
            return self.site.path(old, target.label) == base.path
        except UnsafePath:
            return False


def _is_about(pending: PendingRequest | None, target: Target) -> bool:
    return pending is not None and pending.request.label == target.label


def _as_requested(
    platform: PlatformReading, target: Target, pending: PendingRequest, held: Held
) -> Held:
    """What the platform would hold if the request were approved; which version was asked for is
    told nowhere, so the newest stands for it."""
    if pending.request.change == "deletion":
        return Held(None, f"somebody asked to remove label {target.label}")
    newest = platform.newest(target.prompt_id)
    return Held(newest) if newest is not None else held


def _removal(target: Target, held: Held, base: BaseFile | None) -> Edit:
    if base is None or base.prompt is None:
        problem = base.problem if base else "it is not there"
        path = base.path if base else "its file"
        raise Refused(
            f"Prompt {target.prompt_id} is gone from PromptLayer and {path} cannot be read"
            f" ({problem}). Remove the file by hand if it is not needed."
        )
    change = Change(base.path, None, target.label, base.prompt, None, reason=held.absent)
    return Edit(change, None, base.text)
