"""Find the reconciles that a delivery from PromptLayer, or from an operator, asks for. An event only
names the prompt; its content is read when the proposal is reconciled. Pure: it reads no table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile

from bridge.config.mapping_settings import MappingSettings
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.errors import MalformedPayloadError, UnsafePathError
from bridge.promptlayer.webhook_events import PromptEvent
from bridge.promptlayer.workspace_source import is_promptlayer_source
from bridge.prompts.planning.reconcile_context import (
    LABEL_CHANGE_APPROVED,
    LABEL_CHANGE_DENIED,
    LABEL_CHANGE_REQUESTED,
    TriggerEvent,
)
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.storage.inbox import Delivery
from bridge.storage.operator_delivery import OperatorRequest, parse_operator_request

_EVERY_LABEL = (
    "prompt_template_name_changed",
    "prompt_template_deleted",
    "prompt_template_updated",
)


def find_affected_labels(event: PromptEvent, track: Sequence[str]) -> tuple[str, ...]:
    """The labels that an event is about, of those that a mapping tracks."""
    if event.type in _EVERY_LABEL:
        return tuple(track)
    label = LATEST if event.label is None else event.label
    return (label,) if label in track else ()


def may_affect(event: PromptEvent, mapping: MappingSettings) -> bool:
    """Whether a mapping may follow this prompt, judged by its names alone. Only the reconcile reads
    the tags and folder that decide it."""
    names = {event.prompt_name, event.old_name or event.prompt_name}
    return any(mapping.selection.may_match_name(name) for name in names)


def build_reconcile_requests(
    delivery: Delivery, event: PromptEvent | None, contexts: Mapping[str, MappingContext]
) -> tuple[ReconcileRequest, ...]:
    """The reconciles that a delivery asks for; none when no mapping follows its prompt. ``event``
    is the delivery's, as ``parse_prompt_event`` gives it."""
    if (request := parse_operator_request(delivery)) is not None:
        return _build_operator_request(request, delivery, contexts)
    if event is None:
        return ()
    return tuple(
        ReconcileRequest(proposal, target, delivery.id, event.prompt_name)
        for context in contexts.values()
        if context.mapping.source == delivery.source and may_affect(event, context.mapping)
        for label in find_affected_labels(event, context.mapping.track)
        for target in (Target(context.mapping.name, event.prompt_id, label),)
        for proposal in _find_proposals(context, event, target)
    )


def _build_operator_request(
    request: OperatorRequest, delivery: Delivery, contexts: Mapping[str, MappingContext]
) -> tuple[ReconcileRequest, ...]:
    """The reconcile that an operator asked for. Its branch is the one that the mapping builds now,
    or the recorded one where the prompt's name is unknown."""
    target, context = request.target, contexts.get(request.target.mapping)
    if context is None or target.label not in context.mapping.track:
        return ()
    proposal = Proposal(target.mapping, request.branch)
    if request.name:
        with suppress(UnsafePathError):
            proposal = context.build_proposal(request.name, target)
    return (
        (ReconcileRequest(proposal, target, delivery.id, request.name),) if proposal.branch else ()
    )


def parse_prompt_event(delivery: Delivery) -> PromptEvent | None:
    """The event about a prompt that a delivery holds; None for every other delivery, and for a
    payload that cannot be parsed."""
    if not is_promptlayer_source(delivery.source):
        return None
    try:
        event = delivery.parse_event()
    except MalformedPayloadError:
        return None
    return event if isinstance(event, PromptEvent) else None


def _find_proposals(
    context: MappingContext, event: PromptEvent, target: Target
) -> Iterable[Proposal]:
    """The proposals of a target: one; two after a rename, where branches carry the prompt's name."""
    names = {event.prompt_name, event.old_name or event.prompt_name}
    found = set()
    for name in names:
        try:
            found.add(context.build_proposal(name, target))
        except UnsafePathError:
            continue
    return sorted(found)


def build_trigger_event(delivery: Delivery) -> TriggerEvent | None:
    """The event as the reconcile takes it; None for a delivery that is not about a prompt."""
    event = parse_prompt_event(delivery)
    if event is None:
        return None
    return TriggerEvent(
        type=event.type,
        prompt_id=event.prompt_id,
        label=event.label,
        occurred_at=event.timestamp,
        received_at=delivery.received_at,
        user_name=event.user_name,
        user_email=event.user_email,
        change_type=event.change_type,
        version=event.version,
    )


def find_decisive_event(events: Sequence[Delivery]) -> Delivery:
    """The newest of these label events, which are sorted newest first. Of an approval and the move
    that it caused it is the move, after which there is nothing left to wait for."""
    since_request = list(
        takewhile(lambda event: event.event_type != LABEL_CHANGE_REQUESTED, events)
    )
    if events[0].event_type != LABEL_CHANGE_APPROVED or len(since_request) == len(events):
        return events[0]
    moves = (
        event
        for event in since_request
        if event.event_type not in (LABEL_CHANGE_APPROVED, LABEL_CHANGE_DENIED)
    )
    return next(moves, events[0])
