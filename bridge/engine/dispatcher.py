"""Take new deliveries out of the inbox, and enqueue the work that each asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.delivery_history import build_delivery_history
from bridge.engine.dispatch_events import build_reconcile_requests, parse_prompt_event
from bridge.engine.evaluation_requests import RUN_EVENTS, build_evaluation_jobs
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.repository_jobs import (
    ForgeEventMatch,
    RepositoryJob,
    build_deduplication_key,
    build_repository_jobs,
    find_proposals_of_pull_request,
    match_forge_event,
    may_be_own_push,
)
from bridge.forge.forge_webhooks import PullRequestEvent
from bridge.promptlayer.webhook_events import PromptEvent
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.status.history_events import index_by_event_id
from bridge.status.target_status import IdentifiedEvent
from bridge.storage.forge_delivery import find_forge_name
from bridge.storage.inbox import Delivery, DeliveryState
from bridge.telemetry.log_context import span

log = logging.getLogger("bridge.worker")

EnqueueJob = Callable[[RepositoryJob, str], None]  # a job, and its deduplication key

# PostgreSQL ends a session that idles in a transaction for 30 seconds, and the dispatch lock with it.
_DISPATCH_AT_ONCE = 200
_IGNORED_WITHIN = timedelta(minutes=5)  # age up to which an ignored delivery is read again


@dataclass(frozen=True)
class DispatchPlan:
    """The work that one delivery asks for, and the history events that it adds."""

    jobs: tuple[RepositoryJob, ...]
    requests: tuple[ReconcileRequest, ...]  # none where there are jobs
    history: tuple[IdentifiedEvent, ...]


@dataclass(frozen=True)
class Dispatcher:
    controller: BridgeController

    def dispatch_deliveries(self, enqueue: Callable[[Proposal], None], send: EnqueueJob) -> int:
        """Enqueue the reconciles and jobs that new deliveries ask for; returns how many deliveries
        there were. They stay new until their work is enqueued, so a crash in between only repeats
        this."""
        contexts, failures = self.controller.contexts, self.controller.failures
        due = failures.select_due(self.controller.inbox.find_new(_DISPATCH_AT_ONCE))
        plans = failures.read_each(due, lambda delivery: self._plan(delivery, contexts))
        deliveries = [delivery for delivery in due if delivery.id in plans]
        self._send_jobs(deliveries, plans, send)
        self._request_reconciles(plans, enqueue)
        self._ignore_unfollowed(deliveries, plans)
        return len(deliveries)

    def _plan(self, delivery: Delivery, contexts: Mapping[str, MappingContext]) -> DispatchPlan:
        prompt_event = parse_prompt_event(delivery)
        match = match_forge_event(delivery, contexts)
        jobs = build_repository_jobs(match) or build_evaluation_jobs(
            delivery, contexts, self.controller.store.evaluations
        )
        requests = () if jobs else self._build_requests(delivery, prompt_event, match, contexts)
        statuses = self.controller.store.target_statuses
        history = build_delivery_history(delivery, prompt_event, match, requests, statuses)
        return DispatchPlan(jobs, requests, tuple(history))

    def _build_requests(
        self,
        delivery: Delivery,
        prompt_event: PromptEvent | None,
        match: ForgeEventMatch | None,
        contexts: Mapping[str, MappingContext],
    ) -> tuple[ReconcileRequest, ...]:
        """The reconciles that a delivery asks for. A decided pull request carries the targets that
        were reconciled for its proposal before."""
        with span("dispatch", delivery=delivery.id):
            requests = build_reconcile_requests(delivery, prompt_event, contexts) or tuple(
                ReconcileRequest(proposal, target, delivery.id)
                for proposal in find_proposals_of_pull_request(match)
                if not self._is_own_push(match, proposal)
                for target in self.controller.store.find_targets(proposal)
            )
            for proposal in sorted({request.proposal for request in requests}):
                log.info("delivery %s asks for a look at %s", delivery.id[:12], proposal.branch)
            return requests

    def _is_own_push(self, match: ForgeEventMatch | None, proposal: Proposal) -> bool:
        """Whether the event only says that a proposal's branch is at the commit where the bridge
        itself left it."""
        if match is None or not isinstance(match.event, PullRequestEvent):
            return False
        event = match.event
        return may_be_own_push(event) and event.head_commit == self.controller.store.find_commit(
            proposal
        )

    def _send_jobs(
        self, deliveries: Sequence[Delivery], plans: Mapping[str, DispatchPlan], send: EnqueueJob
    ) -> None:
        store = self.controller.store.repository_jobs
        store.request({id: plan.jobs for id, plan in plans.items()}, deliveries)
        for delivery in deliveries:
            for job in plans[delivery.id].jobs:
                with span("dispatch", delivery=delivery.id, mapping=job.mapping):
                    send(job, build_deduplication_key(delivery))
                    log.info("delivery %s asks %s to %s", delivery.id[:12], job.mapping, job.kind)
        store.mark_dispatched([id for id, plan in plans.items() if plan.jobs])

    def _request_reconciles(
        self, plans: Mapping[str, DispatchPlan], enqueue: Callable[[Proposal], None]
    ) -> None:
        requests = [request for plan in plans.values() for request in plan.requests]
        history = index_by_event_id(event for plan in plans.values() for event in plan.history)
        self.controller.store.request(requests, history)
        for proposal in sorted({request.proposal for request in requests}):
            enqueue(proposal)
        if requesting := [id for id, plan in plans.items() if plan.requests]:
            self.controller.store.mark_dispatched(requesting)

    def _ignore_unfollowed(
        self, deliveries: Sequence[Delivery], plans: Mapping[str, DispatchPlan]
    ) -> None:
        """Mark as ignored the deliveries that ask for no work."""
        without_work = [
            delivery
            for delivery in deliveries
            if not (plans[delivery.id].jobs or plans[delivery.id].requests)
        ]
        from_forges = {one.id for one in without_work if find_forge_name(one) is not None}
        self._mark_ignored(from_forges, "nothing to do for any mapping")
        from_runs = {one.id for one in without_work if one.event_type in RUN_EVENTS}
        self._mark_ignored(from_runs, "no run of the bridge waits for it")
        others = {one.id for one in without_work} - from_forges - from_runs
        self._mark_ignored(others, "no mapping follows this prompt or label")

    def _mark_ignored(self, ids: Collection[str], outcome: str) -> None:
        if ids:
            self.controller.inbox.set_state(
                ids, DeliveryState.IGNORED, outcome, only_from=[DeliveryState.NEW]
            )

    def redispatch_ignored(self) -> int:
        """Make recent deliveries new again that a mapping of this process follows, and that another
        process ignored because it did not know the mapping yet; returns how many there were."""
        contexts = self.controller.contexts
        recent = self.controller.inbox.find_ignored_since(self.controller.clock() - _IGNORED_WITHIN)
        followed = [
            delivery.id
            for delivery in recent
            if build_reconcile_requests(delivery, parse_prompt_event(delivery), contexts)
            or build_repository_jobs(match_forge_event(delivery, contexts))
        ]
        if not followed:
            return 0
        log.info("%d deliveries that another process passed over are followed here", len(followed))
        return self.controller.inbox.set_state(
            followed, DeliveryState.NEW, only_from=[DeliveryState.IGNORED]
        )
