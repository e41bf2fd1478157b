"""The schema of prompt files, as pydantic models; ``prompts-schema/prompt.v1.json`` is their dump.

The models validate only: values are taken from the file itself, so nothing is coerced and nothing
unknown inside a message or a part is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import ErrorDetails

from bridge.prompts.prompt import Json, JsonObject

PROMPT_FILE_KIND = "prompt/v1"
SCHEMA_ID = "urn:promptlayer-bridge:prompt:v1"  # a name, and no address that anybody could serve

_OPEN = ConfigDict(strict=True, extra="allow")
_CLOSED = ConfigDict(strict=True, extra="forbid", title="Prompt file")

Role = Literal["system", "user", "assistant", "developer", "tool", "function", "placeholder"]
TemplateFormat = Annotated[
    Literal["f-string", "jinja2"],
    Field(
        description="How variables are written: `{name}` (f-string, the default) or `{{ name }}`."
    ),
]
InputVariables = Annotated[
    list[str],
    Field(description="Only needed where they differ from the variables the text asks for."),
]


class ContentPart(BaseModel):
    """One part of a content: text, an image, media, reasoning, a provider's tool call …"""

    model_config = _OPEN
    type: str = Field(
        description="`text`, `image_url`, `media`, `media_variable`, `thinking`, `code` or any other "
        "part type of PromptLayer; keys of types not described here are kept as they are.",
        examples=["text", "image_url", "media", "media_variable", "thinking", "code"],
    )
    text: str | None = Field(default=None, description="The text of a `text` part.")


def _kind_of_content(content: Any) -> str:
    return "text" if isinstance(content, str) else "parts"


Content = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[ContentPart], Tag("parts")],
    Discriminator(_kind_of_content),
    Field(description="One text, best as a literal block (`|`), or a list of parts."),
]


class CalledFunction(BaseModel):
    """The function a model called."""

    model_config = _OPEN
    name: str = Field(description="The function's name.")
    arguments: str = Field(description="Its arguments: JSON, as one text.")


class ToolCall(BaseModel):
    """A call of a tool in an assistant's message."""

    model_config = _OPEN
    id: str | None = Field(default=None, description="What the tool's answer refers to.")
    type: str | None = Field(default=None, description="`function`.")
    function: CalledFunction


class PromptMessage(BaseModel):
    """One message of a chat prompt."""

    model_config = _OPEN
    role: Role = Field(description="Who speaks; `placeholder` is filled with messages at run time.")
    name: str | None = Field(default=None, description="The speaker's or the placeholder's name.")
    template_format: TemplateFormat | None = None
    input_variables: InputVariables | None = None
    content: Content | None = None
    tool_calls: list[ToolCall] | None = Field(
        default=None, description="The tools an assistant's message calls."
    )
    function_call: Any = Field(default=None, description="Deprecated form of `tool_calls`.")
    tool_call_id: str | None = Field(
        default=None, description="The call that a `tool` message answers."
    )


class ModelSettings(BaseModel):
    """Which model runs the prompt, and how."""

    model_config = _OPEN
    provider: str | None = Field(default=None, examples=["openai", "anthropic", "google"])
    name: str | None = Field(default=None, description="The model's name at the provider.")
    parameters: dict[str, Any] | None = Field(
        default=None, description="Passed to the model: `temperature`, `response_format` …"
    )


class PromptDocument(BaseModel):
    """A prompt as a file: edited here and merged, it becomes a new version in PromptLayer."""

    model_config = _CLOSED
    kind: Literal["prompt/v1"] = Field(description="What this file is.")
    id: int | None = Field(
        default=None,
        description="PromptLayer's id of the prompt. It survives a rename; leave it out in a new file.",
    )
    name: str = Field(min_length=1, description="The prompt's name in PromptLayer.")
    label: str = Field(
        min_length=1, description="What this file tracks: a release label, or `latest`."
    )
    version: int | None = Field(
        default=None, description="The version this content came from. Not compared."
    )
    tags: list[str] | None = Field(default=None, description="The prompt's tags. Not compared.")
    model: ModelSettings | None = None
    metadata: dict[str, Any] | None = Field(
        default=None, description="The version's other metadata."
    )
    provider_base_url_name: Any = Field(
        default=None, description="The custom provider, by its base URL's name."
    )
    provider_id: Any = Field(default=None, description="The custom provider's id.")
    inference_client_name: Any = Field(default=None, description="The inference client.")
    type: Literal["chat", "completion"] = Field(
        default="chat", description="`chat` has messages, `completion` (and a snippet) content."
    )
    template_format: TemplateFormat | None = None
    input_variables: InputVariables | None = None
    messages: list[PromptMessage] | None = Field(
        default=None, description="What a chat prompt says."
    )
    content: Content | None = None
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="Tools the model may call, as PromptLayer holds them."
    )
    tool_choice: Any = Field(default=None, description="Which tool the model has to use.")
    functions: list[dict[str, Any]] | None = Field(
        default=None, description="Deprecated form of `tools`."
    )
    function_call: Any = Field(default=None, description="Deprecated form of `tool_choice`.")
    template: dict[str, Any] | None = Field(
        default=None,
        description="Fields of the template that this schema does not describe, kept as they are.",
    )


def build_prompt_schema() -> JsonObject:
    """The JSON Schema of a prompt file, for editors and for validation elsewhere."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **PromptDocument.model_json_schema(),
    }


@dataclass(frozen=True)
class SchemaViolation:
    """One place of a document that does not fit the schema."""

    location: tuple[str | int, ...]
    what: str  # the expected value and the present one

    def __str__(self) -> str:
        return f"{format_location(self.location)}: {self.what}" if self.location else self.what


def find_schema_violations(document: Json) -> list[SchemaViolation]:
    """Everything in ``document`` that does not fit, in the order of the schema."""
    if not isinstance(document, dict):
        return [SchemaViolation((), "expected a mapping that starts with `kind: prompt/v1`")]
    try:
        PromptDocument.model_validate(document)
    except ValidationError as error:
        return [_misfit(document, details) for details in error.errors(include_url=False)]
    return list(_shape_misfits(document))


def format_location(location: tuple[str | int, ...]) -> str:
    """``messages[1].role``"""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")


def _shape_misfits(document: JsonObject) -> Iterator[SchemaViolation]:
    completion = document.get("type") == "completion"
    wanted, foreign = ("content", "messages") if completion else ("messages", "content")
    kind = "completion" if completion else "chat"
    if document.get(foreign) is not None:
        yield SchemaViolation(
            (foreign,), f"expected `{wanted}` in a {kind} prompt, got `{foreign}`"
        )
    elif document.get(wanted) is None and wanted not in (document.get("template") or {}):
        yield SchemaViolation((), f"expected `{wanted}` in a {kind} prompt, got none")


def _misfit(document: JsonObject, error: ErrorDetails) -> SchemaViolation:
    location = _location(document, error["loc"])
    if error["type"] == "missing":
        return SchemaViolation(location, "expected a value, got none")
    if error["type"] == "extra_forbidden":
        return SchemaViolation(
            location, f"is not a key of a prompt file{_hint(str(error['loc'][-1]))}"
        )
    return SchemaViolation(location, f"expected {_expected(error)}, got {_shown(error['input'])}")


def _location(document: JsonObject, steps: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Format pydantic's location in the document, without its names for the branches of a union."""
    here: Json = document
    location: list[str | int] = []
    for step in steps:
        if isinstance(here, list) and isinstance(step, int):
            here = here[step]
        elif isinstance(here, dict) and isinstance(step, str):
            here = here.get(step)
        else:
            continue
        location.append(step)
    return tuple(location)


def _expected(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return f"one of {context['expected']}"
    return {
        "string_type": "text",
        "string_too_short": "text that is not empty",
        "int_type": "a whole number",
        "list_type": "a list",
        "dict_type": "a mapping",
        "model_type": "a mapping",
    }.get(error["type"], error["msg"].lower())


def _shown(value: Json) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


@cache
def _hint(key: str) -> str:
    close = get_close_matches(key, PromptDocument.model_fields, n=1)
    return f": did you mean `{close[0]}`?" if close else ": take it out, or put it under `metadata`"
