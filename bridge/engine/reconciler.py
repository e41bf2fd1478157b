"""Reconcile a proposal that has pending requests, and record the outcome."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.dispatch_events import build_trigger_event, find_decisive_event
from bridge.engine.evaluation_requests import request_evaluations
from bridge.engine.failures import describe_exception
from bridge.engine.pull_request_quota import PullRequestLimitError
from bridge.engine.reconcile_request_rows import PendingReconcile
from bridge.engine.unfollowed_targets import DEFAULT_OPTIONS, ReconcileOptions, extend_context
from bridge.errors import (
    BridgeError,
    RateLimitedError,
    TransientError,
    TransientRefusalError,
    UnavailableError,
)
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.reconcile_context import ReconcileContext, TriggerEvent
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext, ReconcileCallbacks
from bridge.reconcile.reconcile_proposal import reconcile_proposal
from bridge.storage.inbox import Delivery, DeliveryInbox
from bridge.storage.operator_delivery import parse_operator_request
from bridge.telemetry.log_context import span

log = logging.getLogger("bridge.worker")

_MOST_TRANSIENT_REFUSALS = 4  # in a row, half a minute together, before one parks
_UNKNOWN_MAPPING_PAUSE = 20.0  # seconds
PAUSED_MAPPING_DELAY = 300.0  # seconds; a reload that ends the pause does not wait for it
_MOST_LABEL_QUERIES = 50  # targets; a reconcile of more comes from a resync
_UNKNOWN_MAPPING_AGE = timedelta(minutes=2)  # after which an unknown mapping counts as removed


@dataclass(frozen=True)
class Reconciler:
    controller: BridgeController

    def reconcile(
        self,
        proposal: Proposal,
        listed: Mapping[Target, Prompt] | None = None,
        options: ReconcileOptions = DEFAULT_OPTIONS,
    ) -> float | None:
        """Reconcile one proposal if it has pending requests. Returns after how many seconds to try
        again; None when it is settled. ``listed`` are prompts that a scan has just read from the
        list pages, ``options`` the choices of the command that calls this."""
        waiting = self.controller.store.find_pending(proposal)
        if not waiting:
            return None
        with open_reconcile_span(proposal, waiting):
            context = self.controller.contexts.get(proposal.mapping)
            if context is None:
                return self._postpone_unknown_mapping(proposal, waiting)
            if paused := self._find_pause(context, proposal):
                seconds, reason = paused
                return self.controller.store.postpone_without_attempt(proposal, reason, seconds)
            return self._reconcile(context, proposal, waiting, listed or {}, options)

    def _postpone_unknown_mapping(
        self, proposal: Proposal, waiting: tuple[PendingReconcile, ...]
    ) -> float | None:
        """Wait for a mapping that this process does not know, as another may have read the new
        configuration sooner; park the proposal after two minutes."""
        if (
            self.controller.clock() - min(pending.requested_at for pending in waiting)
            > _UNKNOWN_MAPPING_AGE
        ):
            self._park(proposal, waiting, f"There is no mapping {proposal.mapping} any more.")
            return None
        reason = f"The process that looked knows no mapping {proposal.mapping}."
        return self.controller.store.postpone(proposal, reason, _UNKNOWN_MAPPING_PAUSE)

    def _find_pause(self, context: MappingContext, proposal: Proposal) -> tuple[float, str] | None:
        """The pause that holds for a proposal: of its mapping, of its repository, or of the mapping's
        new pull requests. In the latter no request is sent for it, as thousands may wait."""
        if context.mapping.pause:
            return PAUSED_MAPPING_DELAY, context.mapping.explain_pause()
        if paused := self.controller.backoff.find_pause(context.forge.repository):
            return paused
        latest = self.controller.store.find_latest_outcome(proposal)
        if latest is None or latest.kind is not ReconcileOutcomeKind.WAITING or latest.pull_request:
            return None
        return self.controller.quota.find_pause(proposal.mapping)

    def _reconcile(
        self,
        context: MappingContext,
        proposal: Proposal,
        waiting: tuple[PendingReconcile, ...],
        listed: Mapping[Target, Prompt],
        options: ReconcileOptions,
    ) -> float | None:
        try:
            reconcile_context = read_reconcile_context(
                self.controller.inbox, context.mapping.source, waiting, listed
            )
            outcome = reconcile_proposal(
                context,
                self.controller.file_index,
                proposal,
                extend_context(
                    reconcile_context,
                    context.mapping,
                    self.controller.store.target_statuses,
                    options,
                ),
                now=self.controller.clock(),
                callbacks=ReconcileCallbacks(
                    lambda site: self.controller.quota.acquire(site, proposal),
                    lambda commit: self.controller.store.record_commit(proposal, commit),
                ),
            )
        except TransientRefusalError as error:
            if self.controller.store.count_attempts(proposal) < _MOST_TRANSIENT_REFUSALS:
                return self._wait(context, proposal, error)
            self._park(proposal, waiting, str(error))
        except TransientError as error:
            return self._wait(context, proposal, error)
        except BridgeError as error:
            self._park(proposal, waiting, str(error))
        except Exception as error:  # a bug must not stop the other proposals
            reason = describe_exception(error)
            pause = self.controller.failures.record(
                proposal.mapping, describe_reconcile(proposal), error
            )
            if pause is not None:
                return self.controller.store.postpone(proposal, reason, pause)
            self._park(proposal, waiting, reason)
        else:
            self.controller.failures.resolve(proposal.mapping, describe_reconcile(proposal))
            self._settle(context, proposal, waiting, outcome)
        return None

    def _wait(self, context: MappingContext, proposal: Proposal, error: TransientError) -> float:
        if isinstance(error, PullRequestLimitError):
            self.controller.quota.pause(proposal.mapping, error)
        elif isinstance(error, UnavailableError | RateLimitedError):
            self.controller.backoff.pause_repository(
                context.forge.repository, str(error), error.retry_after
            )
        seconds = self.controller.store.postpone(proposal, str(error), error.retry_after)
        log.warning("%s waits %.0f s: %s", proposal.branch, seconds, error)
        return seconds

    def _settle(
        self,
        context: MappingContext,
        proposal: Proposal,
        waiting: Sequence[PendingReconcile],
        outcome: ReconcileOutcome,
    ) -> None:
        self.controller.backoff.resume_repository(context.forge.repository)
        if outcome.kind is ReconcileOutcomeKind.PROPOSED:
            self.controller.quota.resume(proposal.mapping)
        request_evaluations(self.controller, context, outcome)
        self.controller.store.record_outcome(proposal, waiting, outcome)
        if self.controller.release_confirmer is not None:
            targets = {pending.target for pending in waiting}
            self.controller.release_confirmer.request_targets(proposal.mapping, targets)
        log.info(
            "%s: %s (%s)%s",
            proposal.branch,
            outcome.kind,
            outcome.reason,
            f" {outcome.pull_request}" if outcome.pull_request else "",
        )

    def _park(self, proposal: Proposal, waiting: Sequence[PendingReconcile], reason: str) -> None:
        self.controller.store.record_outcome(
            proposal, waiting, ReconcileOutcome(ReconcileOutcomeKind.PARKED, reason)
        )
        log.error("%s is parked: %s", proposal.branch, reason)


def open_reconcile_span(
    proposal: Proposal, waiting: Sequence[PendingReconcile]
) -> AbstractContextManager[None]:
    """The span of one reconcile. It belongs to the delivery that asked first, and names all of them
    where several did."""
    delivery_ids = tuple(
        dict.fromkeys(pending.delivery_id for pending in waiting if pending.delivery_id)
    )
    return span(
        "look",
        mapping=proposal.mapping,
        proposal=proposal.branch,
        delivery=next(iter(delivery_ids), None),
        deliveries=" ".join(delivery_ids) if len(delivery_ids) > 1 else None,
    )


def describe_reconcile(proposal: Proposal) -> str:
    """The subject of the problem, where a reconcile failed."""
    return f"look at {proposal.branch}"


def read_reconcile_context(
    inbox: DeliveryInbox,
    source: str,
    waiting: Sequence[PendingReconcile],
    listed: Mapping[Target, Prompt],
) -> ReconcileContext:
    """The context of pending reconciles: their targets and the events that asked for them. ``source``
    is that of the prompts' workspace."""
    targets = tuple(sorted({pending.target for pending in waiting}))
    deliveries = inbox.find_by_ids({pending.delivery_id for pending in waiting} - {""})
    trigger_events = [
        trigger_event for delivery in deliveries if (trigger_event := build_trigger_event(delivery))
    ]
    workspaces = {d.workspace_id for d in deliveries if d.workspace_id is not None}
    events = _label_events(inbox, source, targets, workspaces)
    return ReconcileContext(
        targets,
        tuple(trigger_events),
        events,
        listed,
        adopted_sides=find_adopted_sides(deliveries),
    )


def find_adopted_sides(deliveries: Iterable[Delivery]) -> dict[Target, AdoptedSide]:
    """The sides that operators chose in these deliveries; for each target the newest choice."""
    oldest_first = sorted(deliveries, key=lambda delivery: delivery.received_at)
    requests = [parse_operator_request(delivery) for delivery in oldest_first]
    return {each.target: each.adopt for each in requests if each and each.adopt}


def _label_events(
    inbox: DeliveryInbox, source: str, targets: Sequence[Target], workspaces: Collection[int]
) -> dict[Target, TriggerEvent]:
    """The decisive event about each target's label, of all that are stored."""
    newest: dict[Target, TriggerEvent] = {}
    for target in targets if len(targets) <= _MOST_LABEL_QUERIES else ():
        events = [
            delivery
            for workspace in workspaces
            for delivery in inbox.list_label_events(
                workspace, target.prompt_id, target.label, source
            )
        ]
        events.sort(key=lambda delivery: delivery.occurred_at, reverse=True)
        if events and (trigger_event := build_trigger_event(find_decisive_event(events))):
            newest[target] = trigger_event
    return newest
