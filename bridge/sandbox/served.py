"""The stand-in's answers about prompts, in the shapes that were recorded from PromptLayer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from bridge.errors import NotFound
from bridge.prompts.prompt import Json, JsonObject
from bridge.prompts.snippets import references
from bridge.prompts.variables import message_variables
from bridge.sandbox.entries import Entry, Label, Version
from bridge.sandbox.registry import Registry

_REFERENCE = re.compile(r"@@@.+?@@@")
_SNIPPET_DEPTH = 10  # snippets in snippets; a circle ends here

_MESSAGE_DEFAULTS: JsonObject = {
    "template_format": "f-string",
    "raw_request_display_role": "",
    "name": None,
}
_ASSISTANT_DEFAULTS: JsonObject = {"function_call": None, "tool_calls": None}
_CHAT_DEFAULTS: JsonObject = {
    "functions": None,
    "tools": None,
    "function_call": None,
    "tool_choice": None,
}


def raw_answer(registry: Registry, entry: Entry, version: Version, *, resolve: bool) -> JsonObject:
    """The answer of ``GET /prompt-templates/{identifier}``."""
    template = _resolved(registry, version.template) if resolve else version.template
    return {
        "success": True,
        **_version_fields(entry, version, template),
        "version": version.number,
        "workspace_id": registry.workspace_id,
        "created_at": version.created_at.isoformat(),
        "snippets": _snippets(registry, version),
        "llm_kwargs": None,
        **version.extra,
    }


def resolved_answer(registry: Registry, entry: Entry, version: Version) -> JsonObject:
    """The answer of ``POST /prompt-templates/{identifier}``: for running, not for editing."""
    return {
        **_version_fields(entry, version, _resolved(registry, version.template)),
        "version": version.number,
        "workspace_id": registry.workspace_id,
        "snippets": _snippets(registry, version),
        "llm_kwargs": None,
        "provider_base_url": None,
        "warning": None,
    }


def published_answer(entry: Entry, version: Version, labels: list[str] | None) -> JsonObject:
    """The answer to publishing a version."""
    return {
        **_version_fields(entry, version, version.template),
        "prompt_version_id": version.id,
        "version_number": version.number,
        "release_labels": labels,
        "external_ids": external_ids(entry),
    }


def list_item(registry: Registry, entry: Entry, version: Version) -> bytes:
    """An item of ``GET /prompt-templates``, as JSON. Made once for each change, since a sweep
    reads thousands."""
    if version.number not in entry.listed:
        item = _list_item(registry, entry, version)
        entry.listed[version.number] = json.dumps(item).encode()
    return entry.listed[version.number]


def external_ids(entry: Entry) -> list[JsonObject]:
    return [{"source": source, "external_id": id} for source, id in entry.external_ids]


def label_answer(entry: Entry, label: Label) -> JsonObject:
    return {
        "id": label.id,
        "name": label.name,
        "prompt_id": entry.id,
        "prompt_version_id": entry.versions[label.version - 1].id,
        "created_at": label.created_at.isoformat(),
    }


def labels_answer(entry: Entry) -> JsonObject:
    labels = [
        {
            "prompt_version_id": entry.versions[label.version - 1].id,
            "prompt_version_number": label.version,
            "release_label": label.name,
            "release_label_id": label.id,
        }
        for label in entry.labels.values()
    ]
    return {"release_labels": labels}


def snippet_usage_answer(registry: Registry, entry: Entry, number: int | None) -> JsonObject:
    """Who uses a snippet; with ``number`` only references that mean this version of it."""
    usage, label_usage = [], []
    for parent in registry.referring(entry.name):
        using = {v.number for v in parent.versions if _uses(registry, v, entry, number)}
        user = {"prompt_registry_id": parent.id, "prompt_name": parent.name}
        if using:
            usage.append({**user, "version_numbers": sorted(using)})
        labels = [label.name for label in parent.labels.values() if label.version in using]
        label_usage += [{**user, "label_name": label} for label in labels]
    return {
        "success": True,
        "message": "success",
        "snippet_name": entry.name,
        "snippet_usage": usage,
        "total_prompts_using_snippet": len(usage),
        "label_usage": label_usage,
        "total_labels_using_snippet": len(label_usage),
    }


def served_template(template: JsonObject) -> JsonObject:
    """A template as the backend gives it back: with its defaults, and variables computed."""
    if template["type"] == "completion":
        variables = sorted(message_variables(template))
        defaults = {"template_format": "f-string", "dataset_examples": []}
        return {**defaults, **template, "input_variables": variables}
    messages = [_served_message(message) for message in template["messages"]]
    variables = sorted({name for message in messages for name in message["input_variables"]})
    served = {**_CHAT_DEFAULTS, **template, "messages": messages}
    served.pop("provider_base_url_name", None)  # recorded: taken, never given back
    return {**served, "input_variables": variables, "dataset_examples": []}


def _served_message(message: JsonObject) -> JsonObject:
    defaults = _MESSAGE_DEFAULTS
    if message.get("role") == "assistant":
        defaults = {**defaults, **_ASSISTANT_DEFAULTS}
    variables = sorted(message_variables(message))
    return {**defaults, **message, "input_variables": variables, "dataset_examples": []}


def _version_fields(entry: Entry, version: Version, template: JsonObject) -> JsonObject:
    return {
        "id": entry.id,
        "prompt_name": entry.name,
        "tags": list(entry.tags),
        "prompt_template": served_template(template),
        "metadata": version.metadata,
        "commit_message": version.commit_message,
    }


def _list_item(registry: Registry, entry: Entry, version: Version) -> JsonObject:
    path = registry.folders.path(entry.folder_id)
    return {
        **_version_fields(entry, version, version.template),
        "version": version.number,
        "folder_id": entry.folder_id,
        "parent_folder_name": path[-1] if path else None,
        "full_folder_path": "/".join(path) or None,
        "llm_kwargs": None,
        "external_ids": external_ids(entry),
        "is_snippet": registry.is_snippet(entry),
        **version.extra,
    }


def _snippets(registry: Registry, version: Version) -> list[JsonObject]:
    found = []
    for reference in version.references:
        try:
            snippet = registry.referred(reference)
        except NotFound:
            continue
        found.append(
            {
                "prompt_name": reference.name,
                "version": snippet.number,
                "label": reference.label,
            }
        )
    return found


def _uses(registry: Registry, parent: Version, snippet: Entry, number: int | None) -> bool:
    wanted = [reference for reference in parent.references if reference.name == snippet.name]
    if number is None:
        return bool(wanted)
    meant = []
    for reference in wanted:
        try:
            meant.append(registry.referred(reference).number)
        except NotFound:
            continue
    return number in meant


def _resolved(registry: Registry, template: JsonObject) -> JsonObject:
    """The template with every snippet's text in place of its reference."""

    def replaced(match: re.Match[str], depth: int) -> str:
        (reference,) = references({"content": match.group()})
        try:
            return expanded(_text(registry.referred(reference).template), depth - 1)
        except NotFound:
            return match.group()

    def expanded(text: str, depth: int = _SNIPPET_DEPTH) -> str:
        return _REFERENCE.sub(lambda match: replaced(match, depth), text) if depth else text

    resolved: JsonObject = _mapped(template, expanded)
    return resolved


def _text(template: JsonObject) -> str:
    parts = template.get("content") or []
    return "".join(part.get("text", "") for part in parts if isinstance(part, dict))


def _mapped(value: Json, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value
