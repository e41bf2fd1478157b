"""Sweep a mapping: scan it for what webhooks lost, and ask for looks at what differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.books.problems import ProblemKind
from bridge.engine.comparing import Compared, take_in
from bridge.engine.worker import Worker
from bridge.errors import BridgeError, Transient
from bridge.prompts.target import Proposal
from bridge.steps.agreement_record import AgreementRecord
from bridge.steps.following import Followed
from bridge.steps.publish import Result, agreements_of, publish_all, told
from bridge.steps.scan import Scan, scan
from bridge.steps.site import Site
from bridge.storage.restraint import growing_pause

log = logging.getLogger("bridge.worker")

SWEEP = "sweep"  # what failed, where a sweep did
_LISTED_TOGETHER = timedelta(minutes=1)  # what was saved since has an event, and another sweep


@dataclass(frozen=True)
class ResyncRunner:
    worker: Worker

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
        site = self.worker.sites.get(mapping)
        if site is None:
            return None
        together = with_others and self._follows_with_others(site)
        age = _LISTED_TOGETHER if together else timedelta()
        started = self.worker.clock()
        try:
            if self.worker.budgets:
                self.worker.budgets.spare(site.mapping.forge)
            found = scan(site, self.worker.index, age=age.total_seconds())
            self.create_prompts(site, found)
            proposals = self.record_scan(site, found, started, age)
            admitted = self.worker.room.admit(site, ask=True)
            site.mirror.tidy()
        except Transient as error:
            log.warning("sweep of %s waits: %s", mapping, error)
            self.worker.ledger.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return growing_pause(attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("sweep of %s: %s", mapping, error)
            self.worker.ledger.problems.replace(mapping, ProblemKind.SWEEP, {SWEEP: str(error)})
            return None
        except Exception as error:  # a mistake of ours must not stop the others
            return self.worker.failures.record(mapping, SWEEP, error)
        self.worker.ledger.problems.replace(mapping, ProblemKind.SWEEP, {})
        self.worker.failures.mend(mapping, SWEEP)
        for target, reason in found.refusals:
            log.warning("sweep of %s: prompt %s is left out: %s", mapping, target.prompt_id, reason)
        for proposal in (*proposals, *admitted):
            enqueue(proposal)
        log.info("sweep of %s: %d in step, %d to look at", mapping, found.in_step, len(proposals))
        return None

    def _follows_with_others(self, site: Site) -> bool:
        """Whether other mappings follow the same workspace."""
        return sum(other.platform is site.platform for other in self.worker.sites.values()) > 1

    def record_scan(
        self, site: Site, found: Scan, started: datetime, age: timedelta = timedelta()
    ) -> tuple[Proposal, ...]:
        """Note what a scan found; returns the proposals to look at. ``site`` is the one that was
        scanned: its settings may have been replaced since, and what they followed is no word on
        what the new ones follow. ``age`` is how old the list pages may have been."""
        AgreementRecord(site, found.snapshot).write(found.agreements, self.worker.clock())
        return take_in(
            self.worker.ledger, Compared(site.mapping, found, started, self.worker.clock(), age)
        )

    def create_prompts(self, site: Site, found: Scan | Followed) -> list[Result]:
        """Make prompts of files without an id, where the mapping publishes; the next scan brings
        the ids into the files."""
        new = found.new if site.mapping.publish else ()
        results = publish_all(site, found.snapshot, new)
        agreements = agreements_of(site, found.snapshot, results)
        AgreementRecord(site, found.snapshot).write(agreements, self.worker.clock())
        for result in results:
            log.info("%s: %s", site.mapping.name, told(result))
        for mistake in found.mistakes:
            log.error("%s: %s", site.mapping.name, mistake)
        for orphan in found.orphans:
            log.warning("%s: %s", site.mapping.name, orphan)
        return results
