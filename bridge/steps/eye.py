"""See targets: read both sides, compare, and make the edit that would bring them in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.errors import Refused, Transient, UnsafePath
from bridge.forge.base import PullRequestState
from bridge.prompts.compare import BaseFile, Comparison, Standing, compare, naming, with_text_of
from bridge.prompts.memory import PendingRequest, recall
from bridge.prompts.occasion import LABEL_DELETED, NOT_YET_PAUSE, Occasion, is_behind
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import Publication, Side, both, chosen, goes_to_platform
from bridge.prompts.target import Target
from bridge.steps.ancestry import Ancestor, Ancestry, ancestry_of
from bridge.steps.approval import WaitingApproval
from bridge.steps.file_placement import compare_place
from bridge.steps.left_out import taken_out, why_kept
from bridge.steps.observe import (
    GONE,
    BaseFiles,
    Held,
    PlatformReading,
    known_as,
    reading,
)
from bridge.steps.proposal_history import ProposalHistory
from bridge.steps.seen import Seen
from bridge.steps.site import Site
from bridge.steps.target_edit import TargetDifference, TargetSides, build_edit

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
        if (kept := self._find_kept(target, held, base)) is not None:
            return kept
        sides = self._observe(platform, target, held, base)
        if (elsewhere := self._elsewhere(sides)) is not None:
            comparison = Comparison(Standing.IN_STEP, elsewhere)
            return Seen(target, comparison, None, elsewhere=True)
        sides = _with_ancestor(sides, ancestry.find(target, sides.held, base, home))
        if (reason := self._release_reason(sides)) is not None:
            return self._released(sides, reason)
        difference = self._compare(sides)
        if difference.is_publishable:
            return self._ahead(sides, difference)
        if not difference.comparison.proposes:
            return self._without_edit(sides, difference)
        return self._propose(sides, difference, asking)

    def _find_kept(self, target: Target, held: Held, base: BaseFile | None) -> Seen | None:
        """The result for a target whose file stays although PromptLayer has it no longer."""
        if base is None and target not in self.carried:
            return None
        reason = why_kept(self.site, self.occasion, target, held, base)
        if not reason:
            return None
        comparison = Comparison(Standing.IN_STEP, reason)
        return Seen(target, comparison, None, file=base, absent=True, not_followed=True)

    def _observe(
        self, platform: PlatformReading, target: Target, held: Held, base: BaseFile | None
    ) -> TargetSides:
        """Both sides of a target: PromptLayer's without what the mapping leaves out, and as it
        would be once a waiting request is approved."""
        held = taken_out(self.site, self.occasion, held)
        known = base.prompt.version if base and base.prompt else None
        waiting = WaitingApproval(self.site, self.occasion, self.remembered, self.now)
        held, pending = waiting.apply(platform, target, held, known)
        return TargetSides(target, held, base, pending)

    def _compare(self, sides: TargetSides) -> TargetDifference:
        """How the sides differ, with what a person has chosen, and the merge of the two where
        both moved and the mapping publishes. Raises Refused for a file nobody can read."""
        held, base = sides.held, sides.base
        found = compare(held.prompt, base, sides.agreed, sides.target.label)
        side = self._side(sides.target, held)
        self._require_readable(base, side)
        comparison = compare_place(self.site, chosen(found, side, held.prompt, base), base)
        adopted = side is Side.PLATFORM and found.standing is not Standing.PLATFORM_AHEAD
        if held.prompt is None or base is None or base.prompt is None:
            return TargetDifference(comparison, adopted)
        merged = None
        if self.site.mapping.publish and comparison.standing is Standing.BOTH_MOVED:
            ancestor = sides.ancestor
            before = ancestor.text(self.site.platform, held.prompt.id) if ancestor else None
            merged = both(comparison, before, held.prompt, base.prompt)
        is_publishable = goes_to_platform(comparison, merged, base.prompt)
        return TargetDifference(comparison, adopted, merged, is_publishable)

    def _release_reason(self, sides: TargetSides) -> str | None:
        """Why a file is to be published though its label is not set; None: it is not to be."""
        base, label = sides.base, sides.target.label
        if not self.site.mapping.publish or sides.held.unlabelled is None:
            return None
        if base is None or base.prompt is None:
            return None
        newest = self.occasion.label_events.get(sides.target)
        if sides.agreed is None and (newest is None or newest.type != LABEL_DELETED):
            return f"label {label} is not set in PromptLayer yet"
        if self._is_kept_and_edited(sides.target, base.prompt):
            return f"the file was edited after the removal of label {label} was declined"
        return None

    def _is_kept_and_edited(self, target: Target, text: Prompt) -> bool:
        """Whether the last word on the target is that a person declined to remove its file, and
        the file says something else now."""
        key = target.prompt_id, target.label
        for pull in self.pull_requests.of(target, text.name):
            memory = recall(pull.body)
            told = memory.texts if memory else ()
            sides = next(((p, r) for id, label, p, r in told if (id, label) == key), None)
            if memory is None or sides is None or memory.withdrawn:
                continue
            platform, file = sides
            declined = pull.state is PullRequestState.CLOSED and platform is None
            return declined and file is not None and not text.digest.startswith(file)
        return False

    def _released(self, sides: TargetSides, reason: str) -> Seen:
        target, base = sides.target, sides.base
        assert base is not None
        assert base.prompt is not None
        comparison = Comparison(Standing.REPOSITORY_AHEAD, reason)
        publication = Publication(target, base.path, base.prompt, None)
        return Seen(target, comparison, None, sides.pending, publication, file=base)

    def _ahead(self, sides: TargetSides, difference: TargetDifference) -> Seen:
        """The file's text goes to PromptLayer, and what PromptLayer calls the prompt is proposed
        meanwhile; what stands in the way of that is told once both say the same."""
        target, held, base = sides.target, sides.held.prompt, sides.base
        assert held is not None
        assert base is not None
        assert base.prompt is not None
        comparison = difference.comparison
        publication = Publication(target, base.path, base.prompt, held)
        seen = Seen(
            target,
            comparison,
            None,
            sides.pending,
            publication if self.site.mapping.publish else None,
            file=base,
        )
        named = naming(held, base.prompt, base.label, target.label)
        named = compare_place(self.site, named, base)
        if not named.proposes:
            return seen
        renamed = TargetSides(target, Held(with_text_of(held, base.prompt)), base)
        try:
            edit = build_edit(self.site, self.base, renamed, TargetDifference(named))
        except (UnsafePath, Refused):
            return seen
        reason = f"{comparison.reason}, and {named.reason}"
        return replace(seen, comparison=replace(comparison, reason=reason), edit=edit)

    def _without_edit(self, sides: TargetSides, difference: TargetDifference) -> Seen:
        """The result where nothing is to be proposed."""
        return Seen(
            sides.target,
            _explained(sides.held, difference.comparison),
            None,
            sides.pending,
            file=sides.base,
            absent=sides.held.prompt is None,
            agreed=sides.agreed,
            gone_because=sides.held.absent if sides.base is None else None,
        )

    def _propose(self, sides: TargetSides, difference: TargetDifference, asking: bool) -> Seen:
        """The result with the edit that brings the file in step with PromptLayer."""
        comparison = _explained(sides.held, difference.comparison)
        difference = replace(difference, comparison=comparison)
        edit = build_edit(self.site, self.base, sides, difference, with_users=asking)
        if edit.change.overtaken:
            numbers = ", ".join(str(number) for number in edit.change.overtaken)
            reason = f"{comparison.reason}; version {numbers} was overtaken by it"
            comparison = replace(comparison, reason=reason)
        return Seen(
            sides.target,
            comparison,
            edit,
            sides.pending,
            adopted=difference.adopted,
            file=sides.base,
            absent=sides.held.prompt is None,
            agreed=sides.agreed,
        )

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

    def _elsewhere(self, sides: TargetSides) -> str | None:
        """A prompt whose name is in its branch's name has another branch after a rename."""
        prompt = sides.held.prompt or (sides.base.prompt if sides.base else None)
        if prompt is None or self.branch is None:
            return None
        branch = self.site.proposal(prompt.name, sides.target).branch
        return None if branch == self.branch else f"it is proposed on {branch} now"


def _with_ancestor(sides: TargetSides, ancestor: Ancestor | None) -> TargetSides:
    agreed = ancestor.agreement if ancestor else None
    return replace(sides, base=known_as(sides.base, agreed), ancestor=ancestor)


def _explained(held: Held, comparison: Comparison) -> Comparison:
    """The comparison, with why PromptLayer has nothing where that is not plain."""
    if held.prompt is None and held.absent not in (None, GONE):
        return replace(comparison, reason=str(held.absent))
    return comparison
