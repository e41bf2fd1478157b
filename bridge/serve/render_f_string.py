"""Fill the input variables of PromptLayer's unrendered answer, as PromptLayer's SDK does. Pure.

Only plain names of f-strings are filled. ``str.format`` on a template that somebody else wrote
makes a gigabyte of ``{x:>999999999}`` and reads attributes of ``{x.__class__}``; such a template,
like one of jinja2, is left to PromptLayer.

Which texts of an answer are filled: ``promptlayer`` 1.5.16, ``template_cache.py``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

from bridge.prompts.input_variables import F_STRING, find_placeholder_names
from bridge.prompts.prompt import Json, JsonObject

LARGEST_ANSWER = 16 * 1024 * 1024  # bytes of a rendered answer
_TEMPLATE_TYPES = ("text",)
_ARGUMENT_TYPES = ("text", "input_text", None)
_COMPILED = 1024  # answers; those that were rendered last
_TextPlace = tuple[Json, str]  # a JSON object, and the key of a text in it


class UnfillableTemplateError(Exception):
    """A template, or a value for it, that only PromptLayer renders; the message says why."""


@dataclass(frozen=True)
class FStringAnswer:
    """An answer in pieces: JSON that is fixed, and between two pieces the name that stands there."""

    pieces: tuple[bytes, ...]
    names: tuple[str, ...]  # one less than pieces

    def render(self, variables: Mapping[str, Json]) -> bytes:
        """The answer with its variables filled; one that is not given is empty. Raises
        UnfillableTemplateError for a value that is a list or an object, and for an answer of more
        than LARGEST_ANSWER bytes."""
        values = {name: _encode_value(name, variables.get(name)) for name in set(self.names)}
        size = sum(map(len, self.pieces)) + sum(len(values[name]) for name in self.names)
        if size > LARGEST_ANSWER:
            raise UnfillableTemplateError(f"it would be {size:,} bytes long")
        parts = [self.pieces[0]]
        for name, piece in zip(self.names, self.pieces[1:], strict=True):
            parts += (values[name], piece)
        return b"".join(parts)


def render_f_string_answer(body: bytes, variables: Mapping[str, Json]) -> bytes:
    """PromptLayer's answer, unrendered, with its variables filled. Raises UnfillableTemplateError
    where only PromptLayer can do so."""
    if not variables and not _has_arguments(body):
        return body  # PromptLayer leaves it as it is too
    return parse_f_string_answer(body).render(variables)


@lru_cache(maxsize=4 * _COMPILED)
def _has_arguments(body: bytes) -> bool:
    return json.loads(body).get("llm_kwargs") is not None


@lru_cache(maxsize=_COMPILED)
def parse_f_string_answer(body: bytes) -> FStringAnswer:
    """PromptLayer's answer, unrendered, ready to be filled. Raises UnfillableTemplateError."""
    answer = json.loads(body)
    template = answer.get("prompt_template")
    template = template if isinstance(template, dict) else {}
    _refuse_unfillable_parts(template)
    places = list(_find_texts(answer, template))
    if all(_is_fixed(holder[key]) for holder, key in places):
        return FStringAnswer((body,), ())
    if _read_formats(template) - {F_STRING}:
        raise UnfillableTemplateError("its template is jinja2")
    marker = f"@{secrets.token_hex(16)}@"  # in no text, and the same when it is written as JSON
    names: list[str] = []
    for holder, key in places:
        holder[key] = _mark_names(holder[key], marker, names)
    pieces = json.dumps(answer).encode().split(marker.encode())
    return FStringAnswer(tuple(pieces[::2]), tuple(names[int(each)] for each in pieces[1::2]))


def _encode_value(name: str, value: Json) -> bytes:
    if isinstance(value, list | dict):
        raise UnfillableTemplateError(f"its variable {name[:100]!r} is no text and no number")
    text = "" if value is None else str(value)
    return json.dumps(text)[1:-1].encode()


def _mark_names(text: str, marker: str, names: list[str]) -> str:
    """The text with its doubled braces undone and each name as a number between markers."""
    if "{" not in text and "}" not in text:
        return text
    made: list[str] = []
    try:
        for literal, name, form, conversion in Formatter().parse(text):
            made.append(literal)
            if name is None:
                continue
            if form or conversion or not name or set(name) & set(".[]{}") or name.isdecimal():
                raise UnfillableTemplateError(
                    "it has more between braces than the name of a variable"
                )
            made.append(f"{marker}{len(names)}{marker}")
            names.append(name)
    except ValueError:
        raise UnfillableTemplateError("it has a brace without its partner") from None
    return "".join(made)


def _is_fixed(text: str) -> bool:
    """Whether a text is the same once it is rendered, in either format."""
    return not any(each in text for each in "{}\r") and not text.endswith("\n")


def _refuse_unfillable_parts(template: JsonObject) -> None:
    for message in (*_list_objects(template.get("messages")), template):
        if message.get("role") == "placeholder" or find_placeholder_names(message):
            raise UnfillableTemplateError("it has placeholders for messages or media")
    if any(tool.get("type") == "variable" for tool in _list_objects(template.get("tools"))):
        raise UnfillableTemplateError("it has tools that are variables")


def _read_formats(template: JsonObject) -> set[str]:
    messages = _list_objects(template.get("messages"))
    holders = messages if template.get("type") == "chat" else [template]
    return {str(holder.get("template_format", F_STRING)) for holder in holders}


def _find_texts(answer: JsonObject, template: JsonObject) -> Iterator[_TextPlace]:
    for holder in (template, *_list_objects(template.get("messages"))):
        yield from _find_block_texts(holder.get("content"), _TEMPLATE_TYPES)
    arguments = answer.get("llm_kwargs")
    if isinstance(arguments, dict):
        yield from _find_argument_texts(arguments)


def _find_argument_texts(arguments: JsonObject) -> Iterator[_TextPlace]:
    """Where the calls of OpenAI, Anthropic, Mistral, Bedrock and Google have their texts."""
    for message in (
        *_list_objects(arguments.get("messages")),
        *_list_objects(arguments.get("input")),
    ):
        yield from _find_content_texts(message, "content")
    yield from _find_content_texts(arguments, "system")
    yield from _find_content_texts(arguments, "prompt", blocks=False)
    instruction = arguments.get("system_instruction")
    if instruction is None and isinstance(arguments.get("generation_config"), dict):
        instruction = arguments["generation_config"].get("system_instruction")
    for parts in (
        *(item.get("parts") for item in _list_objects(arguments.get("contents"))),
        *(item.get("parts") for item in _list_objects(arguments.get("history"))),
        instruction.get("parts") if isinstance(instruction, dict) else instruction,
    ):
        yield from ((part, "text") for part in _list_objects(parts) if _has_text(part, "text"))


def _find_content_texts(
    holder: JsonObject, key: str, *, blocks: bool = True
) -> Iterator[_TextPlace]:
    if _has_text(holder, key):
        yield holder, key
    elif blocks:
        yield from _find_block_texts(holder.get(key), _ARGUMENT_TYPES)


def _find_block_texts(content: Json, types: Sequence[str | None]) -> Iterator[_TextPlace]:
    for block in _list_objects(content):
        if block.get("type") in types and _has_text(block, "text"):
            yield block, "text"


def _has_text(holder: JsonObject, key: str) -> bool:
    return isinstance(holder.get(key), str)


def _list_objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
