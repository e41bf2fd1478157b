"""Follow a push to the base branch: look at what it changed."""

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
class Push:
    """What an errand to follow is about."""

    branch: str
    before: str  # the commit before; "" where the event names none

    @classmethod
    def of(cls, about: str) -> Push:
        branch, _, before = about.partition(" ")
        return cls(branch, before)


def follow_push(context: MappingContext, index: PromptFileIndex, before: str) -> PushChanges:
    """What was pushed since a commit. Raises StaleStateError when that commit is not to be had any
    more."""
    snapshot = context.fetch()
    return find_push_changes(context, index, snapshot, before, snapshot.commit)


def _delete(context: MappingContext, push_changes: PushChanges, index: PromptFileIndex) -> None:
    """Delete the prompts whose files a push deleted, unless one of its files cannot be read: that
    may be the one that seems to be deleted."""
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


def note_followed(
    store: ReconcileStore,
    context: MappingContext,
    push_changes: PushChanges,
    index: PromptFileIndex,
) -> list[Proposal]:
    """Ask for looks at what a push changed, and note the mistakes that it brought or mended;
    prompts of deleted files are deleted in PromptLayer where the mapping says so. Returns the
    proposals to look at."""
    name = context.mapping.name
    if context.mapping.on_delete == "delete" and push_changes.deleted_targets:
        _delete(context, push_changes, index)
    store.problems.replace(
        name, ProblemKind.FILE, group_by_subject(push_changes.mistakes), push_changes.paths
    )
    asks = [
        ReconcileRequest(context.build_proposal(name, target), target, name=name)
        for target, name in push_changes.targets.items()
    ]
    store.request(asks)
    return sorted({ask.proposal for ask in asks})
