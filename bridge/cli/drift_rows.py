"""The rows of ``plan``: the difference of each target, its reason, and the action of ``sync``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.plan import (
    ClosePullRequest,
    DeleteBranch,
    FileEdit,
    NoChange,
    ProposalPlan,
    UpsertPullRequest,
)
from bridge.prompts.prompt import LATEST
from bridge.prompts.pull_request.proposal_summary import PromptChange
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.scan_mapping import MappingScan
from bridge.reconcile.secret_guard import find_secrets_in_files
from bridge.reconcile.target_diff import TargetDiff

IN_CONFLICT = "in conflict"


@dataclass(frozen=True)
class DriftRow:
    """One row of ``plan``: a target that is out of step, and the action that ``sync`` would
    take."""

    mapping: str
    prompt: str
    label: str
    path: str
    standing: str
    action: str
    pull_request: str | None = None
    diff: str = ""


def merge_rows(rows: Iterable[DriftRow]) -> tuple[DriftRow, ...]:
    """Merge the row of a mistake in a file into the row of the target that has the file."""
    rows = tuple(rows)
    mistakes = {row.path: row.action for row in rows if not row.prompt and row.path}
    targets = {row.path for row in rows if row.prompt}
    return tuple(
        _with_mistake(row, mistakes.get(row.path))
        for row in rows
        if row.prompt or row.path not in targets
    )


def _with_mistake(row: DriftRow, mistake: str | None) -> DriftRow:
    if not row.prompt or mistake is None:
        return row
    if mistake.removeprefix("skip: ") in f"{row.standing} {row.action}":
        return row
    return replace(row, action=f"{row.action}; {mistake}")


def build_unproposed_rows(context: MappingContext, scan: MappingScan) -> Iterator[DriftRow]:
    """Rows for prompts whose file cannot be placed, files without a prompt, and mistakes in
    files."""
    for target, reason in scan.refusals:
        yield _refused(scan, target, reason)
    leaking = find_secrets_in_files(context.mapping, scan.new_prompts)
    for new in scan.new_prompts:
        action = _making(context, leaking.get(new.path))
        yield DriftRow(
            context.mapping.name,
            new.prompt.name,
            new.label,
            new.path,
            "never synced: a new file",
            action,
        )
    for orphan in scan.orphans:
        action = f"nothing: {orphan.reason}"
        yield DriftRow(context.mapping.name, "", "", orphan.path, "nobody's file", action)
    for mistake in scan.mistakes:
        path = mistake.partition(":")[0]
        yield DriftRow(
            context.mapping.name, "", "", path, "a mistake in the file", f"skip: {mistake}"
        )


def _making(context: MappingContext, leak: str | None) -> str:
    if not context.mapping.publish:
        return "nothing (the mapping does not publish)"
    return f"skip: {leak}" if leak else "make a prompt of it"


def build_proposal_rows(
    context: MappingContext,
    scan: MappingScan,
    observation: ProposalObservation,
    planned: ProposalPlan,
    *,
    diff: bool,
) -> Iterator[DriftRow]:
    for target, reason in observation.refusals:
        yield _refused(scan, target, reason)
    action, address = _action(observation, planned)
    leaking = find_secrets_in_files(context.mapping, observation.pending_publications)
    yield from _proposed(observation, planned, action, address, leaking, diff=diff)
    ahead = [
        each
        for each in observation.target_diffs
        if each.comparison.status is DriftStatus.REPOSITORY_AHEAD
    ]
    for each in ahead:
        if each.edit is None:  # else its row says both
            yield _ahead(observation, each, leaking)
    if not (observation.edits or ahead or observation.refusals or _at_rest(planned)):
        reason, names = observation.plan_input.no_change_reason, _name_prompts(observation)
        yield DriftRow(observation.proposal.mapping, names, "", "", reason, action, address)


def _name_prompts(observation: ProposalObservation) -> str:
    """The prompts of a proposal; its branch where none is known."""
    prompts = (
        one.held or (one.file.prompt if one.file else None) for one in observation.target_diffs
    )
    names = dict.fromkeys(prompt.name for prompt in prompts if prompt is not None)
    return ", ".join(names) or observation.proposal.branch


def _refused(scan: MappingScan, target: Target, reason: str) -> DriftRow:
    known = scan.differing_targets.get(target)
    name = known.name if known and known.name else str(target.prompt_id)
    mistake = next((one for one in scan.mistakes if one in reason), None)
    path = mistake.partition(":")[0] if mistake else (known.path if known else None) or ""
    standing = "a mistake in the file" if mistake else "left out"
    return DriftRow(target.mapping, name, target.label, path, standing, f"skip: {reason}")


def _proposed(
    observation: ProposalObservation,
    planned: ProposalPlan,
    action: str,
    address: str | None,
    leaking: Mapping[str, str],
    *,
    diff: bool,
) -> Iterator[DriftRow]:
    diffs = {
        (one.edit.change.path, one.target.label): one
        for one in observation.target_diffs
        if one.edit
    }
    for edit in observation.edits:
        change = edit.change
        found = diffs.get((change.path, change.label))
        yield DriftRow(
            observation.proposal.mapping,
            change.prompt.name,
            change.label,
            change.path,
            _standing(found, change, planned) if found else "proposed before",
            _joined(found, action, leaking),
            address,
            _diff(edit) if diff else "",
        )


def _joined(target_diff: TargetDiff | None, action: str, leaking: Mapping[str, str]) -> str:
    """The action for an edit, after the publication of the same file where it has one."""
    if target_diff is None or target_diff.publication is None:
        return action
    return f"{_publishing(target_diff, leaking)}; {action}"


def _ahead(
    observation: ProposalObservation, target_diff: TargetDiff, leaking: Mapping[str, str]
) -> DriftRow:
    """The action for a file that differs from PromptLayer."""
    file = target_diff.file
    named = file.prompt if file and file.prompt else target_diff.held
    return DriftRow(
        observation.proposal.mapping,
        named.name if named else observation.proposal.branch,
        target_diff.target.label,
        file.path if file else "",
        target_diff.comparison.reason,
        _publishing(target_diff, leaking),
    )


def _publishing(target_diff: TargetDiff, leaking: Mapping[str, str]) -> str:
    if target_diff.file is None:
        return "nothing"
    if leak := leaking.get(target_diff.file.path):
        return f"skip: {leak}"
    if target_diff.publication is None:
        return "nothing (the mapping does not publish)"
    if not target_diff.publication.labels:
        return "publish a new version"
    labels = " and ".join(target_diff.publication.labels)
    return f"move {labels} to the version with this content, or publish one and move {labels} to it"


def _standing(target_diff: TargetDiff, change: PromptChange, planned: ProposalPlan) -> str:
    """The drift status, with who changed what."""
    if change.after is None:
        return change.reason or target_diff.comparison.reason
    if isinstance(planned, NoChange) and planned.kind is ReconcileOutcomeKind.UNDONE:
        return "taken back in the repository" if change.before else "deleted in the repository"
    return f"{_drift(target_diff, change)}: {target_diff.comparison.reason}"


def _drift(target_diff: TargetDiff, change: PromptChange) -> str:
    if change.before is None:
        return "never synced"
    if target_diff.comparison.status is DriftStatus.BOTH_MOVED:
        return f"edited on both sides, {_meeting(change)}"
    if change.renamed_from is not None:
        return "the names differ"
    return "edited on the platform" if target_diff.target.label == LATEST else "label differs"


def _meeting(change: PromptChange) -> str:
    return "merged" if change.is_merge and not change.conflicts else IN_CONFLICT


def _diff(edit: FileEdit) -> str:
    lines = difflib.unified_diff(
        (edit.text_before or b"").decode("utf-8", "replace").splitlines(),
        (edit.text or b"").decode("utf-8", "replace").splitlines(),
        f"a/{edit.change.old_path or edit.change.path}"
        if edit.text_before is not None
        else "/dev/null",
        f"b/{edit.change.path}" if edit.text is not None else "/dev/null",
        lineterm="",
    )
    return "\n".join(lines)


def _at_rest(planned: ProposalPlan) -> bool:
    return isinstance(planned, DeleteBranch) or (
        isinstance(planned, NoChange) and planned.kind is ReconcileOutcomeKind.IN_STEP
    )


def _action(observation: ProposalObservation, planned: ProposalPlan) -> tuple[str, str | None]:
    if isinstance(planned, UpsertPullRequest):
        if planned.pull_request is None:
            return "open a pull request", None
        if observation.is_branch_current:
            return "nothing (proposed already)", planned.pull_request.url
        return "bring the pull request up to date", planned.pull_request.url
    if isinstance(planned, ClosePullRequest):
        return "withdraw the pull request", planned.pull_request.url
    if isinstance(planned, NoChange):
        address = planned.pull_request.url if planned.pull_request else None
        return f"nothing ({planned.kind}): {planned.reason}", address
    return "delete the branch", None
