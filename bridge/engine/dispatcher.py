"""Turn deliveries into what they ask for: looks at proposals, and errands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.arrivals import moments_of
from bridge.engine.dispatch import asks_of
from bridge.engine.errands import Errand, decided, errands_of
from bridge.engine.errands import occasion_of as errand_occasion
from bridge.engine.ledger import Ask
from bridge.engine.worker import Worker
from bridge.prompts.target import Proposal
from bridge.steps.site import Site
from bridge.storage.forge_delivery import forge_of
from bridge.storage.inbox import Delivery, DeliveryState
from bridge.telemetry.trail import step

log = logging.getLogger("bridge.worker")

Send = Callable[[Errand, str], None]  # an errand, and its occasion

_DISPATCH_AT_ONCE = 200  # within half a minute, or the database takes the turn away
_PASSED_OVER = timedelta(minutes=5)  # how long ago one may have passed over what another follows


@dataclass(frozen=True)
class Dispatcher:
    worker: Worker

    def dispatch_deliveries(self, enqueue: Callable[[Proposal], None], send: Send) -> int:
        """Turn new deliveries into looks and errands; returns how many deliveries there were.
        They stay new until these are enqueued, so a crash in between only repeats this."""
        fresh, sites = (
            self.worker.failures.due(self.worker.inbox.fresh(_DISPATCH_AT_ONCE)),
            self.worker.sites,
        )
        sent = self.worker.failures.read_each(fresh, lambda delivery: errands_of(delivery, sites))
        wanted = (delivery for delivery in fresh if not sent.get(delivery.id, True))
        asks = self.worker.failures.read_each(wanted, lambda delivery: self._asks(delivery, sites))
        fresh = [d for d in fresh if sent.get(d.id) or d.id in asks]
        self.worker.ledger.errands.ask(sent, fresh)
        for delivery in fresh:
            for errand in sent[delivery.id]:
                with step("dispatch", delivery=delivery.id, mapping=errand.mapping):
                    send(errand, errand_occasion(delivery))
                    words = "delivery %s asks %s to %s"
                    log.info(words, delivery.id[:12], errand.mapping, errand.kind)
        self.worker.ledger.errands.dispatched([id for id, some in sent.items() if some])
        told = moments_of(fresh, asks, sites, self.worker.ledger.standings)
        self.worker.ledger.ask((ask for some in asks.values() for ask in some), told)
        for proposal in sorted({ask.proposal for some in asks.values() for ask in some}):
            enqueue(proposal)
        if asking := [id for id, some in asks.items() if some]:
            self.worker.ledger.dispatched(asking)
        of_forges = {delivery.id for delivery in fresh if forge_of(delivery) is not None}
        nobody = {id for id, some in asks.items() if not some}
        self._mark(nobody & of_forges, DeliveryState.IGNORED, "nothing to do for any mapping")
        words = "no mapping follows this prompt or label"
        self._mark(nobody - of_forges, DeliveryState.IGNORED, words)
        return len(fresh)

    def _asks(self, delivery: Delivery, sites: Mapping[str, Site]) -> tuple[Ask, ...]:
        """The looks that a delivery asks for; the books know the targets of a decided proposal."""
        with step("dispatch", delivery=delivery.id):
            asks = asks_of(delivery, sites) or tuple(
                Ask(proposal, target, delivery.id)
                for proposal in decided(delivery, sites)
                for target in self.worker.ledger.targets_of(proposal)
            )
            for proposal in sorted({ask.proposal for ask in asks}):
                log.info("delivery %s asks for a look at %s", delivery.id[:12], proposal.branch)
            return asks

    def redispatch_ignored(self) -> int:
        """Make new again what was taken for nobody's a while ago, by a process that did not know
        the mapping that follows it; returns how many deliveries there were."""
        sites, recent = (
            self.worker.sites,
            self.worker.inbox.passed_over(self.worker.clock() - _PASSED_OVER),
        )
        followed = [d.id for d in recent if asks_of(d, sites) or errands_of(d, sites)]
        if not followed:
            return 0
        log.info("%d deliveries that another process passed over are followed here", len(followed))
        return self.worker.inbox.set_state(
            followed, DeliveryState.NEW, only_from=[DeliveryState.IGNORED]
        )

    def _mark(self, ids: Collection[str], state: DeliveryState, outcome: str | None = None) -> None:
        if ids:
            self.worker.inbox.set_state(ids, state, outcome, only_from=[DeliveryState.NEW])
