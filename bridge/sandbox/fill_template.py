"""Fills input variables into a template, as the vendor's renderer does it: f-strings with
``str.format``, jinja2 in its sandbox, placeholder messages and tool variables with lists.

A variable that is not given is empty. A text that cannot be filled stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from jinja2 import ChainableUndefined
from jinja2.sandbox import SandboxedEnvironment

from bridge.prompts.input_variables import JINJA2
from bridge.prompts.prompt import Json, JsonObject

_JINJA = SandboxedEnvironment(undefined=ChainableUndefined)

Variables = Mapping[str, Any]


def fill_template(template: JsonObject, variables: Variables) -> JsonObject:
    """A copy of ``template`` with every variable filled in."""
    if template["type"] == "completion":
        return _fill_message(template, variables)
    messages = []
    for message in template["messages"]:
        if message.get("role") == "placeholder":
            messages += _list(variables.get(message.get("name") or ""))
        else:
            messages.append(_fill_message(message, variables))
    filled = {**template, "messages": messages}
    if template.get("tools"):
        filled["tools"] = [one for tool in template["tools"] for one in _fill_tool(tool, variables)]
    return filled


def _fill_message(message: JsonObject, variables: Variables) -> JsonObject:
    content, style = message.get("content"), message.get("template_format")
    if isinstance(content, list):
        content = [_fill_part(part, style, variables) for part in content]
    return {**message, "content": content}


def _fill_part(part: Json, style: Json, variables: Variables) -> Json:
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        return part
    return {**part, "text": _fill_text(part["text"], style, variables)}


def _fill_text(text: str, style: Json, variables: Variables) -> str:
    try:
        if style == JINJA2:
            return _JINJA.from_string(text).render(**variables)
        names = [name for _, name, _, _ in Formatter().parse(text) if name]
        known = {name: variables.get(name) for name in names}
        return text.format(**{name: "" if known[name] is None else known[name] for name in names})
    except Exception:
        return text  # as the vendor's renderer does, whatever went wrong


def _fill_tool(tool: JsonObject, variables: Variables) -> list[Json]:
    if tool.get("type") != "variable":
        return [tool]
    return _list(variables.get(tool.get("name") or ""))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
