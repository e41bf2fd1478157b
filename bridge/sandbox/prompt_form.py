"""The page's form for a prompt: build its fields from a version, and a version from its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.registry_entries import (
    RegistryVersion,
    build_chat_template,
    build_completion_template,
)

ROLES = ("system", "user", "assistant", "developer")
EMPTY_ROWS = 1

PromptFormFields = Mapping[str, str]


@dataclass(frozen=True)
class PromptFormRow:
    """One message as the form shows it; a completion is one row without a role."""

    role: str
    text: str


def build_form_rows(template: JsonObject) -> list[PromptFormRow] | None:
    """The messages as plain text; None for a template that the form cannot show in full."""
    if template["type"] == "completion":
        text = _plain_text(template["content"])
        return None if text is None else [PromptFormRow("", text)]
    texts = [_plain_text(message.get("content")) for message in template["messages"]]
    roles = [message.get("role") for message in template["messages"]]
    if None in texts or not set(roles) <= set(ROLES):
        return None
    return [PromptFormRow(str(role), str(text)) for role, text in zip(roles, texts, strict=True)]


def apply_form_to_template(before: JsonObject | None, form: PromptFormFields) -> JsonObject:
    """The opened version's template with the form's texts, so that parts that the form does not
    show are not lost. A message with an empty text is removed."""
    if "template" in form:
        return _json_object(form["template"], "The template")
    if before is None:
        return _new_template(form)
    if before["type"] == "completion":
        return {**before, "content": _with_text(before["content"], _text(form, 0))}
    messages = [_edited_message(before["messages"], index, form) for index in _indexes(form)]
    return {**before, "messages": [message for message in messages if message is not None]}


def apply_form_to_metadata(before: JsonObject | None, form: PromptFormFields) -> JsonObject | None:
    """The metadata with the form's model; without a model name, without a model."""
    metadata = {key: value for key, value in (before or {}).items() if key != "model"}
    if form.get("model"):
        parameters = _json_object(form.get("parameters") or "{}", "The parameters")
        metadata["model"] = {
            **((before or {}).get("model") or {}),
            "provider": form.get("provider") or "openai",
            "name": form["model"],
            "parameters": parameters,
        }
    return metadata or None


def build_model_fields(version: RegistryVersion | None) -> dict[str, str]:
    """Provider, name and parameters as the form shows them."""
    metadata = (version.metadata if version else None) or {}
    model = metadata.get("model") or {}
    parameters = model.get("parameters") or {}
    return {
        "provider": model.get("provider", "openai"),
        "name": model.get("name", "" if version else "gpt-4o"),
        "parameters": json.dumps(parameters, indent=2, ensure_ascii=False) if parameters else "",
    }


def _new_template(form: PromptFormFields) -> JsonObject:
    if form.get("kind") == "completion":
        return build_completion_template(_text(form, 0))
    texts = ((form.get(f"role-{i}", "user"), _text(form, i)) for i in _indexes(form))
    return build_chat_template(*((role, text) for role, text in texts if text))


def _indexes(form: PromptFormFields) -> range:
    return range(sum(1 for field in form if field.startswith("text-")))


def _text(form: PromptFormFields, index: int) -> str:
    return form.get(f"text-{index}", "").replace("\r\n", "\n")  # browsers send CRLF


def _edited_message(
    before: list[JsonObject], index: int, form: PromptFormFields
) -> JsonObject | None:
    role, text = form.get(f"role-{index}", "user"), _text(form, index)
    if index >= len(before):
        return {"role": role, "content": _with_text([], text)} if text else None
    message = before[index]
    if not text and _plain_text(message.get("content")):
        return None
    return {**message, "role": role, "content": _with_text(message.get("content"), text)}


def _plain_text(content: Json) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, list) and len(content) == 1 and content[0].get("type") == "text":
        text = content[0].get("text")
        return text if isinstance(text, str) else None
    return None


def _with_text(content: Json, text: str) -> list[JsonObject]:
    part = content[0] if isinstance(content, list) and content else {"type": "text"}
    return [{**part, "text": text}]


def _json_object(text: str, what: str) -> JsonObject:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(f"{what} should be JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RequestRefusedError(f"{what} should be a JSON object.")
    return value
