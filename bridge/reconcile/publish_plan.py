"""Plan what ``publish`` does for a mapping: diff every target that differs, with the same
comparison as a proposal. Changes no pull request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.prompts.agreement import Agreement
from bridge.prompts.planning.publication import NewPromptFile, PromptPublication
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.pull_request.metadata import parse_metadata
from bridge.prompts.target import Target
from bridge.reconcile.diff_targets import TargetDiffer
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.new_files import OrphanFile
from bridge.reconcile.proposal_history import ForgeProposalHistory
from bridge.reconcile.read_sources import BaseFiles, choose_platform_reader
from bridge.reconcile.scan_mapping import scan_mapping
from bridge.reconcile.secret_guard import find_secrets_in_files
from bridge.reconcile.target_diff import TargetDiff, find_agreements
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot


@dataclass(frozen=True)
class PublishPlan:
    context: MappingContext
    snapshot: RepositorySnapshot
    publications: tuple[PromptPublication, ...]
    new_prompts: tuple[NewPromptFile, ...]
    diverged_targets: tuple[
        TargetDiff, ...
    ]  # edited on both sides: a proposal has to say what goes
    targets_without_id_in_file: tuple[
        TargetDiff, ...
    ]  # made in PromptLayer, and their files do not say so yet
    refusals: tuple[tuple[Target, str], ...]
    mistakes: tuple[str, ...]  # in files, with path and line
    orphans: tuple[OrphanFile, ...]
    gone: tuple[TargetDiff, ...]  # PromptLayer has them no longer, and their files are still there
    behind: tuple[TargetDiff, ...]  # PromptLayer has something newer, which is proposed
    agreements: Mapping[Target, Agreement]  # of what both sides say the same about
    warnings: tuple[str, ...] = ()  # settings that take no prompt in

    @property
    def conflicting_targets(self) -> tuple[TargetDiff, ...]:
        """The targets whose edits overlap, so that a person has to decide."""
        return tuple(
            target_diff
            for target_diff in self.diverged_targets
            if target_diff.edit
            and (target_diff.edit.change.conflicts or target_diff.edit.change.is_overwriting)
        )


def plan_publish(
    context: MappingContext, index: PromptFileIndex, now: datetime, at: str | None = None
) -> PublishPlan:
    """Compare all that a mapping follows with its base branch, or with the commit ``at``."""
    found = scan_mapping(context, index, at)
    targets = tuple(sorted({each.target for each in found.candidates}))
    base_files = BaseFiles.read_at_commit(context, found.snapshot, found.snapshot.commit, index)
    adopted = _adopted(context) if targets else frozenset[int]()
    reconcile_context = ReconcileContext(
        targets, listed_prompts=found.listed_prompts, adopted_prompt_ids=adopted
    )
    differ = TargetDiffer(
        context,
        base_files,
        choose_platform_reader(context, targets, found.listed_prompts),
        None,
        reconcile_context,
        None,
        now,
        ForgeProposalHistory(context),
    )
    diffs, refusals = differ.diff_targets(targets)
    publications = tuple(s.publication for s in diffs if s.publication)
    leaking = find_secrets_in_files(context.mapping, (*publications, *found.new_prompts))
    readable = [each for each in diffs if each.target not in found.unreadable_targets]
    return PublishPlan(
        context=context,
        snapshot=found.snapshot,
        publications=tuple(one for one in publications if one.path not in leaking),
        new_prompts=tuple(one for one in found.new_prompts if one.path not in leaking),
        diverged_targets=tuple(each for each in readable if _is_met(each)),
        targets_without_id_in_file=tuple(each for each in readable if _is_unnamed(each)),
        refusals=(
            *found.refusals,
            *(each for each in refusals if each[0] not in found.unreadable_targets),
        ),
        mistakes=(*found.mistakes, *leaking.values()),
        orphans=found.orphans,
        gone=tuple(each for each in diffs if each.edit and each.edit.change.after is None),
        behind=tuple(each for each in readable if _is_behind(each)),
        agreements={**found.agreements, **find_agreements(diffs, found.snapshot.commit)},
        warnings=tuple(gap.message for gap in found.gaps),
    )


def _adopted(context: MappingContext) -> frozenset[int]:
    """Find the prompts of which an open pull request takes PromptLayer's text because a person
    chose it."""
    bodies_metadata = (
        parse_metadata(pull.body)
        for pull in context.forge.list_open_pull_requests(context.branch_prefix)
    )
    return frozenset(id for metadata in bodies_metadata if metadata for id in metadata.adopted)


def _is_met(target_diff: TargetDiff) -> bool:
    return target_diff.edit is not None and (
        target_diff.edit.change.is_merge or target_diff.edit.change.is_overwriting
    )


def _is_unnamed(target_diff: TargetDiff) -> bool:
    before = target_diff.edit.change.before if target_diff.edit else None
    return before is not None and before.id is None and not _is_met(target_diff)


def _is_behind(target_diff: TargetDiff) -> bool:
    if (
        target_diff.edit is None
        or target_diff.publication is not None
        or target_diff.edit.change.before is None
    ):
        return False
    return target_diff.edit.change.after is not None and not (
        _is_met(target_diff) or _is_unnamed(target_diff)
    )
