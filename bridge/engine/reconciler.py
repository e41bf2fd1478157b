"""Reconcile what waits for a proposal, and record what came of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.dispatch_events import build_trigger_event, find_decisive_event
from bridge.engine.evaluation_requests import request_evaluations
from bridge.engine.failures import describe_exception
from bridge.engine.pull_request_quota import PullRequestLimitError
from bridge.engine.reconcile_store import PendingReconcile
from bridge.engine.unfollowed_targets import NO_WORD, PersonsWord, with_following
from bridge.errors import (
    BridgeError,
    RateLimitedError,
    TransientError,
    TransientRefusalError,
    UnavailableError,
)
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.planning.reconcile_context import ReconcileContext, TriggerEvent
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.reconcile_proposal import reconcile_proposal
from bridge.storage.inbox import DeliveryInbox
from bridge.telemetry.log_context import span

log = logging.getLogger("bridge.worker")

_REFUSALS = 4  # attempts, half a minute together, before a refusal counts that may pass by itself
_NOT_HEARD_PAUSE = 20.0  # seconds
_LABELS_ASKED_ONE_BY_ONE = 50  # a look at more targets than this comes from a sweep
_HEARD_BY_ALL = timedelta(minutes=2)  # after that a mapping nobody knows here is gone


@dataclass(frozen=True)
class Reconciler:
    controller: BridgeController

    def reconcile(
        self,
        proposal: Proposal,
        listed: Mapping[Target, Prompt] | None = None,
        word: PersonsWord = NO_WORD,
    ) -> float | None:
        """Reconcile one proposal, if anything waits for that. Returns after how many seconds to do it
        again, None for not.
        ``listed`` is what a scan has just read from the list pages, ``word`` what a person says
        with this look."""
        waiting = self.controller.store.find_pending(proposal)
        if not waiting:
            return None
        with open_reconcile_span(proposal, waiting):
            context = self.controller.contexts.get(proposal.mapping)
            if context is None:
                return self._without_site(proposal, waiting)
            if paused := self._paused(context, proposal):
                seconds, reason = paused
                return self.controller.store.postpone_without_attempt(proposal, reason, seconds)
            return self._reconcile(context, proposal, waiting, listed or {}, word)

    def _without_site(
        self, proposal: Proposal, waiting: tuple[PendingReconcile, ...]
    ) -> float | None:
        """Of a new mapping, another process may have heard sooner than this one."""
        if (
            self.controller.clock() - min(pending.requested_at for pending in waiting)
            > _HEARD_BY_ALL
        ):
            self._park(proposal, waiting, f"There is no mapping {proposal.mapping} any more.")
            return None
        reason = f"The process that looked knows no mapping {proposal.mapping}."
        return self.controller.store.postpone(proposal, reason, _NOT_HEARD_PAUSE)

    def _paused(self, context: MappingContext, proposal: Proposal) -> tuple[float, str] | None:
        """Whether to leave a proposal alone for now. One that waits for room needs no look: what
        thousands of them would ask of the forge is more than it answers."""
        if paused := self.controller.backoff.find_pause(context.forge.repository):
            return paused
        standing = self.controller.store.find_latest_outcome(proposal)
        if (
            standing is None
            or standing.kind is not ReconcileOutcomeKind.WAITING
            or standing.pull_request
        ):
            return None
        return self.controller.quota.paused(proposal.mapping)

    def _reconcile(
        self,
        context: MappingContext,
        proposal: Proposal,
        waiting: tuple[PendingReconcile, ...],
        listed: Mapping[Target, Prompt],
        word: PersonsWord,
    ) -> float | None:
        try:
            deduplication_key = occasion_of(
                self.controller.inbox, context.mapping.source, waiting, listed
            )
            outcome = reconcile_proposal(
                context,
                self.controller.file_index,
                proposal,
                with_following(
                    deduplication_key, context.mapping, self.controller.store.target_statuses, word
                ),
                now=self.controller.clock(),
                permit=lambda site: self.controller.quota.acquire(site, proposal),
            )
        except TransientRefusalError as error:
            if self.controller.store.attempts(proposal) < _REFUSALS:
                return self._wait(context, proposal, error)
            self._park(proposal, waiting, str(error))
        except TransientError as error:
            return self._wait(context, proposal, error)
        except BridgeError as error:
            self._park(proposal, waiting, str(error))
        except Exception as error:  # a mistake of ours must not stop the others
            reason = describe_exception(error)
            pause = self.controller.failures.record(proposal.mapping, looking_at(proposal), error)
            if pause is not None:
                return self.controller.store.postpone(proposal, reason, pause)
            self._park(proposal, waiting, reason)
        else:
            self.controller.failures.mend(proposal.mapping, looking_at(proposal))
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
    """A look. It belongs to the delivery that asked first; where several did, all are named."""
    asked_by = tuple(
        dict.fromkeys(pending.delivery_id for pending in waiting if pending.delivery_id)
    )
    return span(
        "look",
        mapping=proposal.mapping,
        proposal=proposal.branch,
        delivery=next(iter(asked_by), None),
        deliveries=" ".join(asked_by) if len(asked_by) > 1 else None,
    )


def looking_at(proposal: Proposal) -> str:
    """What failed, where a look did."""
    return f"look at {proposal.branch}"


def occasion_of(
    inbox: DeliveryInbox,
    source: str,
    waiting: Sequence[PendingReconcile],
    listed: Mapping[Target, Prompt],
) -> ReconcileContext:
    """The occasion of these looks; ``source`` is that of the workspace their prompts are in."""
    targets = tuple(sorted({pending.target for pending in waiting}))
    deliveries = inbox.find_by_ids({pending.delivery_id for pending in waiting} - {""})
    trigger_events = [
        trigger_event for delivery in deliveries if (trigger_event := build_trigger_event(delivery))
    ]
    workspaces = {d.workspace_id for d in deliveries if d.workspace_id is not None}
    events = _label_events(inbox, source, targets, workspaces)
    return ReconcileContext(targets, tuple(trigger_events), events, listed)


def _label_events(
    inbox: DeliveryInbox, source: str, targets: Sequence[Target], workspaces: Collection[int]
) -> dict[Target, TriggerEvent]:
    """The newest event about each target's label, whenever it came."""
    newest: dict[Target, TriggerEvent] = {}
    for target in targets if len(targets) <= _LABELS_ASKED_ONE_BY_ONE else ():
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
