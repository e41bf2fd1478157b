"""Handle a push to the base branch: find the targets that it changed, and request their reconciles."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.prompts.target import Proposal
from bridge.reconcile.delete_prompts import delete_removed_prompts, find_removed_prompts
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.push_changes import PushChanges, find_push_changes
from bridge.reconcile.read_sources import BaseFiles
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.status.problems import ProblemKind, group_by_subject

log = logging.getLogger("bridge.worker")


@dataclass(frozen=True)
class PushArgument:
    """The argument of a PUSH job: the branch, and the commit before the push."""

    branch: str
    before: str  # the commit before; "" where the event names none

    @classmethod
    def parse(cls, text: str) -> PushArgument:
        branch, _, before = text.partition(" ")
        return cls(branch, before)


def read_push_changes(context: MappingContext, index: PromptFileIndex, before: str) -> PushChanges:
    """The changes of the base branch since a commit. Raises StaleStateError where the forge no longer
    has that commit."""
    snapshot = context.fetch()
    return find_push_changes(context, index, snapshot, before, snapshot.commit)


def _delete(context: MappingContext, push_changes: PushChanges, index: PromptFileIndex) -> None:
    """Delete the prompts whose files a push deleted. Where one of its files cannot be read, delete
    none: that file may be the one that seems deleted."""
    name = context.mapping.name
    if push_changes.mistakes:
        log.error("%s: no prompt is deleted, as files cannot be read", name)
        return
    base_files = BaseFiles.read_at_commit(
        context, push_changes.snapshot, push_changes.snapshot.commit, index
    )
    removed = find_removed_prompts(context, base_files, push_changes.deleted_targets)
    for deletion in delete_removed_prompts(context, removed):
        log.info("%s: %s", name, deletion.text)


def record_push_changes(
    store: ReconcileStore,
    context: MappingContext,
    push_changes: PushChanges,
    index: PromptFileIndex,
) -> list[Proposal]:
    """Request reconciles of the targets that a push changed, and record the mistakes in its files.
    Where ``on_delete`` says so, delete the prompts of deleted files in PromptLayer. Returns the
    proposals to reconcile."""
    name = context.mapping.name
    if context.mapping.on_delete == "delete" and push_changes.deleted_targets:
        _delete(context, push_changes, index)
    store.problems.replace(
        name, ProblemKind.FILE, group_by_subject(push_changes.mistakes), push_changes.paths
    )
    requests = [
        ReconcileRequest(context.build_proposal(name, target), target, name=name)
        for target, name in push_changes.targets.items()
    ]
    store.request(requests)
    return sorted({request.proposal for request in requests})
