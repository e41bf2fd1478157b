"""The stand-in's answers about prompts, in the shapes that were recorded from PromptLayer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from bridge.errors import NotFoundError
from bridge.prompts.input_variables import find_message_variables
from bridge.prompts.prompt import Json, JsonObject
from bridge.prompts.snippets import find_snippet_references
from bridge.sandbox.fill_template import fill_template
from bridge.sandbox.model_arguments import build_model_arguments
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import RegistryEntry, RegistryLabel, RegistryVersion

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


def build_raw_response(
    registry: PromptRegistry, entry: RegistryEntry, version: RegistryVersion, *, resolve: bool
) -> JsonObject:
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


def build_resolved_response(
    registry: PromptRegistry, entry: RegistryEntry, version: RegistryVersion, wanted: JsonObject
) -> JsonObject:
    """The answer of ``POST /prompt-templates/{identifier}`` to the body ``wanted``: for running,
    not for editing."""
    answer = {
        **_version_fields(entry, version, _resolved(registry, version.template)),
        "version": version.number,
        "workspace_id": registry.workspace_id,
        "snippets": _snippets(registry, version),
        "provider_base_url": None,
        "warning": None,
        **{key: version.extra[key] for key in ("custom_provider",) if key in version.extra},
    }
    template, variables = answer["prompt_template"], wanted.get("input_variables")
    arguments = _arguments(template, version, wanted)
    if not wanted.get("skip_input_variable_rendering") and (variables or arguments):
        template = fill_template(template, variables or {})
        arguments = _arguments(template, version, wanted)
    return {**answer, "prompt_template": template, "llm_kwargs": arguments}


def _arguments(
    template: JsonObject, version: RegistryVersion, wanted: JsonObject
) -> JsonObject | None:
    return build_model_arguments(
        template,
        version.metadata,
        provider=wanted.get("provider"),
        model=wanted.get("model"),
        overrides=wanted.get("model_parameter_overrides"),
    )


def build_publish_response(
    entry: RegistryEntry, version: RegistryVersion, labels: list[str] | None
) -> JsonObject:
    """The answer to publishing a version."""
    return {
        **_version_fields(entry, version, version.template),
        "prompt_version_id": version.id,
        "version_number": version.number,
        "release_labels": labels,
        "external_ids": build_external_ids(entry),
    }


def build_list_item(
    registry: PromptRegistry, entry: RegistryEntry, version: RegistryVersion
) -> bytes:
    """An item of ``GET /prompt-templates``, as JSON. Made once for each change, since a sweep
    reads thousands."""
    if version.number not in entry.list_item_by_version:
        item = _list_item(registry, entry, version)
        entry.list_item_by_version[version.number] = json.dumps(item).encode()
    return entry.list_item_by_version[version.number]


def build_external_ids(entry: RegistryEntry) -> list[JsonObject]:
    return [{"source": source, "external_id": id} for source, id in entry.external_ids]


def build_label_response(entry: RegistryEntry, label: RegistryLabel) -> JsonObject:
    return {
        "id": label.id,
        "name": label.name,
        "prompt_id": entry.id,
        "prompt_version_id": entry.versions[label.version - 1].id,
        "created_at": label.created_at.isoformat(),
    }


def build_labels_response(entry: RegistryEntry) -> JsonObject:
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


def build_snippet_usage_response(
    registry: PromptRegistry, entry: RegistryEntry, number: int | None
) -> JsonObject:
    """Who uses a snippet; with ``number`` only references that mean this version of it."""
    usage, label_usage = [], []
    for parent in registry.find_referring_entries(entry.name):
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


def build_served_template(template: JsonObject) -> JsonObject:
    """A template as the backend gives it back: with its defaults, and variables computed."""
    if template["type"] == "completion":
        variables = sorted(find_message_variables(template))
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
    variables = sorted(find_message_variables(message))
    return {**defaults, **message, "input_variables": variables, "dataset_examples": []}


def _version_fields(
    entry: RegistryEntry, version: RegistryVersion, template: JsonObject
) -> JsonObject:
    return {
        "id": entry.id,
        "prompt_name": entry.name,
        "tags": list(entry.tags),
        "prompt_template": build_served_template(template),
        "metadata": version.metadata,
        "commit_message": version.commit_message,
    }


def _list_item(
    registry: PromptRegistry, entry: RegistryEntry, version: RegistryVersion
) -> JsonObject:
    path = registry.folders.build_path(entry.folder_id)
    return {
        **_version_fields(entry, version, version.template),
        "version": version.number,
        "folder_id": entry.folder_id,
        "parent_folder_name": path[-1] if path else None,
        "full_folder_path": "/".join(path) or None,
        "llm_kwargs": None,
        "external_ids": build_external_ids(entry),
        "is_snippet": registry.is_snippet(entry),
        **version.extra,
    }


def _snippets(registry: PromptRegistry, version: RegistryVersion) -> list[JsonObject]:
    found = []
    for reference in version.references:
        try:
            snippet = registry.find_referred_version(reference)
        except NotFoundError:
            continue
        found.append(
            {
                "prompt_name": reference.name,
                "version": snippet.number,
                "label": reference.label,
            }
        )
    return found


def _uses(
    registry: PromptRegistry, parent: RegistryVersion, snippet: RegistryEntry, number: int | None
) -> bool:
    wanted = [reference for reference in parent.references if reference.name == snippet.name]
    if number is None:
        return bool(wanted)
    meant = []
    for reference in wanted:
        try:
            meant.append(registry.find_referred_version(reference).number)
        except NotFoundError:
            continue
    return number in meant


def _resolved(registry: PromptRegistry, template: JsonObject) -> JsonObject:
    """The template with every snippet's text in place of its reference."""

    def replaced(match: re.Match[str], depth: int) -> str:
        (reference,) = find_snippet_references({"content": match.group()})
        try:
            return expanded(_text(registry.find_referred_version(reference).template), depth - 1)
        except NotFoundError:
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
