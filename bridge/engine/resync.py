"""Resync a mapping (users call it a sweep): scan it for changes whose webhook was lost, and request a
reconcile for each target that differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.record_scan import ScanRecord, ScanRun, record_scan
from bridge.errors import BridgeError, TransientError
from bridge.prompts.pull_request.check_boxes import find_checked_actions
from bridge.prompts.target import Proposal
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.delete_prompts import MissedDeletions
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.publish_files import (
    PublishResult,
    build_published_agreements,
    describe_publish_result,
    publish_files,
)
from bridge.reconcile.push_changes import PushChanges
from bridge.reconcile.scan_mapping import MappingScan, scan_mapping
from bridge.status.problems import ProblemKind
from bridge.storage.backoff import compute_backoff_delay

log = logging.getLogger("bridge.worker")

SWEEP = "sweep"  # the subject of the problem, where a resync failed
# A prompt saved after the shared pages were read has its webhook, and the next resync.
_LISTED_TOGETHER = timedelta(minutes=1)


@dataclass(frozen=True)
class ResyncRunner:
    controller: BridgeController

    def resync(
        self,
        mapping: str,
        enqueue: Callable[[Proposal], None],
        *,
        with_others: bool = False,
        attempt: int = 0,
    ) -> float | None:
        """Compare the whole mapping. Returns after how many seconds to try again; None when it was
        compared, or cannot be before a person acts. ``with_others`` shares the list pages of a
        workspace with the other mappings that are compared at the same time."""
        context = self.controller.contexts.get(mapping)
        if context is None:
            return None
        together = with_others and self._follows_with_others(context)
        age = _LISTED_TOGETHER if together else timedelta()
        try:
            found, proposals = self._compare(context, age)
        except TransientError as error:
            log.warning("sweep of %s waits: %s", mapping, error)
            self.controller.store.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return compute_backoff_delay(attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("sweep of %s: %s", mapping, error)
            self.controller.store.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return None
        except Exception as error:  # a bug must not stop the other mappings
            return self.controller.failures.record(mapping, SWEEP, error)
        self.controller.store.problems.replace(mapping, ProblemKind.SWEEP, {})
        self._record_pause(context)
        self.controller.failures.resolve(mapping, SWEEP)
        if self.controller.release_confirmer is not None:
            self.controller.release_confirmer.request_scan(mapping, found)
        for target, reason in found.refusals:
            log.warning("sweep of %s: prompt %s is left out: %s", mapping, target.prompt_id, reason)
        for proposal in proposals:
            enqueue(proposal)
        log.info(
            "sweep of %s: %d in step, %d to look at", mapping, found.in_step_count, len(proposals)
        )
        return None

    def _compare(
        self, context: MappingContext, age: timedelta
    ) -> tuple[MappingScan, tuple[Proposal, ...]]:
        """Scan the mapping and record the result; returns it with the proposals to reconcile."""
        started = self.controller.clock()
        if self.controller.rate_limits:
            self.controller.rate_limits.require_spare(context.mapping.forge_name)
        found = scan_mapping(context, self.controller.file_index, age=age.total_seconds())
        self.create_prompts(context, found)
        if context.mapping.on_delete == "delete":
            self._process_missed_deletions(context, found)
        proposals = self.record_scan(context, found, started, age).proposals
        checked = self.request_checked_proposals(context)
        admitted = self.controller.quota.release_waiting_proposals(context, refresh=True)
        context.mirror.collect_garbage()
        return found, tuple(dict.fromkeys((*proposals, *checked, *admitted)))

    def _process_missed_deletions(self, context: MappingContext, scan: MappingScan) -> None:
        """Delete the prompts of deleted files whose push was missed."""
        missed = MissedDeletions(context, scan.snapshot, self.controller.file_index)
        for deletion in missed.process(self.controller.clock()):
            log.info("%s: %s", context.mapping.name, deletion.text)

    def _record_pause(self, context: MappingContext) -> None:
        """Record that the mapping is paused, or no longer."""
        settings = context.mapping
        found = {"pause": settings.explain_pause()} if settings.pause else {}
        self.controller.store.problems.replace(settings.name, ProblemKind.PAUSE, found)

    def _follows_with_others(self, context: MappingContext) -> bool:
        """Whether other mappings follow the same workspace."""
        return (
            sum(
                other.promptlayer is context.promptlayer
                for other in self.controller.contexts.values()
            )
            > 1
        )

    def record_scan(
        self,
        context: MappingContext,
        scan: MappingScan,
        started: datetime,
        age: timedelta = timedelta(),
    ) -> ScanRecord:
        """Record a scan. ``context`` is the one that was scanned, as the controller may have another
        one with other settings by now. ``age`` is how old the list pages may have been."""
        AgreementRecord(context, scan.snapshot).write(scan.agreements, self.controller.clock())
        return record_scan(
            self.controller.store,
            ScanRun(context.mapping, scan, started, self.controller.clock(), age),
        )

    def request_checked_proposals(self, context: MappingContext) -> list[Proposal]:
        """Request reconciles of the proposals in whose pull request a person checked a box, in case
        no webhook told it. The forge is asked only where a pull request is open."""
        name, store = context.mapping.name, self.controller.store
        if not store.target_statuses.has_open_pull_request(name):
            return []
        proposals = [
            Proposal(name, pull.head_branch)
            for pull in context.forge.list_open_pull_requests(context.branch_prefix)
            if find_checked_actions(pull.body)
        ]
        store.request(
            ReconcileRequest(proposal, target)
            for proposal in proposals
            for target in store.find_targets(proposal)
        )
        return proposals

    def create_prompts(
        self, context: MappingContext, scan: MappingScan | PushChanges
    ) -> list[PublishResult]:
        """Create the prompts of files without an id, where the mapping publishes and is not paused.
        The next scan writes the ids into the files."""
        may_create = context.mapping.publish and not context.mapping.pause
        new = scan.new_prompts if may_create else ()
        results = publish_files(context, scan.snapshot, new)
        agreements = build_published_agreements(context, scan.snapshot, results)
        AgreementRecord(context, scan.snapshot).write(agreements, self.controller.clock())
        for result in results:
            log.info("%s: %s", context.mapping.name, describe_publish_result(result))
        for mistake in scan.mistakes:
            log.error("%s: %s", context.mapping.name, mistake)
        for orphan in scan.orphans:
            log.warning("%s: %s", context.mapping.name, orphan)
        return results
