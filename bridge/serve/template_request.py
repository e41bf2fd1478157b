"""What an application asks of ``/prompt-templates/{identifier}``, as PromptLayer's SDK and its API
say it. Pure.

https://docs.promptlayer.com/reference/templates-get, and ``promptlayer`` 1.5.16, ``utils.py``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import InvalidInputError
from bridge.prompts.prompt import JsonObject

LONGEST_TEXT = 512  # characters of a label, provider or model
_ONLY_PROMPTLAYER = ("metadata_filters", "model_parameter_overrides")


@dataclass(frozen=True)
class TemplateRequest:
    """Which answer is asked for."""

    version: int | None = None
    label: str | None = None
    provider: str = ""
    model: str = ""
    skip_rendering: bool = False
    input_variables: JsonObject = field(default_factory=dict)
    # What only PromptLayer can take into account, as it came.
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def build_upstream_body(self, version: int) -> JsonObject:
        """The same, asked of PromptLayer for one version."""
        asked: JsonObject = {"version": version, "input_variables": self.input_variables}
        asked |= {"provider": self.provider} if self.provider else {}
        asked |= {"model": self.model} if self.model else {}
        if self.skip_rendering:
            asked["skip_input_variable_rendering"] = True
        return asked | dict(self.overrides)


def parse_template_request(content: JsonObject) -> TemplateRequest:
    """Of the body of a POST. Raises InvalidInputError."""
    overrides = {name: _read_object(content, name) for name in _ONLY_PROMPTLAYER}
    return TemplateRequest(
        _read_version(content.get("version")),
        read_text(content, "label") or None,
        read_text(content, "provider"),
        read_text(content, "model"),
        _read_flag(content, "skip_input_variable_rendering"),
        _read_object(content, "input_variables"),
        {name: value for name, value in overrides.items() if value},
    )


def parse_version(text: str | None) -> int | None:
    """Of a query. Raises InvalidInputError."""
    if text is None:
        return None
    usable = text.isascii() and text.isdecimal() and len(text) < 10
    return _read_version(int(text) if usable else text)


def read_text(content: Mapping[str, Any], name: str) -> str:
    """A short text; "" where there is none. Raises InvalidInputError."""
    value = content.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise InvalidInputError(f"{name}: expected a text of at most {LONGEST_TEXT} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInputError(f"{name}: has half a character")
    return value


def _read_version(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise InvalidInputError("version: expected a number from 1")
    return value


def _read_flag(content: JsonObject, name: str) -> bool:
    value = content.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidInputError(f"{name}: expected true or false")
    return bool(value)


def _read_object(content: JsonObject, name: str) -> JsonObject:
    value = content.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError(f"{name}: expected an object")
    return value
