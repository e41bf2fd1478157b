"""The moments that a delivery tells: what happened in PromptLayer, and what people decided about
a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bridge.engine.dispatch_events import parse_prompt_event
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.repository_jobs import find_affected_mappings
from bridge.forge.forge import PullRequestState
from bridge.forge.forge_webhooks import PullRequestAction, PullRequestEvent
from bridge.promptlayer.webhook_events import PromptEvent
from bridge.prompts.prompt import LATEST
from bridge.reconcile.mapping_context import MappingContext
from bridge.status.history_events import (
    HistoryEvent,
    HistoryEventKind,
    HistoryEventsById,
    index_by_event_id,
)
from bridge.status.target_status import IdentifiedEvent, build_decision_event
from bridge.status.target_status_store import TargetStatusStore
from bridge.storage.inbox import Delivery

_KINDS = {
    "prompt_template_version_created": HistoryEventKind.VERSION_SAVED,
    "prompt_template_label_created": HistoryEventKind.LABEL_MOVED,
    "prompt_template_label_moved": HistoryEventKind.LABEL_MOVED,
    "prompt_template_label_deleted": HistoryEventKind.LABEL_MOVED,
    "prompt_template_name_changed": HistoryEventKind.RENAMED,
    "prompt_template_deleted": HistoryEventKind.DELETED,
    "prompt_template_label_change_requested": HistoryEventKind.APPROVAL_REQUESTED,
    "prompt_template_label_change_approved": HistoryEventKind.APPROVED,
    "prompt_template_label_change_denied": HistoryEventKind.DENIED,
}
_STATES = {
    PullRequestAction.MERGED: PullRequestState.MERGED,
    PullRequestAction.CLOSED: PullRequestState.CLOSED,
}


def build_delivery_history(
    deliveries: Iterable[Delivery],
    asks: Mapping[str, Iterable[ReconcileRequest]],
    contexts: Mapping[str, MappingContext],
    statuses: TargetStatusStore,
) -> HistoryEventsById:
    """What these deliveries add to the ways of prompts; ``asks`` are by the delivery's id."""
    return index_by_event_id(
        telling
        for delivery in deliveries
        for telling in (
            *_events(delivery, asks.get(delivery.id, ())),
            *_decisions(delivery, contexts, statuses),
        )
    )


def _events(delivery: Delivery, asks: Iterable[ReconcileRequest]) -> Iterator[IdentifiedEvent]:
    """What PromptLayer's event says about the prompt, for each mapping that follows it."""
    event = parse_prompt_event(delivery)
    if event is None:
        return
    for mapping, prompt_id in sorted({(a.target.mapping, a.target.prompt_id) for a in asks}):
        kind = _KINDS.get(event.type, HistoryEventKind.OTHER_EVENT)
        moment = HistoryEvent(
            kind,
            mapping,
            prompt_id,
            LATEST if kind is HistoryEventKind.VERSION_SAVED else event.label,
            event.timestamp,
            text=_words(event),
            arrived_at=delivery.received_at,
            version=event.version,
            who=event.user_name or event.user_email,
            delivery_id=delivery.id,
        )
        yield moment, (delivery.id,)


def _words(event: PromptEvent) -> str:
    if event.old_name:
        return f"{event.old_name} is {event.prompt_name} now"
    if event.type == "prompt_template_label_deleted":
        return f"label {event.label} is removed"
    if event.label:
        return f"label {event.label}"
    return "" if event.type in _KINDS else event.type.removeprefix("prompt_template_")


def _decisions(
    delivery: Delivery, contexts: Mapping[str, MappingContext], statuses: TargetStatusStore
) -> Iterator[IdentifiedEvent]:
    """What people decided, for each target that the pull request carried."""
    event, concerned = find_affected_mappings(delivery, contexts)
    if not isinstance(event, PullRequestEvent) or event.action not in _STATES:
        return
    for context in concerned:
        for status in statuses.find_by_pull_request(context.mapping.name, event.number):
            if status.has_open_pull_request:
                yield build_decision_event(
                    status.target,
                    _STATES[event.action],
                    event.number,
                    status.pull_request,
                    delivery.received_at,
                    delivery.id,
                )
