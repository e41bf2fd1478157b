"""The requests to models that applications logged at the stand-in, and groups of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from bridge.errors import MalformedPayloadError, RequestRefusedError
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import RegistryVersion


@dataclass
class LoggedRequest:
    """One logged request, as it was sent but without the key, and the version it is about."""

    id: int
    body: JsonObject
    version: RegistryVersion | None = None
    metadata: dict[str, Json] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)  # tracked afterwards, by name
    group_id: int | None = None
    prompt: JsonObject | None = None  # as ``track.prompt`` named it


class RequestLogs:
    """Every logged request, by its number. May be used by many threads."""

    def __init__(self, registry: PromptRegistry) -> None:
        self._registry = registry
        self.requests: dict[int, LoggedRequest] = {}
        self.group_count = 0
        self._lock = threading.Lock()

    def add_request(self, body: JsonObject) -> LoggedRequest:
        """Log a request under the next number."""
        group, version = body.get("group_id"), self._find_version(body)
        with self._lock:
            content = {key: body[key] for key in body if key != "api_key"}
            logged = LoggedRequest(len(self.requests) + 1, content, version)
            logged.metadata.update(body.get("metadata") or {})
            logged.group_id = group if group is None else self.check_group(group)
            self.requests[logged.id] = logged
            return logged

    def create_group(self) -> int:
        """Make a group; its number."""
        with self._lock:
            self.group_count += 1
            return self.group_count

    def find_request(self, id: Json) -> LoggedRequest:
        """The request of a number, also written out. Raises MalformedPayloadError when there is
        none."""
        number = int(id) if isinstance(id, str) and id.isdecimal() and len(id) < 19 else id
        found = self.requests.get(number) if isinstance(number, int) else None
        if found is None:
            raise MalformedPayloadError(f"Invalid request_id: {id!a}")
        return found

    def check_group(self, id: Json) -> int:
        """The number of a group. Raises MalformedPayloadError when there is none."""
        if not isinstance(id, int) or isinstance(id, bool) or not 1 <= id <= self.group_count:
            raise MalformedPayloadError(f"Invalid group_id: {id!a}")
        return id

    def _find_version(self, body: JsonObject) -> RegistryVersion | None:
        identifier = body.get("prompt_id") or body.get("prompt_name")
        if identifier is None:
            if body.get("prompt_version_number") is not None:
                raise RequestRefusedError("prompt_version_number needs prompt_id or prompt_name")
            return None
        number = body.get("prompt_version_number") or body.get("prompt_version")
        return self._registry.find_version(self._registry.find_entry(identifier), number=number)
