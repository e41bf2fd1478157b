"""Dispatch: from deliveries to looks. An event only says which prompt to look at. Pure but for the
two tables it reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile

from bridge.config.mapping import MappingSettings
from bridge.engine.ledger import Ask
from bridge.errors import Malformed, UnsafePath
from bridge.promptlayer.events import PromptEvent
from bridge.promptlayer.workspace import is_promptlayer
from bridge.prompts.occasion import APPROVED, DENIED, REQUESTED, Cause
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Proposal, Target
from bridge.steps.site import Site
from bridge.storage.inbox import Delivery
from bridge.storage.person_delivery import Request, request_of

_EVERY_LABEL = (
    "prompt_template_name_changed",
    "prompt_template_deleted",
    "prompt_template_updated",
)


def labels_concerned(event: PromptEvent, track: Sequence[str]) -> tuple[str, ...]:
    """Which of the labels a mapping tracks an event is about."""
    if event.type in _EVERY_LABEL:
        return tuple(track)
    label = LATEST if event.label is None else event.label
    return (label,) if label in track else ()


def may_concern(event: PromptEvent, mapping: MappingSettings) -> bool:
    """Whether a mapping may follow this prompt, as far as names tell; looking tells for sure."""
    names = {event.prompt_name, event.old_name or event.prompt_name}
    return any(mapping.selection.may_hold(name) for name in names)


def asks_of(delivery: Delivery, sites: Mapping[str, Site]) -> tuple[Ask, ...]:
    """The looks a delivery asks for; none when no mapping follows its prompt."""
    if (request := request_of(delivery)) is not None:
        return _asked(request, delivery, sites)
    event = prompt_event(delivery)
    if event is None:
        return ()
    return tuple(
        Ask(proposal, target, delivery.id, event.prompt_name)
        for site in sites.values()
        if site.mapping.source == delivery.source and may_concern(event, site.mapping)
        for label in labels_concerned(event, site.mapping.track)
        for target in (Target(site.mapping.name, event.prompt_id, label),)
        for proposal in _proposals(site, event, target)
    )


def _asked(request: Request, delivery: Delivery, sites: Mapping[str, Site]) -> tuple[Ask, ...]:
    """The look that a person asked for. The branch is where the mapping puts it now, or where it
    was, for a prompt whose name nobody knows."""
    target, site = request.target, sites.get(request.target.mapping)
    if site is None or target.label not in site.mapping.track:
        return ()
    proposal = Proposal(target.mapping, request.branch)
    if request.name:
        with suppress(UnsafePath):
            proposal = site.proposal(request.name, target)
    return (Ask(proposal, target, delivery.id, request.name),) if proposal.branch else ()


def prompt_event(delivery: Delivery) -> PromptEvent | None:
    """The event about a prompt that a delivery holds; None for all others."""
    if not is_promptlayer(delivery.source):
        return None
    try:
        event = delivery.event()
    except Malformed:
        return None
    return event if isinstance(event, PromptEvent) else None


def _proposals(site: Site, event: PromptEvent, target: Target) -> Iterable[Proposal]:
    """One, but for a rename where the mapping's branches carry the prompt's name."""
    names = {event.prompt_name, event.old_name or event.prompt_name}
    found = set()
    for name in names:
        try:
            found.add(site.proposal(name, target))
        except UnsafePath:
            continue
    return sorted(found)


def cause_of(delivery: Delivery) -> Cause | None:
    """What looking needs to know of a delivery; None when it is not about a prompt."""
    event = prompt_event(delivery)
    if event is None:
        return None
    return Cause(
        type=event.type,
        prompt_id=event.prompt_id,
        label=event.label,
        at=event.timestamp,
        received_at=delivery.received_at,
        user_name=event.user_name,
        user_email=event.user_email,
        change_type=event.change_type,
        version=event.version,
    )


def telling(events: Sequence[Delivery]) -> Delivery:
    """The newest of these label events, which are newest first; but of an approval and the move
    that it caused, the move: it says that nothing has to be waited for."""
    since_request = list(takewhile(lambda event: event.event_type != REQUESTED, events))
    if events[0].event_type != APPROVED or len(since_request) == len(events):
        return events[0]
    moves = (event for event in since_request if event.event_type not in (APPROVED, DENIED))
    return next(moves, events[0])
