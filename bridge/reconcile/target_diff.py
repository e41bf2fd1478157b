"""The result of diffing one target."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from bridge.forge.forge import PullRequest
from bridge.prompts.agreement import Agreement, DeclinedText
from bridge.prompts.planning.drift import BaseBranchFile, DriftComparison
from bridge.prompts.planning.outcome import DecidedPullRequest, TargetObservation
from bridge.prompts.planning.plan import FileEdit, build_decision_name, tell_declined
from bridge.prompts.planning.publication import PromptPublication
from bridge.prompts.planning.side_difference import SideDifference, build_side_difference
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.metadata import PendingApproval
from bridge.prompts.target import Target

_GONE = "gone"  # begins no digest
_MOST_DIFFERENCES = 200  # of one reconcile; a resync of a whole mapping may find thousands


def build_decided_pull_request(pull: PullRequest) -> DecidedPullRequest:
    return DecidedPullRequest(pull.number, pull.url, pull.state, pull.decided_at)


@dataclass(frozen=True)
class DeclinedChange:
    """A change of a target that people declined by closing a pull request."""

    pull_request: PullRequest | None  # None: it is in the record in the repository

    @property
    def reason(self) -> str:
        return tell_declined(self.pull_request.number if self.pull_request else None)

    @property
    def decided(self) -> DecidedPullRequest | None:
        return build_decided_pull_request(self.pull_request) if self.pull_request else None


@dataclass(frozen=True)
class TargetDiff:
    """One target as it was diffed."""

    target: Target
    comparison: DriftComparison
    edit: FileEdit | None
    pending_approval: PendingApproval | None = None
    publication: PromptPublication | None = None
    adopted: bool = False  # the edit takes PromptLayer's text because a person chose it
    file: BaseBranchFile | None = None  # what the base branch has
    is_tracked_elsewhere: bool = False  # another branch carries it now
    gone_because: str | None = None  # why PromptLayer has nothing for it, where neither side does
    absent: bool = False  # PromptLayer, or the mapping, has it no longer
    not_followed: bool = False  # and it is left as it is until a person says otherwise
    held: Prompt | None = None  # what PromptLayer has
    declined: DeclinedChange | None = None  # the edit was: it is not proposed
    agreed: Agreement | None = None  # what both sides agreed on last, where anybody asked

    @property
    def says_the_same(self) -> bool:
        """Whether both sides have the same content, under any name."""
        if self.held is None or self.file is None or self.file.prompt is None:
            return False
        return self.held.digest == self.file.prompt.digest


def build_target_observation(target_diff: TargetDiff) -> TargetObservation:
    """Build the observation that is stored as the target's status."""
    change = target_diff.edit.change if target_diff.edit else None
    held = change.prompt if change else (target_diff.file.prompt if target_diff.file else None)
    path = change.path if change else (target_diff.file.path if target_diff.file else None)
    return TargetObservation(
        target=target_diff.target,
        standing=target_diff.comparison.status,
        reason=target_diff.comparison.reason,
        name=held.name if held else None,
        path=path,
        version=held.version if held else None,
        is_proposed=target_diff.edit is not None and target_diff.declined is None,
        is_tracked_elsewhere=target_diff.is_tracked_elsewhere,
        absent=target_diff.absent,
        not_followed=target_diff.not_followed,
        conflict=change is not None and change.is_conflict,
        declined=target_diff.declined.reason if target_diff.declined else None,
        declined_in=target_diff.declined.decided if target_diff.declined else None,
        unpublished=change is not None and change.is_merge,
        workspace_id=target_diff.held.workspace_id if target_diff.held else None,
    )


def build_target_observations(target_diffs: Sequence[TargetDiff]) -> tuple[TargetObservation, ...]:
    """The observations of a proposal's targets, with the difference of each of the first 200 whose
    sides differ."""
    differing = [one for one in target_diffs if _has_difference(one)][:_MOST_DIFFERENCES]
    differences = {one.target: _build_difference(one) for one in differing}
    return tuple(
        replace(build_target_observation(one), difference=differences.get(one.target))
        for one in target_diffs
    )


def _has_difference(target_diff: TargetDiff) -> bool:
    if target_diff.is_tracked_elsewhere or target_diff.not_followed:
        return False
    file = target_diff.file
    if file is not None and file.prompt is None:
        return False  # it cannot be read
    if target_diff.held is None or file is None or file.prompt is None:
        return target_diff.held is not None or file is not None
    is_renamed = target_diff.held.name != file.prompt.name
    return is_renamed or not target_diff.says_the_same


def _build_difference(target_diff: TargetDiff) -> SideDifference:
    change = target_diff.edit.change if target_diff.edit else None
    return build_side_difference(
        target_diff.file.prompt if target_diff.file else None,
        target_diff.held,
        is_conflict=change is not None and change.is_conflict,
        conflicts=change.conflicts if change else (),
    )


def find_agreements(target_diff: Iterable[TargetDiff], commit: str) -> dict[Target, Agreement]:
    """Build the agreements of targets in step, at a commit of the base branch."""
    return {
        one.target: Agreement(
            *(one.held.digest, one.held.digest, one.held.version, commit),
            path=one.file.path if one.file else None,
        )
        for one in target_diff
        if one.says_the_same and one.held is not None
    }


def find_ended(target_diffs: Iterable[TargetDiff]) -> dict[Target, Agreement]:
    """Build the agreements of targets that PromptLayer has no longer while their file is still what
    both sides agreed on. Where the label or the prompt comes back later, with any text, PromptLayer
    has moved since, although the file may be gone by then."""
    return {
        one.target: replace(one.agreed, platform=None, declined=None)
        for one in target_diffs
        if one.absent and not one.not_followed
        if one.file is not None and one.agreed is not None and one.agreed.repository is not None
    }


def find_declined(target_diffs: Collection[TargetDiff], commit: str) -> dict[Target, Agreement]:
    """Build the agreements of targets whose edit was declined, with the declined texts. Where only
    the name or the place was declined, both sides agree on the text at ``commit``."""
    in_step = find_agreements(target_diffs, commit) | find_ended(target_diffs)
    unknown = Agreement(None, None, None, None)
    return {
        one.target: replace(
            in_step.get(one.target) or one.agreed or unknown,
            declined=_tell_declined(one, one.edit),
        )
        for one in target_diffs
        if one.edit is not None
    }


def _tell_declined(target_diff: TargetDiff, edit: FileEdit) -> DeclinedText:
    held, file = target_diff.held, target_diff.file.prompt if target_diff.file else None
    return DeclinedText(
        held.digest if held else _GONE,
        file.digest if file else "",
        held.version if held else None,
        build_decision_name(edit),
    )
