"""The moments that a delivery tells: what happened in PromptLayer, and what people decided about
a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bridge.books.entry import Telling, decision
from bridge.books.moments import Moment, MomentKind, Told, by_identity
from bridge.books.standings import Standings
from bridge.engine.dispatch import prompt_event
from bridge.engine.errands import told_by
from bridge.engine.ledger import Ask
from bridge.forge.base import PullRequestState
from bridge.forge.webhooks import PullRequestAction, PullRequestChanged
from bridge.promptlayer.events import PromptEvent
from bridge.prompts.prompt import LATEST
from bridge.steps.site import Site
from bridge.storage.inbox import Delivery

_KINDS = {
    "prompt_template_version_created": MomentKind.SAVED,
    "prompt_template_label_created": MomentKind.LABELLED,
    "prompt_template_label_moved": MomentKind.LABELLED,
    "prompt_template_label_deleted": MomentKind.LABELLED,
    "prompt_template_name_changed": MomentKind.RENAMED,
    "prompt_template_deleted": MomentKind.DELETED,
    "prompt_template_label_change_requested": MomentKind.REQUESTED,
    "prompt_template_label_change_approved": MomentKind.APPROVED,
    "prompt_template_label_change_denied": MomentKind.DENIED,
}
_STATES = {
    PullRequestAction.MERGED: PullRequestState.MERGED,
    PullRequestAction.CLOSED: PullRequestState.CLOSED,
}


def moments_of(
    deliveries: Iterable[Delivery],
    asks: Mapping[str, Iterable[Ask]],
    sites: Mapping[str, Site],
    standings: Standings,
) -> Told:
    """What these deliveries add to the ways of prompts; ``asks`` are by the delivery's id."""
    return by_identity(
        telling
        for delivery in deliveries
        for telling in (
            *_events(delivery, asks.get(delivery.id, ())),
            *_decisions(delivery, sites, standings),
        )
    )


def _events(delivery: Delivery, asks: Iterable[Ask]) -> Iterator[Telling]:
    """What PromptLayer's event says about the prompt, for each mapping that follows it."""
    event = prompt_event(delivery)
    if event is None:
        return
    for mapping, prompt_id in sorted({(a.target.mapping, a.target.prompt_id) for a in asks}):
        kind = _KINDS.get(event.type, MomentKind.TOLD)
        moment = Moment(
            kind,
            mapping,
            prompt_id,
            LATEST if kind is MomentKind.SAVED else event.label,
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
    delivery: Delivery, sites: Mapping[str, Site], standings: Standings
) -> Iterator[Telling]:
    """What people decided, for each target that the pull request carried."""
    event, concerned = told_by(delivery, sites)
    if not isinstance(event, PullRequestChanged) or event.action not in _STATES:
        return
    for site in concerned:
        for entry in standings.of_pull_request(site.mapping.name, event.number):
            if entry.has_open_pull_request:
                yield decision(
                    entry.target,
                    _STATES[event.action],
                    event.number,
                    entry.pull_request,
                    delivery.received_at,
                    delivery.id,
                )
