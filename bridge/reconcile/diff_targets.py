"""Diff targets: read both sides, compare, and build the edit that brings the file in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.errors import RequestRefusedError, TransientError, UnsafePathError
from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.drift import (
    DELETED_IN_PROMPTLAYER,
    BaseBranchFile,
    DriftComparison,
    DriftStatus,
    compare_names,
    compare_sides,
    with_text_of,
)
from bridge.prompts.planning.publication import (
    AdoptedSide,
    PromptPublication,
    apply_adopted_side,
    is_publishable,
    merge_if_diverged,
)
from bridge.prompts.planning.reconcile_context import (
    LABEL_DELETED,
    NOT_YET_PAUSE,
    ReconcileContext,
    is_read_stale,
)
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.metadata import PendingApproval, parse_metadata
from bridge.prompts.target import Target
from bridge.reconcile.ancestry import AncestorFinder, CommonAncestor, build_ancestry
from bridge.reconcile.approval import PendingApprovalLookup
from bridge.reconcile.file_placement import compare_place
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.mapping_exclusions import exclude_unfollowed, explain_kept_target
from bridge.reconcile.overtaken_versions import find_overtaken
from bridge.reconcile.proposal_history import ProposalHistory
from bridge.reconcile.read_sources import (
    BaseFiles,
    PlatformPrompt,
    PlatformReader,
    with_matching_version,
)
from bridge.reconcile.target_diff import TargetDiff
from bridge.reconcile.target_edit import TargetDifference, TargetSides, build_edit

_MOST_WITH_USERS = 20  # prompts; for a proposal of more, nobody asks which prompts use each


@dataclass(frozen=True)
class TargetDiffer:
    """Diffs targets one after the other, with the files and pages that were read once for all."""

    context: MappingContext
    base_files: BaseFiles
    platform: PlatformReader
    branch: str | None  # of the proposal that is reconciled; None: of no particular one
    reconcile_context: ReconcileContext
    pending_approval: PendingApproval | None
    now: datetime
    pull_requests: ProposalHistory
    carried: frozenset[Target] = frozenset()  # what the branch proposes already

    def diff_targets(
        self, targets: tuple[Target, ...]
    ) -> tuple[tuple[TargetDiff, ...], tuple[tuple[Target, str], ...]]:
        """Every target, or why it cannot be placed."""
        refusals: list[tuple[Target, str]] = []
        held = self._held(targets, refusals)
        wanted = self._homes(held, refusals)
        names = {
            target: prompt.name
            for target in wanted
            if (prompt := held[target].prompt or held[target].unlabelled)
        }
        base = self.base_files.find(wanted, names)
        ancestry = build_ancestry(self.base_files, self.platform, self.pull_requests, held, base)
        asking = len(targets) <= _MOST_WITH_USERS
        diffs = []
        for target in wanted:
            try:
                one = self._diff_target(ancestry, target, held[target], base.get(target), asking)
                diffs.append(replace(one, held=held[target].prompt))
            except (UnsafePathError, RequestRefusedError) as error:
                refusals.append((target, str(error)))
        return self._leave_out_blocked(diffs, refusals)

    def _leave_out_blocked(
        self, diffs: list[TargetDiff], refusals: list[tuple[Target, str]]
    ) -> tuple[tuple[TargetDiff, ...], tuple[tuple[Target, str], ...]]:
        """Refuse the edits whose path cannot be written; git checks all paths at once."""
        writes = {d.target: d.edit.change.path for d in diffs if d.edit and d.edit.text is not None}
        snapshot = self.base_files.snapshot
        obstacles = snapshot.find_obstacles(snapshot.commit, sorted(set(writes.values())))
        blocked = {t: path for t, path in writes.items() if path in obstacles}
        refusals.extend(
            (t, f"{path} cannot be written for prompt {t.prompt_id}: {obstacles[path]}.")
            for t, path in blocked.items()
        )
        free = (replace(d, edit=None) if d.target in blocked else d for d in diffs)
        return tuple(d for d in free if d.edit or d.publication or d.target not in blocked), tuple(
            refusals
        )

    def _held(
        self, targets: tuple[Target, ...], refusals: list[tuple[Target, str]]
    ) -> dict[Target, PlatformPrompt]:
        held: dict[Target, PlatformPrompt] = {}
        for target in targets:
            try:
                held[target] = self.platform.read_tracked(target)
            except RequestRefusedError as error:  # this one cannot be understood; the others go on
                refusals.append((target, str(error)))
        return held

    def _homes(
        self, held: Mapping[Target, PlatformPrompt], refusals: list[tuple[Target, str]]
    ) -> dict[Target, str]:
        homes: dict[Target, str] = {}
        for target, found in held.items():
            try:
                prompt = found.prompt or found.unlabelled
                homes[target] = self.context.build_file_path(prompt, target.label) if prompt else ""
            except UnsafePathError as error:
                refusals.append((target, str(error)))
        return homes

    def _diff_target(
        self,
        ancestry: AncestorFinder,
        target: Target,
        platform_prompt: PlatformPrompt,
        base: BaseBranchFile | None,
        asking: bool,
    ) -> TargetDiff:
        self._require_news(target, platform_prompt)
        if (kept := self._find_kept(target, platform_prompt, base)) is not None:
            return kept
        sides = self._observe(target, platform_prompt, base)
        if (elsewhere := self._elsewhere(sides)) is not None:
            comparison = DriftComparison(DriftStatus.IN_STEP, elsewhere)
            return TargetDiff(target, comparison, None, is_tracked_elsewhere=True)
        sides = _with_ancestor(sides, ancestry.find(target, sides.platform_prompt, base))
        if (reason := self._release_reason(sides)) is not None:
            return self._released(sides, reason)
        difference = self._compare(sides)
        if difference.is_publishable:
            return self._ahead(sides, difference)
        if not difference.comparison.has_platform_changes:
            return self._without_edit(sides, difference)
        return self._propose(sides, difference, asking)

    def _find_kept(
        self, target: Target, platform_prompt: PlatformPrompt, base: BaseBranchFile | None
    ) -> TargetDiff | None:
        """Build the result for a target whose file stays although PromptLayer has the prompt no
        longer."""
        if base is None and target not in self.carried:
            return None
        reason = explain_kept_target(
            self.context, self.reconcile_context, target, platform_prompt, base
        )
        if not reason:
            return None
        comparison = DriftComparison(DriftStatus.IN_STEP, reason)
        return TargetDiff(target, comparison, None, file=base, absent=True, not_followed=True)

    def _observe(
        self, target: Target, platform_prompt: PlatformPrompt, base: BaseBranchFile | None
    ) -> TargetSides:
        """Both sides of a target: PromptLayer's without what the mapping leaves out, and as it
        would be once a waiting request is approved."""
        platform_prompt = exclude_unfollowed(self.context, self.reconcile_context, platform_prompt)
        known = base.prompt.version if base and base.prompt else None
        waiting = PendingApprovalLookup(
            self.context, self.reconcile_context, self.pending_approval, self.now
        )
        platform_prompt, pending_approval = waiting.preview_approved_prompt(
            self.platform, target, platform_prompt, known
        )
        return TargetSides(target, platform_prompt, base, pending_approval)

    def _compare(self, sides: TargetSides) -> TargetDifference:
        """Compare the sides, apply a person's choice, and merge both texts where both changed
        and the mapping publishes. Raises RequestRefusedError for a file that cannot be read."""
        platform_prompt, base = sides.platform_prompt, sides.base
        found = compare_sides(platform_prompt.prompt, base, sides.agreed, sides.target.label)
        side = self._side(sides.target, platform_prompt)
        self._require_readable(base, side)
        comparison = compare_place(
            self.context, apply_adopted_side(found, side, platform_prompt.prompt, base), base
        )
        adopted = side is AdoptedSide.PLATFORM and found.status is not DriftStatus.PLATFORM_AHEAD
        if platform_prompt.prompt is None or base is None or base.prompt is None:
            return TargetDifference(comparison, adopted)
        merged = None
        if self.context.mapping.publish and comparison.status is DriftStatus.BOTH_MOVED:
            ancestor = sides.ancestor
            before = (
                ancestor.find_text(self.platform, platform_prompt.prompt.id) if ancestor else None
            )
            merged = merge_if_diverged(comparison, before, platform_prompt.prompt, base.prompt)
        return TargetDifference(
            comparison, adopted, merged, is_publishable(comparison, merged, base.prompt)
        )

    def _release_reason(self, sides: TargetSides) -> str | None:
        """Why a file is to be published though its label is not set; None: it is not to be."""
        base, label = sides.base, sides.target.label
        if not self.context.mapping.publish or sides.platform_prompt.unlabelled is None:
            return None
        if base is None or base.prompt is None:
            return None
        newest = self.reconcile_context.label_events.get(sides.target)
        agreed, is_deleted = sides.agreed, newest is not None and newest.type == LABEL_DELETED
        if agreed.is_of_neither_side if agreed else not is_deleted:
            return f"label {label} is not set in PromptLayer yet"
        if self._is_kept_and_edited(sides.target, base.prompt):
            return f"the file was edited after the removal of label {label} was declined"
        return None

    def _is_kept_and_edited(self, target: Target, text: Prompt) -> bool:
        """Whether the newest pull request of the target was closed and proposed to remove its
        file, and the file was edited since."""
        for pull in self.pull_requests.list_pull_requests(target, text.name):
            metadata = parse_metadata(pull.body)
            digests = metadata.find_digests(target) if metadata else None
            if metadata is None or digests is None or metadata.withdrawn:
                continue
            platform, file = digests
            declined = pull.state is PullRequestState.CLOSED and platform is None
            return declined and file is not None and not text.digest.startswith(file)
        return False

    def _released(self, sides: TargetSides, reason: str) -> TargetDiff:
        target, base = sides.target, sides.base
        assert base is not None
        assert base.prompt is not None
        comparison = DriftComparison(DriftStatus.REPOSITORY_AHEAD, reason)
        publication = PromptPublication(target, base.path, base.prompt, None)
        return TargetDiff(target, comparison, None, sides.pending_approval, publication, file=base)

    def _ahead(self, sides: TargetSides, difference: TargetDifference) -> TargetDiff:
        """Build the result of a file whose text goes to PromptLayer, with an edit for a new name
        in PromptLayer. A refusal of that edit is reported once the texts are equal."""
        target, held, base = sides.target, sides.platform_prompt.prompt, sides.base
        assert held is not None
        assert base is not None
        assert base.prompt is not None
        comparison = difference.comparison
        publication = PromptPublication(target, base.path, base.prompt, held)
        target_diff = TargetDiff(
            target,
            comparison,
            None,
            sides.pending_approval,
            publication if self.context.mapping.publish else None,
            file=base,
        )
        named = compare_names(held, base.prompt, base.label, target.label)
        named = compare_place(self.context, named, base)
        if not named.has_platform_changes:
            return target_diff
        renamed = TargetSides(target, PlatformPrompt(with_text_of(held, base.prompt)), base)
        try:
            edit = build_edit(
                self.context, self.base_files, self.platform, renamed, TargetDifference(named)
            )
        except (UnsafePathError, RequestRefusedError):
            return target_diff
        reason = f"{comparison.reason}, and {named.reason}"
        return replace(target_diff, comparison=replace(comparison, reason=reason), edit=edit)

    def _without_edit(self, sides: TargetSides, difference: TargetDifference) -> TargetDiff:
        """The result where nothing is to be proposed. It names what was overtaken by the version
        that both sides have now: no pull request does."""
        comparison = _explained(sides.platform_prompt, difference.comparison)
        held = sides.platform_prompt.prompt
        if held is not None and comparison.status is DriftStatus.IN_STEP:
            overtaken = find_overtaken(
                self.base_files, self.platform, sides.target, held, sides.agreed
            )
            if overtaken and overtaken[-1][1] == held.version:
                comparison = _with_overtaken(comparison, overtaken)
        return TargetDiff(
            sides.target,
            comparison,
            None,
            sides.pending_approval,
            file=sides.base,
            absent=sides.platform_prompt.prompt is None,
            agreed=sides.agreed,
            gone_because=sides.platform_prompt.absence_reason if sides.base is None else None,
        )

    def _propose(
        self, sides: TargetSides, difference: TargetDifference, asking: bool
    ) -> TargetDiff:
        """The result with the edit that brings the file in step with PromptLayer."""
        comparison = _explained(sides.platform_prompt, difference.comparison)
        difference = replace(difference, comparison=comparison)
        edit = build_edit(
            self.context, self.base_files, self.platform, sides, difference, with_users=asking
        )
        return TargetDiff(
            sides.target,
            _with_overtaken(comparison, edit.change.overtaken),
            edit,
            sides.pending_approval,
            adopted=difference.adopted,
            file=sides.base,
            absent=sides.platform_prompt.prompt is None,
            agreed=sides.agreed,
        )

    def _require_readable(self, base: BaseBranchFile | None, side: AdoptedSide | None) -> None:
        """Raise RequestRefusedError where a file that would be published cannot be read: what an
        engineer wrote there is not written over, unless a person has chosen PromptLayer's text."""
        if base is None or base.problem is None or side is AdoptedSide.PLATFORM:
            return
        if self.context.mapping.publish:
            raise RequestRefusedError(base.problem)

    def _side(self, target: Target, platform_prompt: PlatformPrompt) -> AdoptedSide | None:
        """Find the side that a person has chosen for the prompt."""
        return (
            self.reconcile_context.find_adopted_side(target, platform_prompt.prompt.name)
            if platform_prompt.prompt
            else None
        )

    def _require_news(self, target: Target, platform_prompt: PlatformPrompt) -> None:
        """Raise TransientError where PromptLayer does not show the version of an event yet."""
        if (
            platform_prompt.prompt is None
            and platform_prompt.absence_reason != DELETED_IN_PROMPTLAYER
        ):
            return
        version = platform_prompt.prompt.version if platform_prompt.prompt else None
        if is_read_stale(target, version, self.reconcile_context.trigger_events, self.now):
            raise TransientError(
                f"PromptLayer does not show the newest version of prompt {target.prompt_id} yet.",
                retry_after=NOT_YET_PAUSE,
            )

    def _elsewhere(self, sides: TargetSides) -> str | None:
        """Explain that another branch carries the prompt: a rename changes a branch whose name
        has the prompt's name in it."""
        prompt = sides.platform_prompt.prompt or (sides.base.prompt if sides.base else None)
        if prompt is None or self.branch is None:
            return None
        branch = self.context.build_proposal(prompt.name, sides.target).branch
        return None if branch == self.branch else f"it is proposed on {branch} now"


def _with_ancestor(sides: TargetSides, ancestor: CommonAncestor | None) -> TargetSides:
    agreed = ancestor.agreement if ancestor else None
    return replace(sides, base=with_matching_version(sides.base, agreed), ancestor=ancestor)


def _with_overtaken(
    comparison: DriftComparison, overtaken: tuple[tuple[int, int], ...]
) -> DriftComparison:
    """The comparison, with the versions that another label's file was put over."""
    if not overtaken:
        return comparison
    numbers = ", ".join(str(number) for number, _ in overtaken)
    reason = f"{comparison.reason}; version {numbers} was overtaken by version {overtaken[-1][1]}"
    return replace(comparison, reason=reason)


def _explained(platform_prompt: PlatformPrompt, comparison: DriftComparison) -> DriftComparison:
    """The comparison, with why PromptLayer has nothing where that is not plain."""
    if platform_prompt.prompt is None and platform_prompt.absence_reason not in (
        None,
        DELETED_IN_PROMPTLAYER,
    ):
        return replace(comparison, reason=str(platform_prompt.absence_reason))
    return comparison
