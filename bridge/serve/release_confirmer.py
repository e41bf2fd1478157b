"""Confirm the releases of mappings that serve, behind their reconciles, resyncs and pushes.

Requests are gathered by mapping, so that a hundred reconciles of one mapping are confirmed by one
reading of the base branch. A request that is lost with its process is made up for by the next
resync.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bridge.errors import BridgeError, TransientError
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import BaseFiles
from bridge.reconcile.scan_mapping import MappingScan
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot
from bridge.serve.confirm_merged import MergedReleaseConfirmer
from bridge.serve.confirm_platform import PlatformReleaseConfirmer
from bridge.serve.confirmation_request import ConfirmationRequest, build_scan_request
from bridge.serve.fetch_answers import read_snippets
from bridge.serve.release_batch import ReleaseBatch
from bridge.serve.release_replica import ReleaseReplica
from bridge.serve.release_store import KEPT_COMMITS
from bridge.storage.backoff import compute_backoff_delay
from bridge.storage.inbox import Clock

log = logging.getLogger("bridge.serve")

_FIRST_COMMITS = 100  # of the base branch that count as served together with the first one


@dataclass
class _PendingConfirmation:
    request: ConfirmationRequest
    due: float = 0.0  # by the monotonic clock
    attempt: int = 0


class ReleaseConfirmer:
    """Takes requests from any thread, and confirms in the thread that calls ``confirm_pending``.
    ``find_contexts`` gives the mappings in force."""

    def __init__(
        self,
        find_contexts: Callable[[], Mapping[str, MappingContext]],
        index: PromptFileIndex,
        replica: ReleaseReplica,
        clock: Clock,
    ) -> None:
        self.replica = replica
        self._find_contexts = find_contexts
        self._index = index
        self._clock = clock
        self._pending: dict[str, _PendingConfirmation] = {}
        self._changed = threading.Condition()

    def request_targets(
        self, mapping: str, targets: Collection[Target] = (), *, is_complete: bool = False
    ) -> None:
        """Confirm a mapping, and check again what is in doubt of these targets."""
        self._add(mapping, ConfirmationRequest(frozenset(targets), is_complete=is_complete))

    def request_scan(self, mapping: str, scan: MappingScan) -> None:
        """Confirm a mapping from the result of its scan."""
        self._add(mapping, build_scan_request(scan))

    def wait_until_due(self, seconds: float) -> None:
        """Wait until a confirmation is due, for ``seconds`` at most."""
        with self._changed:
            if not self._is_due():
                self._changed.wait(min(seconds, self._find_pause(seconds)))

    def confirm_pending(self) -> None:
        """Confirm every mapping for which that is due."""
        while (taken := self._take_due()) is not None:
            name, pending = taken
            context = self._find_contexts().get(name)
            if context is None or context.mapping.serve == "off":
                continue
            try:
                again = self._confirm(context, pending.request)
            except TransientError as error:
                log.warning("the releases of %s are confirmed later: %s", name, error)
                self._try_again(name, pending, pending.request, error.retry_after)
            except BridgeError as error:
                log.error("the releases of %s are not confirmed: %s", name, error)
            else:
                if again is not None:
                    self._try_again(name, pending, again)

    def _take_due(self) -> tuple[str, _PendingConfirmation] | None:
        with self._changed:
            for name, pending in self._pending.items():
                if pending.due <= time.monotonic():
                    return name, self._pending.pop(name)
        return None

    def _add(self, mapping: str, request: ConfirmationRequest) -> None:
        context = self._find_contexts().get(mapping)
        if context is None or context.mapping.serve == "off":
            return
        with self._changed:
            pending = self._pending.get(mapping)
            merged = pending.request.merge(request) if pending else request
            self._pending[mapping] = _PendingConfirmation(merged)
            self._changed.notify_all()

    def _try_again(
        self,
        mapping: str,
        pending: _PendingConfirmation,
        request: ConfirmationRequest,
        after: float | None = None,
    ) -> None:
        attempt = pending.attempt + 1
        due = time.monotonic() + compute_backoff_delay(attempt, after)
        with self._changed:
            newer = self._pending.get(mapping)
            if newer is None:
                self._pending[mapping] = _PendingConfirmation(request, due, attempt)
            else:
                newer.request = request.merge(newer.request)

    def _is_due(self) -> bool:
        return any(each.due <= time.monotonic() for each in self._pending.values())

    def _find_pause(self, longest: float) -> float:
        dues = [each.due - time.monotonic() for each in self._pending.values()]
        return max(0.0, min(dues, default=longest))

    def _confirm(
        self, context: MappingContext, request: ConfirmationRequest
    ) -> ConfirmationRequest | None:
        """Returns what to request once more, None for nothing."""
        name = context.mapping.name
        seen = self.replica.refresh()
        snapshot = context.fetch()
        batch = ReleaseBatch(context, self.replica, self._clock(), seen)
        before = {key: record.release.version for key, record in batch.records.items()}
        confirmer: MergedReleaseConfirmer | PlatformReleaseConfirmer
        if context.mapping.serve == "merged":
            base = BaseFiles.read_at_commit(context, snapshot, snapshot.commit, self._index)
            confirmer = MergedReleaseConfirmer(context, base, request, batch)
        else:
            confirmer = PlatformReleaseConfirmer(context, request, batch)
        try:
            confirmer.confirm()
        finally:
            batch.save()  # what was found until then is true all the same
        after = {key: record.release.version for key, record in batch.records.items()}
        if before != after:
            self._request_snippet_users(context)
        if batch.refused:
            return request
        if not confirmer.doubtful:
            self._note_commit(name, snapshot, seen)
        if confirmer.unanswered:
            return ConfirmationRequest(frozenset(confirmer.unanswered))
        return None

    def _request_snippet_users(self, context: MappingContext) -> None:
        """Other mappings of the workspace may have prompts that use what changed."""
        answers = self.replica.index.snapshot.answers.items()
        source = context.mapping.source
        if not any(key.source == source and read_snippets(answer) for key, answer in answers):
            return
        for name, other in self._find_contexts().items():
            if name != context.mapping.name and other.mapping.source == source:
                self._add(name, ConfirmationRequest())

    def _note_commit(self, mapping: str, snapshot: RepositorySnapshot, seen: int) -> None:
        """Note that the mapping is served whole as of a commit."""
        known = self.replica.index.snapshot.commits.get(mapping, ())
        newest = known[-1].commit if known else None
        if newest == snapshot.commit:
            return
        limit = KEPT_COMMITS if known else _FIRST_COMMITS
        line = snapshot.read_history(
            snapshot.commit, lambda commit: commit.object_id == newest, limit
        )
        names = [commit.object_id for commit in reversed(line)]
        is_next = names[0] == newest
        self.replica.store.save_commits(
            mapping, names[1:] if is_next else names, seen, rewritten=not is_next
        )
        self.replica.refresh()
