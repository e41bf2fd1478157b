"""Changing a prompt file that an engineer has touched: comments, key order and quoting survive."""

from __future__ import annotations

import io
import json
from difflib import SequenceMatcher
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import (
    DoubleQuotedScalarString,
    LiteralScalarString,
    SingleQuotedScalarString,
)

from bridge.prompts.file_format.yaml_writer import fits_literal_block, fits_plain_scalar
from bridge.prompts.prompt import Json, JsonObject

# (mapping, sequence, offset): how far engineers indent, the bridge's own way first.
_INDENTS = ((2, 4, 2), (2, 2, 0), (4, 6, 4), (4, 4, 2), (4, 4, 0))

# Errors of ruamel in rare YAML: the file is rendered anew.
_BEYOND_THE_ROUND_TRIP = (
    YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    AssertionError,
    RecursionError,
)


def update_yaml(text: str, former: JsonObject, wanted: JsonObject) -> str | None:
    """``text``, which means ``former``, changed to mean ``wanted`` with as few lines as it takes.
    None when it cannot be done in place; the caller checks that the result reads as wanted."""
    try:
        yaml = _round_trip(text)
        tree = yaml.load(text)
        _merge_mapping(tree, former, wanted)
        return _dumped(yaml, tree)
    except _BEYOND_THE_ROUND_TRIP:
        return None


def _round_trip(text: str) -> YAML:
    """A round trip that gives ``text`` back as it is, if there is one."""
    candidates = [_yaml(*indent) for indent in _INDENTS]
    for yaml in candidates:
        if _dumped(yaml, yaml.load(text)) == text:
            return yaml
    return candidates[0]


def _yaml(mapping: int, sequence: int, offset: int) -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 2**31
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def _dumped(yaml: YAML, tree: Any) -> str:
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def _merge_mapping(tree: CommentedMap, former: JsonObject, wanted: JsonObject) -> None:
    for key in [key for key in tree if key in former and key not in wanted]:
        del tree[key]
    if "input_variables" in tree and "input_variables" not in wanted:
        del tree["input_variables"]  # only repeated what the text said, and the text changes
    for position, (key, value) in enumerate(wanted.items()):
        if key not in tree:
            tree.insert(_position(tree, list(wanted)[:position]), key, _node(value))
        elif key not in former or not _equal(former[key], value):
            tree[key] = _merged(tree[key], former.get(key), value)


def _position(tree: CommentedMap, before: list[str]) -> int:
    """Behind the last of the keys that stand before it in the wanted order."""
    keys = list(tree)
    return max((keys.index(key) + 1 for key in before if key in keys), default=0)


def _merged(node: Any, former: Json, wanted: Json) -> Any:
    if isinstance(node, CommentedMap) and isinstance(former, dict) and isinstance(wanted, dict):
        _merge_mapping(node, former, wanted)
        return node
    if isinstance(node, CommentedSeq) and isinstance(wanted, list) and _fits(node, former):
        _merge_sequence(node, former, wanted)
        return node
    return _scalar_like(node, wanted) if isinstance(wanted, str) else _node(wanted)


def _fits(node: CommentedSeq, former: Json) -> bool:
    return isinstance(former, list) and len(node) == len(former)


def _merge_sequence(node: CommentedSeq, former: list[Json], wanted: list[Json]) -> None:
    matcher = SequenceMatcher(None, _keys(former), _keys(wanted), autojunk=False)
    for what, start, end, first, last in reversed(matcher.get_opcodes()):
        paired = min(end - start, last - first) if what == "replace" else 0
        if what == "equal":
            continue
        for index in range(paired):
            at = start + index
            node[at] = _merged(node[at], former[at], wanted[first + index])
        for at in reversed(range(start + paired, end)):
            del node[at]
        for offset, value in enumerate(wanted[first + paired : last]):
            node.insert(start + paired + offset, _node(value))


def _keys(values: list[Json]) -> list[str]:
    return [json.dumps(value, sort_keys=True) for value in values]


def _equal(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _scalar_like(node: Any, text: str) -> Any:
    """``text`` in the quotes that stand there, if any; as a literal block where it has lines."""
    quoted = isinstance(node, DoubleQuotedScalarString | SingleQuotedScalarString)
    return type(node)(text) if quoted and not fits_literal_block(text) else _node(text)


def _node(value: Json) -> Any:
    if isinstance(value, dict):
        return CommentedMap((_styled(key), _node(item)) for key, item in value.items())
    if isinstance(value, list):
        return CommentedSeq(_node(item) for item in value)
    return _styled(value) if isinstance(value, str) else value


def _styled(text: str) -> str:
    if fits_plain_scalar(text):
        return text
    style: type[str] = LiteralScalarString if fits_literal_block(text) else DoubleQuotedScalarString
    return style(text)
