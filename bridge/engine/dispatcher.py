"""Turn deliveries into what they ask for: looks at proposals, and errands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.delivery_history import build_delivery_history
from bridge.engine.dispatch_events import build_reconcile_requests
from bridge.engine.evaluation_requests import RUN_EVENTS, build_evaluation_jobs
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.repository_jobs import (
    RepositoryJob,
    build_deduplication_key,
    build_repository_jobs,
    find_decided_proposals,
)
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.storage.forge_delivery import find_forge_name
from bridge.storage.inbox import Delivery, DeliveryState
from bridge.telemetry.log_context import span

log = logging.getLogger("bridge.worker")

EnqueueJob = Callable[[RepositoryJob, str], None]  # an errand, and its occasion

_DISPATCH_AT_ONCE = 200  # within half a minute, or the database takes the turn away
_PASSED_OVER = timedelta(minutes=5)  # how long ago one may have passed over what another follows


@dataclass(frozen=True)
class Dispatcher:
    controller: BridgeController

    def dispatch_deliveries(self, enqueue: Callable[[Proposal], None], send: EnqueueJob) -> int:
        """Turn new deliveries into looks and errands; returns how many deliveries there were.
        They stay new until these are enqueued, so a crash in between only repeats this."""
        fresh, contexts = (
            self.controller.failures.due(self.controller.inbox.find_new(_DISPATCH_AT_ONCE)),
            self.controller.contexts,
        )
        sent = self.controller.failures.read_each(
            fresh,
            lambda delivery: (
                build_repository_jobs(delivery, contexts)
                or build_evaluation_jobs(delivery, contexts, self.controller.store.evaluations)
            ),
        )
        wanted = (delivery for delivery in fresh if not sent.get(delivery.id, True))
        asks = self.controller.failures.read_each(
            wanted, lambda delivery: self._asks(delivery, contexts)
        )
        fresh = [d for d in fresh if sent.get(d.id) or d.id in asks]
        self.controller.store.errands.ask(sent, fresh)
        for delivery in fresh:
            for job in sent[delivery.id]:
                with span("dispatch", delivery=delivery.id, mapping=job.mapping):
                    send(job, build_deduplication_key(delivery))
                    words = "delivery %s asks %s to %s"
                    log.info(words, delivery.id[:12], job.mapping, job.kind)
        self.controller.store.errands.dispatched([id for id, some in sent.items() if some])
        told = build_delivery_history(fresh, asks, contexts, self.controller.store.target_statuses)
        self.controller.store.request((ask for some in asks.values() for ask in some), told)
        for proposal in sorted({ask.proposal for some in asks.values() for ask in some}):
            enqueue(proposal)
        if asking := [id for id, some in asks.items() if some]:
            self.controller.store.mark_dispatched(asking)
        of_forges = {delivery.id for delivery in fresh if find_forge_name(delivery) is not None}
        nobody = {id for id, some in asks.items() if not some}
        self._mark(nobody & of_forges, DeliveryState.IGNORED, "nothing to do for any mapping")
        of_runs = {delivery.id for delivery in fresh if delivery.event_type in RUN_EVENTS}
        words = "no run of the bridge waits for it"
        self._mark(nobody & of_runs, DeliveryState.IGNORED, words)
        words = "no mapping follows this prompt or label"
        self._mark(nobody - of_forges - of_runs, DeliveryState.IGNORED, words)
        return len(fresh)

    def _asks(
        self, delivery: Delivery, contexts: Mapping[str, MappingContext]
    ) -> tuple[ReconcileRequest, ...]:
        """The looks that a delivery asks for; the books know the targets of a decided proposal."""
        with span("dispatch", delivery=delivery.id):
            asks = build_reconcile_requests(delivery, contexts) or tuple(
                ReconcileRequest(proposal, target, delivery.id)
                for proposal in find_decided_proposals(delivery, contexts)
                for target in self.controller.store.find_targets(proposal)
            )
            for proposal in sorted({ask.proposal for ask in asks}):
                log.info("delivery %s asks for a look at %s", delivery.id[:12], proposal.branch)
            return asks

    def redispatch_ignored(self) -> int:
        """Make new again what was taken for nobody's a while ago, by a process that did not know
        the mapping that follows it; returns how many deliveries there were."""
        contexts, recent = (
            self.controller.contexts,
            self.controller.inbox.find_ignored_since(self.controller.clock() - _PASSED_OVER),
        )
        followed = [
            d.id
            for d in recent
            if build_reconcile_requests(d, contexts) or build_repository_jobs(d, contexts)
        ]
        if not followed:
            return 0
        log.info("%d deliveries that another process passed over are followed here", len(followed))
        return self.controller.inbox.set_state(
            followed, DeliveryState.NEW, only_from=[DeliveryState.IGNORED]
        )

    def _mark(self, ids: Collection[str], state: DeliveryState, outcome: str | None = None) -> None:
        if ids:
            self.controller.inbox.set_state(ids, state, outcome, only_from=[DeliveryState.NEW])
