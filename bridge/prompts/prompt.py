"""A prompt, as values: what PromptLayer and a prompt file both mean.

Pure: no network, no clock, no disk.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

Json = Any  # what json.loads returns
JsonObject = dict[str, Any]

_NO_PARAMETERS: JsonObject = {"type": "object", "properties": {}}  # PromptLayer's default
LATEST = "latest"  # the tracked "label" that means: the newest version


@dataclass(frozen=True)
class SourceReference:
    """The source of a version: a file at a commit."""

    repository: str  # as the mapping spells it
    path: str
    commit: str


@dataclass(frozen=True)
class Prompt:
    """One version of one prompt. ``template``, ``metadata`` and ``extra`` are canonical (see
    ``bridge.prompts.canonical_form``), so two prompts that mean the same are equal there."""

    name: str
    template: JsonObject
    metadata: JsonObject = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)  # version fields beside them (custom provider)
    # Provenance: never compared.
    id: int | None = None  # PromptLayer's id; None for a file an engineer wrote anew
    version: int | None = None
    tags: tuple[str, ...] = ()
    commit_message: str | None = None
    created_at: str | None = None  # ISO 8601, as PromptLayer gave it
    workspace_id: int | None = None
    source: SourceReference | None = field(default=None, compare=False)  # of a published version

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over what the prompt means: template, metadata, extra. Not over its name
        and not over provenance."""
        meaning = json.dumps(
            [_meaning(self.template), self.metadata, self.extra],
            sort_keys=True,
            ensure_ascii=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(meaning.encode("ascii")).hexdigest()


def _meaning(template: JsonObject) -> JsonObject:
    """Remove the empty parameters of a template's tools. They stay in the file and are published
    as they were written; whether PromptLayer adds them on its own is not documented, so a
    function with them equals one without."""
    lists = {
        key: [_without_empty_parameters(tool) for tool in template[key]]
        for key in ("tools", "functions")
        if isinstance(template.get(key), list)
    }
    return {**template, **lists} if lists else template


def _without_empty_parameters(tool: Json) -> Json:
    if not isinstance(tool, dict):
        return tool
    if isinstance(tool.get("function"), dict):
        tool = {**tool, "function": _without_empty_parameters(tool["function"])}
    if tool.get("parameters") == _NO_PARAMETERS:
        tool = {key: value for key, value in tool.items() if key != "parameters"}
    return tool


@dataclass(frozen=True)
class PromptFile:
    """A prompt as one file of the repository holds it."""

    prompt: Prompt
    label: str  # what this file tracks: LATEST or a release label


def parse_timestamp(text: str) -> datetime | None:
    """A time as PromptLayer writes it, aware; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
