"""Removing items of lists from YAML text: the comments of those that stay stay with them.

The round trip that changes the rest (``bridge.prompts.file_format.yaml_updater``) keeps a comment with what
stands before it, so that a message that goes would take along what is said of the next one. Here
a comment above an item is the item's, and so is one below it that is indented further. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher

import yaml

from bridge.prompts.prompt import Json, JsonObject

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Lines = tuple[int, int]  # the first line, and the one after the last; from 0


def cut_removed_list_items(text: str, former: JsonObject, wanted: JsonObject) -> str:
    """``text``, which means ``former``, without the lines of the list items that are not in
    ``wanted``; all else stays as it is."""
    lines = text.split("\n")
    root = yaml.compose(text, Loader=_LOADER)
    for start, end in sorted(_removed(root, former, wanted, lines), reverse=True):
        del lines[start:end]
    return "\n".join(lines)


def _removed(
    node: yaml.Node | None, former: Json, wanted: Json, lines: list[str]
) -> Iterator[Lines]:
    if isinstance(node, yaml.MappingNode) and isinstance(former, dict) and isinstance(wanted, dict):
        for key, value in node.value:
            name = key.value
            if isinstance(name, str) and name in former and name in wanted:
                yield from _removed(value, former[name], wanted[name], lines)
    elif isinstance(node, yaml.SequenceNode) and _can_be_paired(node, former, wanted):
        yield from _removed_items(node, former, wanted, lines)


def _can_be_paired(node: yaml.SequenceNode, former: Json, wanted: Json) -> bool:
    """Whether the items of ``former`` are those of the text, and some of them are to stay."""
    if not (isinstance(former, list) and isinstance(wanted, list)):
        return False
    return len(node.value) == len(former) and bool(wanted)


def _removed_items(
    node: yaml.SequenceNode, former: list[Json], wanted: list[Json], lines: list[str]
) -> Iterator[Lines]:
    before, after = ([json.dumps(one, sort_keys=True) for one in some] for some in (former, wanted))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for what, start, end, first, last in matcher.get_opcodes():
        paired = min(end - start, last - first) if what == "replace" else 0
        for offset in range(paired):
            at = start + offset
            yield from _removed(node.value[at], former[at], wanted[first + offset], lines)
        if what in ("delete", "replace"):
            for item in node.value[start + paired : end]:
                yield from _lines_of(item, lines)


def _lines_of(item: yaml.Node, lines: list[str]) -> Iterator[Lines]:
    """The lines of an item of a block list, with the comments that are its own; none where it does
    not have its lines for itself."""
    start = item.start_mark.line
    head = lines[start][: item.start_mark.column]
    if head.strip() != "-":
        return
    dash = head.index("-")
    end = _end_of(item)
    while end < len(lines) and _indent_of_comment(lines[end]) > dash:
        end += 1
    while start and 0 <= _indent_of_comment(lines[start - 1]) <= dash:
        start -= 1
    while start and end < len(lines) and not lines[start - 1].strip() and not lines[end].strip():
        end += 1
    yield start, end


def _indent_of_comment(line: str) -> int:
    """How far a line that is nothing but a comment is indented; -1 for any other line."""
    stripped = line.lstrip(" \t")
    return len(line) - len(stripped) if stripped.startswith("#") else -1


def _end_of(node: yaml.Node) -> int:
    """The line after the last one of a node. A block's own end is where the next begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end_of(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line) + (1 if node.end_mark.column else 0)
