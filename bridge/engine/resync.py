"""Sweep a mapping: scan it for what webhooks lost, and ask for looks at what differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.record_scan import ScanRun, record_scan
from bridge.errors import BridgeError, TransientError
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

SWEEP = "sweep"  # what failed, where a sweep did
_LISTED_TOGETHER = timedelta(minutes=1)  # what was saved since has an event, and another sweep


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
        """Look for what webhooks lost. Returns after how many seconds to try again, None when
        the sweep was done. Those of an occasion (``with_others``) share what they list."""
        context = self.controller.contexts.get(mapping)
        if context is None:
            return None
        together = with_others and self._follows_with_others(context)
        age = _LISTED_TOGETHER if together else timedelta()
        started = self.controller.clock()
        try:
            if self.controller.rate_limits:
                self.controller.rate_limits.require_spare(context.mapping.forge_name)
            found = scan_mapping(context, self.controller.file_index, age=age.total_seconds())
            self.create_prompts(context, found)
            if context.mapping.on_delete == "delete":
                self._follow_deletions(context, found)
            proposals = self.record_scan(context, found, started, age)
            admitted = self.controller.quota.admit(context, ask=True)
            context.mirror.collect_garbage()
        except TransientError as error:
            log.warning("sweep of %s waits: %s", mapping, error)
            self.controller.store.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return compute_backoff_delay(attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("sweep of %s: %s", mapping, error)
            self.controller.store.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return None
        except Exception as error:  # a mistake of ours must not stop the others
            return self.controller.failures.record(mapping, SWEEP, error)
        self.controller.store.problems.replace(mapping, ProblemKind.SWEEP, {})
        self.controller.failures.mend(mapping, SWEEP)
        for target, reason in found.refusals:
            log.warning("sweep of %s: prompt %s is left out: %s", mapping, target.prompt_id, reason)
        for proposal in (*proposals, *admitted):
            enqueue(proposal)
        log.info(
            "sweep of %s: %d in step, %d to look at", mapping, found.in_step_count, len(proposals)
        )
        return None

    def _follow_deletions(self, context: MappingContext, scan: MappingScan) -> None:
        """Delete the prompts of deleted files that no push told of."""
        missed = MissedDeletions(context, scan.snapshot, self.controller.file_index)
        for deletion in missed.process(self.controller.clock()):
            log.info("%s: %s", context.mapping.name, deletion.text)

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
    ) -> tuple[Proposal, ...]:
        """Note what a scan found; returns the proposals to look at. ``context`` is the one that was
        scanned: its settings may have been replaced since, and what they followed is no word on
        what the new ones follow. ``age`` is how old the list pages may have been."""
        AgreementRecord(context, scan.snapshot).write(scan.agreements, self.controller.clock())
        return record_scan(
            self.controller.store,
            ScanRun(context.mapping, scan, started, self.controller.clock(), age),
        )

    def create_prompts(
        self, context: MappingContext, scan: MappingScan | PushChanges
    ) -> list[PublishResult]:
        """Make prompts of files without an id, where the mapping publishes; the next scan brings
        the ids into the files."""
        new = scan.new_prompts if context.mapping.publish else ()
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
