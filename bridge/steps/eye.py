"""See targets: read both sides, compare, and make the edit that would bring them in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.errors import Refused, Transient, UnsafePath
from bridge.prompts.agreement import Agreement
from bridge.prompts.compare import BaseFile, Comparison, Standing, compare, naming, with_text_of
from bridge.prompts.file import render
from bridge.prompts.memory import PendingRequest
from bridge.prompts.merge import Merged
from bridge.prompts.occasion import LABEL_DELETED, NOT_YET_PAUSE, Occasion, is_behind
from bridge.prompts.plan import Edit
from bridge.prompts.prompt import Prompt, PromptFile
from bridge.prompts.publication import Publication, Side, both, chosen, goes_to_platform
from bridge.prompts.snippets import references
from bridge.prompts.source import format_of
from bridge.prompts.story import Change
from bridge.prompts.target import Target
from bridge.steps.ancestry import Ancestry, ancestry_of
from bridge.steps.approval import WaitingApproval, held_as_requested
from bridge.steps.file_placement import compare_place, place_file
from bridge.steps.guard import guard
from bridge.steps.left_out import taken_out, why_kept
from bridge.steps.observe import (
    GONE,
    BaseFiles,
    Held,
    PlatformReading,
    known_as,
    reading,
    snippet_user_names,
)
from bridge.steps.overtaken import find_overtaken
from bridge.steps.proposal_history import ProposalHistory
from bridge.steps.seen import Seen
from bridge.steps.site import Site

_STORIES_WITH_USAGE = 20  # a proposal of more prompts does not ask who uses each


@dataclass(frozen=True)
class Eye:
    """Looks at targets one after the other, with what was read once for all of them."""

    site: Site
    base: BaseFiles
    branch: str | None  # of the proposal that is looked at; None: of no particular one
    occasion: Occasion
    remembered: PendingRequest | None
    now: datetime
    pull_requests: ProposalHistory
    carried: frozenset[Target] = frozenset()  # what the branch proposes already

    def see(
        self, targets: tuple[Target, ...]
    ) -> tuple[tuple[Seen, ...], tuple[tuple[Target, str], ...]]:
        """Every target, or why it cannot be placed."""
        platform = reading(self.site, targets, self.occasion.listed)
        refusals: list[tuple[Target, str]] = []
        held = self._held(platform, targets, refusals)
        wanted = self._homes(held, refusals)
        names = {
            target: prompt.name
            for target in wanted
            if (prompt := held[target].prompt or held[target].unlabelled)
        }
        base = self.base.find(wanted, names)
        ancestry = ancestry_of(self.base, platform, self.pull_requests, held, base)
        asking = len(targets) <= _STORIES_WITH_USAGE
        seen = []
        for target, home in wanted.items():
            try:
                both_sides = held[target], base.get(target), home
                one = self._see_one(platform, ancestry, target, *both_sides, asking)
                seen.append(replace(one, held=held[target].prompt))
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
        free = (replace(s, edit=None) if s.target in blocked else s for s in seen)
        return tuple(s for s in free if s.edit or s.publication or s.target not in blocked), tuple(
            refusals
        )

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
                prompt = found.prompt or found.unlabelled
                homes[target] = self.site.path(prompt, target.label) if prompt else ""
            except UnsafePath as error:
                refusals.append((target, str(error)))
        return homes

    def _see_one(
        self,
        platform: PlatformReading,
        ancestry: Ancestry,
        target: Target,
        held: Held,
        base: BaseFile | None,
        home: str,
        asking: bool,
    ) -> Seen:
        self._require_news(target, held)
        there = base is not None or target in self.carried
        if there and (reason := why_kept(self.site, self.occasion, target, held, base)):
            comparison = Comparison(Standing.IN_STEP, reason)
            return Seen(target, comparison, None, file=base, absent=True, not_followed=True)
        held = taken_out(self.site, self.occasion, held)
        held, pending = self._find_pending(platform, target, held, base)
        if (elsewhere := self._elsewhere(target, held, base)) is not None:
            return Seen(target, Comparison(Standing.IN_STEP, elsewhere), None, elsewhere=True)
        ancestor = ancestry.find(target, held, base, home)
        agreed = ancestor.agreement if ancestor else None
        base = known_as(base, agreed)
        if self._is_first_release(target, held, base, agreed):
            return self._released(target, base, pending)
        comparison = compare(held.prompt, base, agreed, target.label)
        found, side = comparison, self._side(target, held)
        self._require_readable(base, side)
        comparison = compare_place(self.site, chosen(found, side, held.prompt, base), base)
        merged = None
        if held.prompt and base and base.prompt:
            if self.site.mapping.publish and comparison.standing is Standing.BOTH_MOVED:
                before = ancestor.text(self.site.platform, held.prompt.id) if ancestor else None
                merged = both(comparison, before, held.prompt, base.prompt)
            if goes_to_platform(comparison, merged, base.prompt):
                return self._ahead(target, held.prompt, base, comparison, pending)
        absent = held.prompt is None
        if absent and held.absent not in (None, GONE):
            comparison = replace(comparison, reason=str(held.absent))
        if not comparison.proposes:
            one = Seen(target, comparison, None, pending, file=base, absent=absent)
            why = held.absent if base is None else None
            return replace(one, agreed=agreed, gone_because=why)
        edit = self._edit(target, held, base, comparison, asking, merged, agreed)
        if edit.change.overtaken:
            numbers = ", ".join(str(number) for number in edit.change.overtaken)
            reason = f"{comparison.reason}; version {numbers} was overtaken by it"
            comparison = replace(comparison, reason=reason)
        adopted = side is Side.PLATFORM and found.standing is not Standing.PLATFORM_AHEAD
        one = Seen(target, comparison, edit, pending, adopted=adopted, file=base, absent=absent)
        return replace(one, agreed=agreed)

    def _find_pending(
        self, platform: PlatformReading, target: Target, held: Held, base: BaseFile | None
    ) -> tuple[Held, PendingRequest | None]:
        """The change of a protected label that waits for approval, and what it would bring."""
        known = base.prompt.version if base and base.prompt else None
        waiting = WaitingApproval(self.site, self.occasion, self.remembered, self.now)
        pending = waiting.find(target, held, known)
        if pending is None:
            return held, None
        held = held_as_requested(platform, target, pending, held)
        if held.prompt is not None:
            pending = replace(pending, shown_version=held.prompt.version)
        return held, pending

    def _is_first_release(
        self, target: Target, held: Held, base: BaseFile | None, agreed: Agreement | None
    ) -> bool:
        """Whether a file is there for a label that was never set: no record, no merge and no event
        tells that it was."""
        newest = self.occasion.label_events.get(target)
        if held.unlabelled is None or agreed is not None or not self.site.mapping.publish:
            return False
        return (
            base is not None
            and base.prompt is not None
            and (newest is None or newest.type != LABEL_DELETED)
        )

    def _released(
        self, target: Target, base: BaseFile | None, pending: PendingRequest | None
    ) -> Seen:
        assert base is not None
        assert base.prompt is not None
        reason = f"label {target.label} is not set in PromptLayer yet"
        comparison = Comparison(Standing.REPOSITORY_AHEAD, reason)
        publication = Publication(target, base.path, base.prompt, None)
        return Seen(target, comparison, None, pending, publication, file=base)

    def _ahead(
        self,
        target: Target,
        held: Prompt,
        base: BaseFile,
        comparison: Comparison,
        pending: PendingRequest | None,
    ) -> Seen:
        """The file's text goes to PromptLayer, and what PromptLayer calls the prompt is proposed
        meanwhile; what stands in the way of that is told once both say the same."""
        assert base.prompt is not None
        publication = Publication(target, base.path, base.prompt, held)
        seen = Seen(
            target,
            comparison,
            None,
            pending,
            publication if self.site.mapping.publish else None,
            file=base,
        )
        named = naming(held, base.prompt, base.label, target.label)
        named = compare_place(self.site, named, base)
        if not named.proposes:
            return seen
        try:
            edit = self._edit(
                target, Held(with_text_of(held, base.prompt)), base, named, False, None, None
            )
        except (UnsafePath, Refused):
            return seen
        reason = f"{comparison.reason}, and {named.reason}"
        return replace(seen, comparison=replace(comparison, reason=reason), edit=edit)

    def _require_readable(self, base: BaseFile | None, side: Side | None) -> None:
        """Raise Refused where a file that would be published cannot be read: what an engineer
        wrote there is not written over, unless a person has chosen PromptLayer's text."""
        if base is None or base.problem is None or side is Side.PLATFORM:
            return
        if self.site.mapping.publish:
            raise Refused(base.problem)

    def _side(self, target: Target, held: Held) -> Side | None:
        """Whose text a person has chosen."""
        return self.occasion.side(target.prompt_id, held.prompt.name) if held.prompt else None

    def _require_news(self, target: Target, held: Held) -> None:
        """Raise Transient where PromptLayer does not show yet what an event just told."""
        if held.prompt is None and held.absent != GONE:
            return
        version = held.prompt.version if held.prompt else None
        if is_behind(target, version, self.occasion.causes, self.now):
            raise Transient(
                f"PromptLayer does not show the newest version of prompt {target.prompt_id} yet.",
                retry_after=NOT_YET_PAUSE,
            )

    def _elsewhere(self, target: Target, held: Held, base: BaseFile | None) -> str | None:
        """A prompt whose name is in its branch's name has another branch after a rename."""
        prompt = held.prompt or (base.prompt if base else None)
        if prompt is None or self.branch is None:
            return None
        branch = self.site.proposal(prompt.name, target).branch
        return None if branch == self.branch else f"it is proposed on {branch} now"

    def _edit(
        self,
        target: Target,
        held: Held,
        base: BaseFile | None,
        comparison: Comparison,
        asking: bool,
        merged: Merged | None,
        agreed: Agreement | None,
    ) -> Edit:
        if held.prompt is None:
            return _removal(target, held, base, comparison)
        prompt = merged.prompt if merged else held.prompt
        guard(self.site.mapping, prompt, f"Prompt {target.prompt_id}")
        path = place_file(self.base, target, prompt, base)
        kept = base is not None and format_of(base.path) == format_of(path)
        existing = base.text.decode("utf-8", "replace") if base and kept else None
        file = PromptFile(prompt, target.label)
        text = render(file, format_of(path), existing).encode()
        change = Change(
            path=path,
            old_path=base.path if base and base.path != path else None,
            label=target.label,
            before=base.prompt if base else None,
            after=prompt,
            link=self.site.link(held.prompt),
            uses=tuple(str(reference) for reference in references(prompt.template)),
            used_by=snippet_user_names(self.site, held.prompt) if asking else (),
            overwrites=comparison.standing is Standing.BOTH_MOVED and merged is None,
            merges=merged is not None,
            conflicts=merged.conflicts if merged else (),
            restores=comparison.restores,
            overtaken=find_overtaken(self.base, target, held.prompt, agreed),
        )
        return Edit(change, text, base.text if base else None, held.prompt.digest)


def _removal(target: Target, held: Held, base: BaseFile | None, comparison: Comparison) -> Edit:
    if base is None or base.prompt is None:
        problem = base.problem if base else "it is not there"
        path = base.path if base else "its file"
        raise Refused(
            f"Prompt {target.prompt_id} is gone from PromptLayer and {path} cannot be read"
            f" ({problem}). Remove the file by hand if it is not needed."
        )
    both = comparison.standing is Standing.BOTH_MOVED
    change = Change(
        base.path, None, target.label, base.prompt, None, reason=held.absent, overwrites=both
    )
    return Edit(change, None, base.text)
