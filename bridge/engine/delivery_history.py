"""Build the history events that a delivery adds: the changes in PromptLayer, and the decisions about
pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.repository_jobs import ForgeEventMatch
from bridge.forge.forge import PullRequestState
from bridge.forge.forge_webhooks import PullRequestAction, PullRequestEvent
from bridge.promptlayer.webhook_events import PromptEvent
from bridge.prompts.prompt import LATEST
from bridge.status.history_events import HistoryEvent, HistoryEventKind
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
    delivery: Delivery,
    prompt_event: PromptEvent | None,
    match: ForgeEventMatch | None,
    requests: Iterable[ReconcileRequest],
    statuses: TargetStatusStore,
) -> Iterator[IdentifiedEvent]:
    """The history events of one delivery. ``prompt_event`` and ``match`` are what the delivery
    parses to, ``requests`` the reconciles that it asks for."""
    if prompt_event is not None:
        yield from _build_prompt_events(delivery, prompt_event, requests)
    if match is not None:
        yield from _build_decision_events(delivery, match, statuses)


def _build_prompt_events(
    delivery: Delivery, event: PromptEvent, requests: Iterable[ReconcileRequest]
) -> Iterator[IdentifiedEvent]:
    """PromptLayer's event about the prompt, once for each mapping that follows it."""
    prompts = {(one.target.mapping, one.target.prompt_id) for one in requests}
    for mapping, prompt_id in sorted(prompts):
        kind = _KINDS.get(event.type, HistoryEventKind.OTHER_EVENT)
        history_event = HistoryEvent(
            kind,
            mapping,
            prompt_id,
            LATEST if kind is HistoryEventKind.VERSION_SAVED else event.label,
            event.timestamp,
            text=_describe(event),
            arrived_at=delivery.received_at,
            version=event.version,
            who=event.user_name or event.user_email,
            delivery_id=delivery.id,
        )
        yield history_event, (delivery.id,)


def _describe(event: PromptEvent) -> str:
    if event.old_name:
        return f"{event.old_name} is {event.prompt_name} now"
    if event.type == "prompt_template_label_deleted":
        return f"label {event.label} is removed"
    if event.label:
        return f"label {event.label}"
    return "" if event.type in _KINDS else event.type.removeprefix("prompt_template_")


def _build_decision_events(
    delivery: Delivery, match: ForgeEventMatch, statuses: TargetStatusStore
) -> Iterator[IdentifiedEvent]:
    """The merge or close of a pull request, once for each target that the pull request carried."""
    event = match.event
    if not isinstance(event, PullRequestEvent) or event.action not in _STATES:
        return
    for context in match.contexts:
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
