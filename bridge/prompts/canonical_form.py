"""The canonical form: what a template and its metadata mean, without what the backend adds.

PromptLayer gives a template back with more than was published: nulls, empty lists, computed
``input_variables``. Two prompts mean the same when their canonical forms are equal. Only keys at
positions of PromptLayer's own schema are touched; the JSON of engineers below them (parameters of
tools, functions and models, ``response_format``) is left alone, for there null and empty have a
meaning. Numbers stay what they are: 1 and 1.0 are different prompts. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.errors import MalformedPayloadError
from bridge.prompts.input_variables import F_STRING, find_message_variables, find_placeholder_names
from bridge.prompts.prompt import Json, JsonObject

CHAT = "chat"
COMPLETION = "completion"

# Fields of a version beside its template and metadata: they choose a custom provider.
VERSION_FIELDS = ("provider_base_url_name", "provider_id", "inference_client_name")

# Extra metadata keys are the only free fields of a version; this one carries our provenance.
PROVENANCE_KEY = "promptlayer_bridge"

_TEMPLATE_DEFAULTS: JsonObject = {
    "dataset_examples": [],
    "raw_request_display_role": "",
    "template_format": F_STRING,
}
_LIST_DEFAULTS: JsonObject = {**_TEMPLATE_DEFAULTS, "tools": [], "functions": []}
_FUNCTION_DEFAULTS: JsonObject = {"description": "", "strict": False}
_MODEL_DEFAULTS: JsonObject = {"parameters": {}, "display_params": {}}


def canonicalise_template(template: Json) -> JsonObject:
    """Build the normal form of a template; idempotent. Raises MalformedPayloadError when it is
    not an object whose ``type`` is ``chat`` or ``completion``; unknown fields stay."""
    _require_template(template)
    canonical = _without_defaults(template, _LIST_DEFAULTS)
    if canonical["type"] == CHAT:
        _normalise(canonical, "messages", _message, missing=[])
    else:
        canonical.update(_body(canonical), content=_content(canonical.get("content", [])))
    _normalise(canonical, "tools", _tool)
    _normalise(canonical, "functions", _function)
    _drop_computed_variables(canonical, *_computed_variables(canonical))
    return canonical


def canonicalise_metadata(metadata: Json) -> JsonObject:
    """The normal form of a version's metadata, without the bridge's own provenance in it."""
    if not isinstance(metadata, dict):
        return {}
    canonical = _without_defaults(metadata, {})
    canonical.pop(PROVENANCE_KEY, None)
    if isinstance(canonical.get("model"), dict):
        canonical["model"] = _without_defaults(canonical["model"], _MODEL_DEFAULTS)
    return canonical


def canonicalise_extra(version: JsonObject) -> JsonObject:
    """The custom-provider fields of an answer that are set."""
    return {key: version[key] for key in VERSION_FIELDS if version.get(key) is not None}


def expand_template(canonical: JsonObject) -> JsonObject:
    """A canonical template as PromptLayer likes it published: every message with its template
    format and input variables. ``canonicalise_template`` takes it back to what it was."""
    expanded = dict(canonical)
    if canonical["type"] == CHAT and isinstance(canonical.get("messages"), list):
        expanded["messages"] = [_expanded_message(message) for message in canonical["messages"]]
    elif canonical["type"] == COMPLETION:
        expanded.setdefault("template_format", F_STRING)
    expanded.setdefault("input_variables", sorted(_computed_variables(canonical)[0]))
    return expanded


def _expanded_message(message: Json) -> Json:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    computed = sorted(find_message_variables(message))
    return {"template_format": F_STRING, "input_variables": computed, **message}


def _require_template(template: Json) -> None:
    if not isinstance(template, dict):
        raise MalformedPayloadError(
            f"A prompt template is an object, and this one is {type(template).__name__}: "
            "look at the prompt in PromptLayer."
        )
    if template.get("type") not in (CHAT, COMPLETION):
        raise MalformedPayloadError(
            "A prompt template has the type chat or completion, and this one has neither: "
            "look at the prompt in PromptLayer."
        )


def _without_defaults(holder: JsonObject, defaults: JsonObject) -> JsonObject:
    return {
        key: value
        for key, value in holder.items()
        if value is not None and not (key in defaults and _same(value, defaults[key]))
    }


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _normalise(
    holder: JsonObject, key: str, one: Callable[[Json], Json], missing: Json = None
) -> None:
    """Replace the list under ``key`` by the normal forms of its items."""
    items = holder.get(key, missing)
    if isinstance(items, list):
        holder[key] = [one(item) for item in items]


def _message(message: Json) -> Json:
    if not isinstance(message, dict):
        return message
    canonical = _without_defaults(message, _TEMPLATE_DEFAULTS)
    canonical.update(_body(canonical))
    _normalise(canonical, "tool_calls", _tool_call)
    _drop_computed_variables(
        canonical, find_message_variables(canonical), find_placeholder_names(canonical)
    )
    return canonical


def _body(holder: JsonObject) -> JsonObject:
    return {"content": _content(holder["content"])} if "content" in holder else {}


def _content(content: Json) -> Json:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Json) -> Json:
    return _without_defaults(part, {}) if isinstance(part, dict) else part


def _tool_call(call: Json) -> Json:
    return _without_defaults(call, {}) if isinstance(call, dict) else call


def _tool(tool: Json) -> Json:
    if not isinstance(tool, dict):
        return tool
    canonical = _without_defaults(tool, {})
    if isinstance(canonical.get("function"), dict):
        canonical["function"] = _function(canonical["function"])
    return canonical


def _function(function: Json) -> Json:
    return (
        _without_defaults(function, _FUNCTION_DEFAULTS) if isinstance(function, dict) else function
    )


def _computed_variables(template: JsonObject) -> tuple[frozenset[str], frozenset[str]]:
    """Find the variables in the texts of a template, and the slots beside the texts."""
    if template["type"] == COMPLETION:
        return find_message_variables(template), find_placeholder_names(template)
    messages = template.get("messages")
    holders = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    asked = frozenset().union(*(find_message_variables(message) for message in holders))
    return asked, frozenset().union(*(find_placeholder_names(message) for message in holders))


def _drop_computed_variables(
    holder: JsonObject, asked: frozenset[str], beside: frozenset[str]
) -> None:
    """Drop ``input_variables`` that only repeat those of the text. Whether the backend counts
    placeholders among them is not documented: both ways are taken as computed."""
    declared = holder.get("input_variables")
    if not isinstance(declared, list) or not all(isinstance(name, str) for name in declared):
        return
    if frozenset(declared) in (asked, asked | beside):
        del holder["input_variables"]
