"""What is known at a look beside what stands there: the events that asked for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bridge.engine.dispatch import cause_of, telling
from bridge.engine.ledger import WaitingLook
from bridge.prompts.occasion import Cause, Occasion
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.storage.inbox import Inbox

_LABELS_ASKED_ONE_BY_ONE = 50  # a look at more targets than this comes from a sweep


def occasion_of(
    inbox: Inbox, source: str, waiting: Sequence[WaitingLook], listed: Mapping[Target, Prompt]
) -> Occasion:
    """The occasion of these looks; ``source`` is that of the workspace their prompts are in."""
    targets = tuple(sorted({look.target for look in waiting}))
    deliveries = inbox.several({look.delivery_id for look in waiting} - {""})
    causes = [cause for delivery in deliveries if (cause := cause_of(delivery))]
    workspaces = {d.workspace_id for d in deliveries if d.workspace_id is not None}
    events = _label_events(inbox, source, targets, workspaces)
    return Occasion(targets, tuple(causes), events, listed)


def _label_events(
    inbox: Inbox, source: str, targets: Sequence[Target], workspaces: Collection[int]
) -> dict[Target, Cause]:
    """The newest event about each target's label, whenever it came."""
    newest: dict[Target, Cause] = {}
    for target in targets if len(targets) <= _LABELS_ASKED_ONE_BY_ONE else ():
        events = [
            delivery
            for workspace in workspaces
            for delivery in inbox.label_events(workspace, target.prompt_id, target.label, source)
        ]
        events.sort(key=lambda delivery: delivery.occurred_at, reverse=True)
        if events and (cause := cause_of(telling(events))):
            newest[target] = cause
    return newest
