"""The arguments for a model's API (``llm_kwargs``) that the stand-in makes of a template.

PromptLayer does not document how it makes them. Recorded are OpenAI's, where parameters of the
version beat everything else; https://docs.promptlayer.com/reference/get-prompt-template describes
that a provider may be asked for.
"""

from __future__ import annotations

from bridge.prompts.prompt import Json, JsonObject

ANTHROPIC_MAX_TOKENS = 256  # the API requires the field


def build_model_arguments(
    template: JsonObject,
    metadata: JsonObject | None,
    *,
    provider: str | None = None,
    model: str | None = None,
    overrides: JsonObject | None = None,
) -> JsonObject | None:
    """The arguments for the model that ``metadata`` names, or the one that is asked for. None
    where there is no model."""
    known = _object(_object(metadata).get("model"))
    provider, name = provider or known.get("provider"), model or known.get("name")
    if not provider or not name:
        return None
    parameters = {**_object(known.get("parameters")), **(overrides or {})}
    build = _build_for_anthropic if provider.startswith("anthropic") else _build_for_openai
    return {**build(template, name), **parameters}


def _build_for_openai(template: JsonObject, model: str) -> JsonObject:
    if template["type"] == "completion":
        return {"model": model, "prompt": _join_texts(template.get("content"))}
    messages = [
        {
            key: value
            for key, value in message.items()
            if key in _OPENAI_FIELDS and value is not None
        }
        for message in template["messages"]
    ]
    tools = template.get("tools")
    return {"messages": messages, "model": model, **({"tools": tools} if tools else {})}


_OPENAI_FIELDS = ("role", "content", "name", "tool_calls", "tool_call_id", "function_call")


def _build_for_anthropic(template: JsonObject, model: str) -> JsonObject:
    arguments: JsonObject = {"model": model, "max_tokens": ANTHROPIC_MAX_TOKENS}
    if template["type"] == "completion":
        return {**arguments, "prompt": _join_texts(template.get("content"))}
    messages = [
        {"role": message.get("role"), "content": message.get("content")}
        for message in template["messages"]
    ]
    system = [
        part for one in messages if one["role"] == "system" for part in _parts(one["content"])
    ]
    if system:
        arguments["system"] = system
    return {**arguments, "messages": [one for one in messages if one["role"] != "system"]}


def _join_texts(content: Json) -> str:
    return "".join(part.get("text", "") for part in _parts(content))


def _parts(content: Json) -> list[JsonObject]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part for part in content or () if isinstance(part, dict)]


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
