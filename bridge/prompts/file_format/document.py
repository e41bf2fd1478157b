"""A prompt file as the document it shows: which key stands where, and in which order."""

from __future__ import annotations

from bridge.prompts.canonical_form import (
    CHAT,
    COMPLETION,
    VERSION_FIELDS,
    canonicalise_metadata,
    canonicalise_template,
)
from bridge.prompts.file_format.schema import PROMPT_FILE_KIND, find_schema_violations
from bridge.prompts.prompt import Json, JsonObject, Prompt, PromptFile

_BODY = {CHAT: "messages", COMPLETION: "content"}
_TEMPLATE_HEAD = ("template_format", "input_variables")
_TEMPLATE_TAIL = ("tools", "tool_choice", "functions", "function_call")
_MODEL_KEYS = ("provider", "name", "parameters")
_MESSAGE_KEYS = (
    "role",
    "name",
    "tool_call_id",
    "template_format",
    "input_variables",
    "content",
    "tool_calls",
    "function_call",
)
_PART_KEYS = ("type",)
_CALL_KEYS = ("id", "type", "function")
_FUNCTION_KEYS = ("name", "description", "strict", "parameters", "arguments")


def build_document(file: PromptFile) -> JsonObject:
    """Build the document of a prompt file. Template fields that do not fit the schema go under
    ``template``, where everything fits, so every canonical prompt has a document."""
    document = _head(file) | _model(file.prompt) | _template(file.prompt.template)
    unfit = {misfit.location[0] for misfit in find_schema_violations(document) if misfit.location}
    unfit &= {"model", *file.prompt.template}
    return _set_aside(document, file.prompt, unfit) if unfit else document


def build_prompt_file(document: JsonObject) -> PromptFile:
    """The prompt file a fitting document means."""
    metadata = dict(document.get("metadata") or {})
    if "model" in document:
        metadata["model"] = document["model"]
    prompt = Prompt(
        name=document["name"],
        template=canonicalise_template(_template_fields(document)),
        metadata=canonicalise_metadata(metadata),
        extra={k: document[k] for k in VERSION_FIELDS if document.get(k) is not None},
        id=document.get("id"),
        version=document.get("version"),
        tags=tuple(document.get("tags") or ()),
    )
    return PromptFile(prompt, document["label"])


def align_key_order(value: Json, model: Json) -> Json:
    """``value`` with the keys of its objects in the order they have in ``model``: the order of keys
    means nothing, and a diff should not show it."""
    if isinstance(value, dict) and isinstance(model, dict):
        ordered = {key: value[key] for key in model if key in value} | value
        return {key: align_key_order(item, model.get(key)) for key, item in ordered.items()}
    if isinstance(value, list) and isinstance(model, list):
        rest = value[len(model) :]
        return [align_key_order(v, m) for v, m in zip(value, model, strict=False)] + rest
    return value


def _head(file: PromptFile) -> JsonObject:
    prompt = file.prompt
    return {
        "kind": PROMPT_FILE_KIND,
        **({} if prompt.id is None else {"id": prompt.id}),
        "name": prompt.name,
        "label": file.label,
        **({} if prompt.version is None else {"version": prompt.version}),
        **({"tags": list(prompt.tags)} if prompt.tags else {}),
    }


def _model(prompt: Prompt) -> JsonObject:
    metadata = dict(prompt.metadata)
    shown: JsonObject = {}
    if isinstance(metadata.get("model"), dict):
        shown["model"] = _ordered(metadata.pop("model"), _MODEL_KEYS)
    if metadata:
        shown["metadata"] = metadata
    return shown | {key: prompt.extra[key] for key in VERSION_FIELDS if key in prompt.extra}


def _template(template: JsonObject) -> JsonObject:
    kind = template["type"]
    shown: JsonObject = {} if kind == CHAT else {"type": kind}
    known = (*_TEMPLATE_HEAD, _BODY[kind], *_TEMPLATE_TAIL)
    shown |= {key: _shown(key, template[key]) for key in known if key in template}
    rest = {key: value for key, value in template.items() if key not in (*known, "type")}
    return shown | ({"template": rest} if rest else {})


def _shown(key: str, value: Json) -> Json:
    if key == "content":
        return _content(value)
    if key == "messages" and isinstance(value, list):
        return [_message(message) for message in value]
    if key in ("tools", "functions") and isinstance(value, list):
        return [_tool(tool) for tool in value]
    return value


def _message(message: Json) -> Json:
    if not isinstance(message, dict):
        return message
    shown = _ordered(message, _MESSAGE_KEYS)
    if "content" in shown:
        shown["content"] = _content(shown["content"])
    if isinstance(shown.get("tool_calls"), list):
        shown["tool_calls"] = [_call(call) for call in shown["tool_calls"]]
    return shown


def _content(content: Json) -> Json:
    """One plain text part is shown as the text itself."""
    if not isinstance(content, list):
        return content
    if len(content) == 1 and isinstance(content[0], dict) and content[0].keys() == {"type", "text"}:
        part = content[0]
        if part["type"] == "text" and isinstance(part["text"], str):
            return part["text"]
    return [_ordered(part, _PART_KEYS) for part in content]


def _call(call: Json) -> Json:
    return _with_function(_ordered(call, _CALL_KEYS))


def _tool(tool: Json) -> Json:
    if isinstance(tool, dict) and "type" not in tool:
        return _ordered(tool, _FUNCTION_KEYS)
    return _with_function(_ordered(tool, ("type", "id", *_FUNCTION_KEYS)))


def _with_function(holder: Json) -> Json:
    if isinstance(holder, dict) and "function" in holder:
        return holder | {"function": _ordered(holder["function"], _FUNCTION_KEYS)}
    return holder


def _ordered(value: Json, first: tuple[str, ...]) -> Json:
    if not isinstance(value, dict):
        return value
    return {key: value[key] for key in first if key in value} | value


def _set_aside(document: JsonObject, prompt: Prompt, unfit: set[str | int]) -> JsonObject:
    kept = {key: value for key, value in document.items() if key not in unfit}
    template = {key: value for key, value in prompt.template.items() if key in unfit}
    if "model" in unfit:
        kept["metadata"] = kept.get("metadata", {}) | {"model": prompt.metadata["model"]}
    if template:
        kept["template"] = kept.pop("template", {}) | template
    return kept


def _template_fields(document: JsonObject) -> JsonObject:
    kind = document.get("type", CHAT)
    known = (*_TEMPLATE_HEAD, _BODY[kind], *_TEMPLATE_TAIL)
    shown = {key: document[key] for key in known if document.get(key) is not None}
    return {**(document.get("template") or {}), **shown, "type": kind}
