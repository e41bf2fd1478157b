"""Announce changes of the registry, as PromptLayer's webhooks do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.registry_entries import LabelRequest, RegistryEntry, RegistryLabel

EventClock = Callable[[], datetime]
EventListener = Callable[[JsonObject], None]


class EventAnnouncer:
    """Call every listener with each event's payload, in order."""

    def __init__(self, workspace_id: int, clock: EventClock) -> None:
        self.listeners: list[EventListener] = []
        self._workspace_id = workspace_id
        self._clock = clock
        self._muted = False

    def announce(self, entry: RegistryEntry, what: str, actor: EventUser, **details: Json) -> None:
        """Announce an event; ``what`` is its type without ``prompt_template_``."""
        if self._muted:
            return
        payload = self._payload(entry, what, actor, details)
        for listener in self.listeners:
            listener(payload)

    def announce_version(self, entry: RegistryEntry, what: str, actor: EventUser) -> None:
        number = {"prompt_template_version_number": entry.latest.number}
        self.announce(entry, what, actor, **number)

    def announce_label(
        self,
        entry: RegistryEntry,
        label: RegistryLabel,
        what: str,
        actor: EventUser,
        old_version: int | None = None,
    ) -> None:
        details: JsonObject = {"prompt_template_version_number": label.version}
        if old_version is not None:
            details["old_prompt_template_version_number"] = old_version
        self.announce(entry, what, actor, **details, prompt_template_label=label.name)

    def announce_label_request(
        self, entry: RegistryEntry, request: LabelRequest, what: str, actor: EventUser
    ) -> None:
        details = {"prompt_template_label": request.label, "change_type": request.change_type}
        self.announce(entry, f"label_change_{what}", actor, **details)

    @contextmanager
    def mute(self, quiet: bool) -> Iterator[None]:
        self._muted = quiet
        try:
            yield
        finally:
            self._muted = False

    def _payload(
        self, entry: RegistryEntry, what: str, actor: EventUser, details: JsonObject
    ) -> JsonObject:
        named = {"prompt_template_id": entry.id, "prompt_template_name": entry.name, **details}
        event_type = f"prompt_template_{what}"
        return build_event_payload(event_type, named, actor, self._workspace_id, self._clock())


def build_event_payload(
    event_type: str, details: JsonObject, actor: EventUser, workspace_id: int, moment: datetime
) -> JsonObject:
    """The body of a webhook, as PromptLayer documents it."""
    at = moment.astimezone(UTC).replace(tzinfo=None)  # PromptLayer's have no zone
    return {
        "event_type": event_type,
        "details": details,
        "user_id": actor.id,
        "user_name": actor.name,
        "user_email": actor.email,
        "workspace_id": workspace_id,
        "timestamp": at.isoformat(timespec="microseconds"),
    }
