"""The entries of the stand-in's registry: prompts, their versions, labels and folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.prompt import JsonObject
from bridge.prompts.snippets import SnippetReference

DEFAULT_EDITOR = EventUser(id=1, name="Ada Lovelace", email="ada@example.com")

ChangeType = Literal["move", "deletion"]


@dataclass(frozen=True)
class RegistryVersion:
    """One immutable version of a prompt."""

    id: int
    prompt_id: int
    number: int
    template: JsonObject  # as published, without the defaults that reading adds
    metadata: JsonObject | None
    commit_message: str | None
    extra: JsonObject  # custom-provider fields
    created_at: datetime
    author: EventUser
    references: tuple[SnippetReference, ...]


@dataclass
class RegistryLabel:
    id: int
    name: str
    prompt_id: int
    version: int
    created_at: datetime


@dataclass(frozen=True)
class LabelRequest:
    """A change to a protected label that waits for approval."""

    label: str
    change_type: ChangeType
    version: int | None  # where to move it; None for a deletion
    by: EventUser


@dataclass
class RegistryEntry:
    """A prompt of the registry with everything that belongs to it."""

    id: int
    name: str
    created_at: datetime
    updated_at: datetime
    author: EventUser
    tags: tuple[str, ...] = ()
    folder_id: int | None = None
    versions: list[RegistryVersion] = field(default_factory=list)
    labels: dict[str, RegistryLabel] = field(default_factory=dict)
    requests: dict[str, LabelRequest] = field(default_factory=dict)
    external_ids: list[tuple[str, str]] = field(default_factory=list)
    deleted: bool = False
    list_item_by_version: dict[int, bytes] = field(
        default_factory=dict
    )  # list items by version, serialised

    @property
    def latest(self) -> RegistryVersion:
        return self.versions[-1]


@dataclass
class RegistryFolder:
    id: int
    name: str
    parent_id: int | None
    created_at: datetime


def build_chat_template(*messages: tuple[str, str]) -> JsonObject:
    """A chat template of (role, text) messages."""
    return {
        "type": "chat",
        "messages": [
            {"role": role, "content": [{"type": "text", "text": text}]} for role, text in messages
        ],
    }


def build_completion_template(text: str) -> JsonObject:
    """A completion template: the form that snippets have."""
    return {"type": "completion", "content": [{"type": "text", "text": text}]}


def build_model_metadata(provider: str, name: str, **parameters: object) -> JsonObject:
    """Metadata that names a model."""
    return {"model": {"provider": provider, "name": name, "parameters": parameters}}
