"""Read the header of a prompt file: its ``kind``, ``id``, ``label`` and ``name``, and nothing else
of it. Pure.

A YAML parser reads it, so comments, quotes, order, indentation and flow style change nothing, and a
nested key of the same name is not taken for the file's own. The parser stops as soon as it has all
four; of a file that the bridge wrote it reads the first five lines.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from bridge.prompts.file_format.schema import PROMPT_FILE_KIND
from bridge.prompts.file_format.source_text import MAX_FILE_BYTES, PromptFileFormat, is_lfs_pointer
from bridge.prompts.prompt import Json

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEYS = ("kind", "id", "label", "name")
_HEAD = 64 * 1024  # bytes of a broken file that are searched
_ID = re.compile(r"[0-9]{1,18}")
_BROKEN_FIELD = re.compile(
    rb"""(?:^|(?<=[{,]))(?P<blanks>[ \t]*)["']?(?P<key>kind|id|label|name)["']?[ \t]*:[ \t]*"""
    rb"""(?:"(?P<double>[^"\r\n]*)"|'(?P<single>[^'\r\n]*)'|["']?(?P<plain>[^\s,}#"']+))""",
    re.MULTILINE,
)


@dataclass(frozen=True)
class PromptFileOwner:
    """Who a prompt file says it belongs to; of one that is broken, seems to. Without ``is_marked``
    the file does not say that it is one, and is a mistake where a prompt file belongs: it is broken,
    a pointer of Git LFS, or has a name and a label and another ``kind``."""

    prompt_id: int | None
    label: str | None
    name: str | None = None
    is_marked: bool = True


_UNMARKED = PromptFileOwner(None, None, is_marked=False)


def read_owner(text: bytes, format: PromptFileFormat) -> PromptFileOwner | None:
    """Who a file belongs to; None when it is no prompt file."""
    if is_lfs_pointer(text):
        return _UNMARKED
    if len(text) > MAX_FILE_BYTES and (b"kind" not in text or b"v1" not in text):
        return None
    found: dict[str, str] = {}
    try:
        for key, value in _json_fields(text) if format == "json" else _yaml_fields(text):
            found.setdefault(key, value)
            if len(found) == len(_KEYS):
                break
    except (ValueError, yaml.YAMLError, RecursionError):
        return _broken_owner(found, text)
    if found.get("kind") == PROMPT_FILE_KIND:
        return _owner(found)
    return _UNMARKED if found.keys() >= {"name", "label"} else None


def _owner(found: dict[str, str]) -> PromptFileOwner:
    id = found.get("id", "")
    number = int(id) if _ID.fullmatch(id) else None
    return PromptFileOwner(number, found.get("label"), found.get("name"))


def _broken_owner(found: dict[str, str], text: bytes) -> PromptFileOwner:
    """Find the owner of a broken file from the values before the mistake and from the first
    characters of its lines: such a file must not be taken for a removed one."""
    outermost: dict[str, tuple[int, str]] = {}
    for field in _BROKEN_FIELD.finditer(text[:_HEAD]):
        value = next(filter(None, (field["double"], field["single"], field["plain"])), b"")
        before = text[: field.start()]
        depth = len(field["blanks"]) + before.count(b"{") - before.count(b"}")
        key = field["key"].decode()
        if key not in outermost or depth < outermost[key][0]:
            outermost[key] = depth, value.decode("utf-8", "replace")
    if not _ID.fullmatch(found.get("id", "")):
        found.pop("id", None)
    seen = {key: value for key, (_, value) in outermost.items()} | found
    return _owner(seen) if seen.get("kind") == PROMPT_FILE_KIND else _UNMARKED


def _json_fields(text: bytes) -> Iterator[tuple[str, str]]:
    """Read the outermost keys with scalar values. JSON that is broken is read as YAML, up to the
    mistake."""
    try:
        document: Json = json.loads(text.decode("utf-8-sig"))
    except ValueError:
        yield from _yaml_fields(text)
        raise
    fields = document.items() if isinstance(document, dict) else ()
    for key, value in fields:
        if key in _KEYS and isinstance(value, str | int):
            yield key, str(value)


def _yaml_fields(text: bytes) -> Iterator[tuple[str, str]]:
    """Read the outermost keys with scalar values in the first document."""
    nodes = _outermost_nodes(yaml.parse(text.decode("utf-8-sig"), Loader=_LOADER))
    for key, value in zip(nodes, nodes, strict=False):
        if key in _KEYS and value is not None:
            yield key, value


def _outermost_nodes(events: Iterator[yaml.Event]) -> Iterator[str | None]:
    """Keys and values of the outermost mapping in turn; None where one is a collection."""
    anchors: dict[str, str] = {}
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            if not depth:
                return
        elif isinstance(event, yaml.NodeEvent):
            if not depth and not isinstance(event, yaml.MappingStartEvent):
                deque(events, maxlen=0)  # marks of a merge begin like a text, and break further on
                return
            if isinstance(event, yaml.ScalarEvent) and event.anchor is not None:
                anchors[event.anchor] = event.value
            if depth == 1:
                yield _text(event, anchors)
            depth += isinstance(event, yaml.CollectionStartEvent)


def _text(event: yaml.NodeEvent, anchors: Mapping[str, str]) -> str | None:
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(str(event.anchor))
    return event.value if isinstance(event, yaml.ScalarEvent) else None
