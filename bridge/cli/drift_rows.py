"""The rows of ``plan``: the difference of each target, its reason, and the action of ``sync``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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


def build_unproposed_rows(context: MappingContext, scan: MappingScan) -> Iterator[DriftRow]:
    """Rows for prompts whose file cannot be placed, files without a prompt, and mistakes in
    files."""
    for target, reason in scan.refusals:
        yield _refused(target, reason)
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
    context: MappingContext, observation: ProposalObservation, planned: ProposalPlan, *, diff: bool
) -> Iterator[DriftRow]:
    for target, reason in observation.refusals:
        yield _refused(target, reason)
    action, address = _action(observation, planned)
    yield from _proposed(observation, planned, action, address, diff=diff)
    ahead = [
        each
        for each in observation.target_diffs
        if each.comparison.status is DriftStatus.REPOSITORY_AHEAD
    ]
    leaking = find_secrets_in_files(context.mapping, observation.pending_publications)
    for each in ahead:
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


def _refused(target: Target, reason: str) -> DriftRow:
    return DriftRow(
        target.mapping, str(target.prompt_id), target.label, "", "left out", f"skip: {reason}"
    )


def _proposed(
    observation: ProposalObservation,
    planned: ProposalPlan,
    action: str,
    address: str | None,
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
            action,
            address,
            _diff(edit) if diff else "",
        )


def _ahead(
    observation: ProposalObservation, target_diff: TargetDiff, leaking: Mapping[str, str]
) -> DriftRow:
    """The action for a file that differs from PromptLayer."""
    file = target_diff.file
    named = file.prompt if file and file.prompt else target_diff.held
    leak = leaking.get(file.path) if file else None
    return DriftRow(
        observation.proposal.mapping,
        named.name if named else observation.proposal.branch,
        target_diff.target.label,
        file.path if file else "",
        target_diff.comparison.reason,
        f"skip: {leak}" if leak else _publishing(target_diff),
    )


def _publishing(target_diff: TargetDiff) -> str:
    if target_diff.file is None:
        return "nothing"
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
