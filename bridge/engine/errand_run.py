"""Run one errand: follow a push, or review somebody's pull request. Its delivery says what came of
it, and is not done before the errand is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bridge.engine.errands import Errand, ErrandKind
from bridge.engine.failures import describe_exception
from bridge.engine.pushes import Push, follow_push, note_followed
from bridge.engine.resync import ResyncRunner
from bridge.engine.worker import Worker
from bridge.errors import BridgeError, Stale, Transient
from bridge.prompts.target import Proposal
from bridge.steps.review import review
from bridge.steps.site import Site
from bridge.storage.restraint import growing_pause

log = logging.getLogger("bridge.worker")

Enqueue = Callable[[Proposal], None]


@dataclass(frozen=True)
class ErrandRun:
    worker: Worker
    errand: Errand
    occasion: str  # of the delivery
    attempt: int = 0  # how often it was tried before

    def run(self, enqueue: Enqueue) -> float | None:
        """Returns after how many seconds to try again, None when it is over."""
        errand, records = self.errand, self.worker.ledger.errands
        site = self.worker.sites.get(errand.mapping)
        if site is None:  # another process may have heard of it sooner
            words = f"no mapping {errand.mapping} is known here"
            records.postpone(errand, self.occasion, words)
            return None
        try:
            again = self._carry_out(site, enqueue)
        except Transient as error:
            log.warning("%s of %s waits: %s", errand.kind, errand.mapping, error)
            records.postpone(errand, self.occasion, str(error))
            return growing_pause(self.attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("%s of %s: %s", errand.kind, errand.mapping, error)
            records.settle(errand, self.occasion, str(error))
            return None
        except Exception as error:  # a mistake of ours must not lose the errand
            return self._fail(error)
        self.worker.failures.mend(errand.mapping, errand.kind)
        if again is None:
            records.settle(errand, self.occasion)
        return again

    def abandon(self) -> None:
        """Nobody knows the errand's mapping any more."""
        words = f"There is no mapping {self.errand.mapping} any more."
        self.worker.ledger.errands.settle(self.errand, self.occasion, words)

    def _fail(self, error: Exception) -> float | None:
        errand, records = self.errand, self.worker.ledger.errands
        again = self.worker.failures.record(errand.mapping, errand.kind, error)
        note = records.settle if again is None else records.postpone
        note(errand, self.occasion, describe_exception(error))
        return again

    def _carry_out(self, site: Site, enqueue: Enqueue) -> float | None:
        worker, errand = self.worker, self.errand
        if errand.kind is ErrandKind.REVIEW:
            review(site, worker.index, int(errand.about), worker.clock())
            return None
        push = Push.of(errand.about)
        if push.branch != site.base:
            return None
        try:
            found = follow_push(site, worker.index, push.before) if push.before else None
        except Stale:  # the commit before is not to be had
            found = None
        if found is None:
            return ResyncRunner(worker).resync(errand.mapping, enqueue, attempt=self.attempt)
        ResyncRunner(worker).create_prompts(site, found)
        for proposal in note_followed(worker.ledger, site, found, worker.index):
            enqueue(proposal)
        return None
