"""The prompt file: made for the reviewer, and lossless.

``render`` and ``parse`` are inverse on everything but what the platform alone knows (commit
message, time, workspace): a prompt in canonical form comes back equal.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from bridge.errors import PromptFileError
from bridge.prompts.file_format.document import align_key_order, build_document, build_prompt_file
from bridge.prompts.file_format.schema import find_schema_violations
from bridge.prompts.file_format.source_text import (
    PromptFileFormat,
    build_mistake_error,
    read_source_document,
)
from bridge.prompts.file_format.yaml_updater import update_yaml
from bridge.prompts.file_format.yaml_writer import dump_yaml
from bridge.prompts.line_ends import normalise_line_ends, with_line_ends_of
from bridge.prompts.modeline import split_modeline
from bridge.prompts.prompt import JsonObject, PromptFile
from bridge.prompts.yaml_removal import cut_removed_list_items

_FIRST_INDENT = re.compile(r'\s*\{[ \t]*\n([ \t]*)"')
_BLANK_BEHIND_COLON = re.compile(r'"kind"\s*:\s')
_ON_ONE_LINE = frozenset({"tags"})


def render_prompt_file(
    file: PromptFile,
    format: PromptFileFormat = "yaml",
    existing: str | None = None,
    *,
    modeline: str = "",
) -> str:
    """The file's text, ending in a newline. ``existing`` is what the repository holds now: the
    comments, key order, quoting and line ends an engineer gave it survive, and only what changed
    changes. ``modeline`` is the first line of a file that is new, in YAML.
    Raises PromptFileError for a prompt that no file can hold (lone surrogates, endless nesting)."""
    try:
        former = None if existing is None else normalise_line_ends(existing)
        text = _rendered(file, format, former, modeline)
        if existing is not None:
            text = existing if text == former else with_line_ends_of(existing, text)
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptFileError(
            f"The prompt {file.prompt.name!r} holds half a character (a lone surrogate) that no "
            "file can hold: replace it in PromptLayer."
        ) from error
    except RecursionError as error:
        raise PromptFileError(
            f"The prompt {file.prompt.name!r} is nested too deeply for a file: make it simpler in "
            "PromptLayer."
        ) from error
    return text


def parse_prompt_file(
    text: str | bytes, *, path: str, format: PromptFileFormat = "yaml"
) -> PromptFile:
    """Read a prompt file. Raises PromptFileError: ``path:line: where: what was expected``."""
    source = read_source_document(text, path, format)
    if found := find_schema_violations(source.value):
        first, more = found[0], len(found) - 1
        also = f" (and {more} more {'mistakes' if more > 1 else 'mistake'})" if more else ""
        raise build_mistake_error(path, source.find_line(first.location), f"{first}{also}")
    return build_prompt_file(source.value)


def is_same_prompt_file(one: PromptFile, other: PromptFile) -> bool:
    """Whether two prompt files show the same: meaning, identity and provenance."""
    return _shown(one) == _shown(other)


def _shown(file: PromptFile) -> tuple[object, ...]:
    prompt = file.prompt
    return file.label, prompt.id, prompt.name, prompt.version, prompt.tags, prompt.digest


def _readable(text: str | None, format: PromptFileFormat) -> PromptFile | None:
    if text is None:
        return None
    try:
        return parse_prompt_file(text, path="", format=format)
    except PromptFileError:
        return None


def _in_order_of(file: PromptFile, former: PromptFile) -> PromptFile:
    prompt = replace(
        file.prompt,
        template=align_key_order(file.prompt.template, former.prompt.template),
        metadata=align_key_order(file.prompt.metadata, former.prompt.metadata),
    )
    return replace(file, prompt=prompt)


def _rendered(
    file: PromptFile, format: PromptFileFormat, existing: str | None, modeline: str
) -> str:
    former = _readable(existing, format)
    first_line, rest = (modeline, "") if existing is None else split_modeline(existing)
    if former is None or existing is None:
        return _fresh(file, format, first_line)
    if is_same_prompt_file(former, file):
        return existing
    ordered = _in_order_of(file, former)
    if format == "json":
        return _json_in_style_of(existing, build_document(ordered))
    fresh = _fresh(ordered, format, first_line)
    if rest == _fresh(former, format, ""):
        return fresh
    touched = _updated_yaml(existing, former, ordered)
    survivor = _readable(touched, format)
    return touched if touched and survivor and is_same_prompt_file(survivor, file) else fresh


def _updated_yaml(existing: str, former: PromptFile, wanted: PromptFile) -> str | None:
    """First without the messages, tools and parts that go, then with the rest changed in place."""
    document = build_document(wanted)
    shorter = cut_removed_list_items(existing, build_document(former), document)
    if shorter != existing and (left := _readable(shorter, "yaml")) is not None:
        existing, former = shorter, left
    return update_yaml(existing, build_document(former), document)


def _json_in_style_of(existing: str, document: JsonObject) -> str:
    """JSON as a formatter left it: indented or not, its keys in the order they had."""
    ordered = align_key_order(document, json.loads(existing))
    indented = _FIRST_INDENT.match(existing)
    tight = indented is None and _BLANK_BEHIND_COLON.search(existing) is None
    return (
        json.dumps(
            ordered,
            indent=indented[1] if indented else None,
            separators=(",", ":") if tight else None,
            ensure_ascii=existing.isascii() and "\\u" in existing,
        )
        + "\n"
    )


def _fresh(file: PromptFile, format: PromptFileFormat, first_line: str) -> str:
    document = build_document(file)
    if format == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return first_line + dump_yaml(document, _ON_ONE_LINE)
