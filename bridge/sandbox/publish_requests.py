"""Parse the bodies that publish or patch a version, and call the registry."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.errors import MalformedPayloadError, RequestRefusedError
from bridge.promptlayer.webhook_events import EventUser
from bridge.prompts.canonical_form import VERSION_FIELDS
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.registry import ExternalId, PromptRegistry
from bridge.sandbox.registry_entries import RegistryEntry, RegistryVersion
from bridge.sandbox.rest_endpoint import get_integer_field
from bridge.sandbox.validation import check_metadata, check_name

API_USER = EventUser(
    id=1, name=None, email=None
)  # whom PromptLayer names for an API key is unknown

_PATCHED_LISTS = ("messages", "content", "tools", "functions")


def save_published_version(
    registry: PromptRegistry,
    body: JsonObject,
    *,
    name: str | None = None,
    owned: ExternalId | None = None,
) -> RegistryVersion:
    """Save what ``CreatePromptTemplate`` describes, under ``name`` if given, owned by an external
    id if given."""
    base, version = _object(body, "prompt_template"), _object(body, "prompt_version")
    wanted = name if name is not None else base.get("prompt_name")
    check_name(wanted)
    check_metadata(version.get("metadata"))
    return registry.save_version(
        str(wanted),
        version.get("prompt_template") or {},
        metadata=version.get("metadata"),
        commit_message=version.get("commit_message"),
        tags=base.get("tags"),
        folder_id=base.get("folder_id"),
        labels=parse_release_labels(body) or (),
        external_ids=[*_external_ids(body), *([owned] if owned else [])],
        extra={key: version[key] for key in VERSION_FIELDS if version.get(key) is not None},
        actor=API_USER,
    )


def save_patched_version(
    registry: PromptRegistry, entry: RegistryEntry, body: JsonObject
) -> RegistryVersion:
    """Save a new version made of an old one and what ``PatchPromptTemplateVersion`` changes."""
    if body.get("version") and body.get("label"):
        raise MalformedPayloadError("version and label are mutually exclusive.")
    number = get_integer_field(body, "version") if body.get("version") else None
    base = registry.find_version(entry, number=number, label=body.get("label"))
    return registry.save_version(
        entry.name,
        _patched_template(base.template, body),
        metadata=_patched_metadata(base.metadata, body),
        commit_message=body.get("commit_message"),
        labels=parse_release_labels(body) or (),
        extra=base.extra,
        actor=API_USER,
    )


def parse_external_id(body: Mapping[str, Json]) -> ExternalId:
    source, value = body.get("source"), body.get("external_id")
    if not isinstance(source, str) or not 1 <= len(source) <= 128:
        raise RequestRefusedError("source: String should have 1 to 128 characters")
    if not isinstance(value, str) or not 1 <= len(value) <= 512:
        raise RequestRefusedError("external_id: String should have 1 to 512 characters")
    return source, value


def parse_release_labels(body: JsonObject) -> list[str] | None:
    labels = body.get("release_labels")
    if labels is None:
        return None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise RequestRefusedError("release_labels: Input should be a list of strings")
    return labels


def _external_ids(body: JsonObject) -> list[ExternalId]:
    return [parse_external_id(pair) for pair in body.get("external_ids") or []]


def _object(body: JsonObject, field: str) -> JsonObject:
    value = body.get(field)
    if not isinstance(value, dict):
        raise RequestRefusedError(f"{field}: Field required")
    return value


def _patched_template(template: JsonObject, body: JsonObject) -> JsonObject:
    patched = dict(template)
    for field in _PATCHED_LISTS:
        if field in body:
            _check_place(template, field)
            patched[field] = _patched_list(patched.get(field) or [], body[field], field)
    for field in ("function_call", "tool_choice"):
        if field in body:
            _check_place(template, field)
            patched[field] = body[field]
    return patched


def _check_place(template: JsonObject, field: str) -> None:
    if (field == "content") != (template["type"] == "completion"):
        raise MalformedPayloadError(f"{field} cannot be patched on a {template['type']} template.")


def _patched_list(items: list[Json], change: Json, field: str) -> list[Json] | None:
    if not isinstance(change, dict):
        return change if isinstance(change, list) else None
    patched = list(items)
    for index, item in change.items():
        if not index.isdigit() or int(index) >= len(items):
            raise MalformedPayloadError(f"{field}: index {index} is out of bounds.")
        patched[int(index)] = item
    return patched


def _patched_metadata(metadata: JsonObject | None, body: JsonObject) -> JsonObject | None:
    changes = dict(body.get("model_parameters") or {})
    if "response_format" in body:
        changes["response_format"] = body["response_format"]
    if not changes:
        return metadata
    model = dict((metadata or {}).get("model") or {})
    model["parameters"] = {**(model.get("parameters") or {}), **changes}
    return {**(metadata or {}), "model": model}
