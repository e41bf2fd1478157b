"""The prompt file: made for the reviewer, and lossless.

``render`` and ``parse`` are inverse on everything but what the platform alone knows (commit
message, time, workspace): a prompt in canonical form comes back equal.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from bridge.errors import PromptFileError
from bridge.prompts.document import aligned, document_of, file_of
from bridge.prompts.line_ends import plain_text, with_line_ends_of
from bridge.prompts.modeline import split_modeline
from bridge.prompts.prompt import JsonObject, PromptFile
from bridge.prompts.schema import misfits
from bridge.prompts.source import Format, mistake, read
from bridge.prompts.yaml_removal import without_removed_items
from bridge.prompts.yaml_text import dump
from bridge.prompts.yaml_update import updated

_FIRST_INDENT = re.compile(r'\s*\{[ \t]*\n([ \t]*)"')
_BLANK_BEHIND_COLON = re.compile(r'"kind"\s*:\s')
_ON_ONE_LINE = frozenset({"tags"})


def render(
    file: PromptFile, format: Format = "yaml", existing: str | None = None, *, modeline: str = ""
) -> str:
    """The file's text, ending in a newline. ``existing`` is what the repository holds now: the
    comments, key order, quoting and line ends an engineer gave it survive, and only what changed
    changes. ``modeline`` is the first line of a file that is new, in YAML.
    Raises PromptFileError for a prompt that no file can hold (lone surrogates, endless nesting)."""
    try:
        former = None if existing is None else plain_text(existing)
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


def parse(text: str | bytes, *, path: str, format: Format = "yaml") -> PromptFile:
    """Read a prompt file. Raises PromptFileError: ``path:line: where: what was expected``."""
    source = read(text, path, format)
    if found := misfits(source.value):
        first, more = found[0], len(found) - 1
        also = f" (and {more} more {'mistakes' if more > 1 else 'mistake'})" if more else ""
        raise mistake(path, source.line(first.location), f"{first}{also}")
    return file_of(source.value)


def means_same(one: PromptFile, other: PromptFile) -> bool:
    """Whether two prompt files show the same: meaning, identity and provenance."""
    return _shown(one) == _shown(other)


def _shown(file: PromptFile) -> tuple[object, ...]:
    prompt = file.prompt
    return file.label, prompt.id, prompt.name, prompt.version, prompt.tags, prompt.digest


def _readable(text: str | None, format: Format) -> PromptFile | None:
    if text is None:
        return None
    try:
        return parse(text, path="", format=format)
    except PromptFileError:
        return None


def _in_order_of(file: PromptFile, former: PromptFile) -> PromptFile:
    prompt = replace(
        file.prompt,
        template=aligned(file.prompt.template, former.prompt.template),
        metadata=aligned(file.prompt.metadata, former.prompt.metadata),
    )
    return replace(file, prompt=prompt)


def _rendered(file: PromptFile, format: Format, existing: str | None, modeline: str) -> str:
    former = _readable(existing, format)
    first_line, rest = (modeline, "") if existing is None else split_modeline(existing)
    if former is None or existing is None:
        return _fresh(file, format, first_line)
    if means_same(former, file):
        return existing
    ordered = _in_order_of(file, former)
    if format == "json":
        return _json_in_style_of(existing, document_of(ordered))
    fresh = _fresh(ordered, format, first_line)
    if rest == _fresh(former, format, ""):
        return fresh
    touched = _updated_yaml(existing, former, ordered)
    survivor = _readable(touched, format)
    return touched if touched and survivor and means_same(survivor, file) else fresh


def _updated_yaml(existing: str, former: PromptFile, wanted: PromptFile) -> str | None:
    """First without the messages, tools and parts that go, then with the rest changed in place."""
    document = document_of(wanted)
    shorter = without_removed_items(existing, document_of(former), document)
    if shorter != existing and (left := _readable(shorter, "yaml")) is not None:
        existing, former = shorter, left
    return updated(existing, document_of(former), document)


def _json_in_style_of(existing: str, document: JsonObject) -> str:
    """JSON as a formatter left it: indented or not, its keys in the order they had."""
    ordered = aligned(document, json.loads(existing))
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


def _fresh(file: PromptFile, format: Format, first_line: str) -> str:
    document = document_of(file)
    if format == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return first_line + dump(document, _ON_ONE_LINE)
