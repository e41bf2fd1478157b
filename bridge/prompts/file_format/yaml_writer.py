"""JSON values as YAML text made for review.

The writer is our own because no library chooses styles the way a reviewer reads: multi-line text
as literal blocks, one value a line, no line ever wrapped, and plain words only where every reader,
YAML 1.1 or 1.2, takes them for the same text. It is also far faster, which a first import of ten
thousand prompts can feel. ``bridge.prompts.file_format.source_text`` reads it back.
"""

from __future__ import annotations

import re
from functools import lru_cache

from bridge.prompts.prompt import Json, JsonObject

# Plain only when it is unambiguous: it starts with a letter and has no indicator.
_PLAIN = re.compile(
    r"[A-Za-z_/\u00c0-\u1fff\u3040-\ud7ff](?:[^\x00-\x20\x7f-\xa0:#\ufffe\uffff\ufeff\u2028\u2029\ud800-\udfff]|:(?=[^\s])|(?<! )#| +(?=[^ #]))*"
)
_PLAIN_IN_FLOW = re.compile(r"[A-Za-z0-9_./ -]+")
_RESERVED = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])

# Characters that a quoted or literal scalar has to escape.
_UNPRINTABLE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_NEEDS_ESCAPE = re.compile(
    r'["\\]|[^\x20-\x7e\xa0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]'
)
_STARTS_BLANK = re.compile(r"\n*[ \t]")
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
}
_LONGEST_SIMPLE_KEY = 1000  # readers look 1,024 characters ahead for the colon
_COLLECTIONS = (dict, list)  # for every value of every prompt: a union would be made each time
INDENT = 2  # columns a level
MAX_DEPTH = 200  # levels; deeper JSON is refused when written and when read


def dump_yaml(document: JsonObject, flow: frozenset[str] = frozenset()) -> str:
    """``document`` as YAML. Top-level lists named in ``flow`` stand on one line. The document holds
    JSON values only, and no lone surrogates. Raises RecursionError beyond DEEPEST levels."""
    lines: list[str] = []
    for key, value in document.items():
        if key in flow and isinstance(value, list):
            lines.append(f"{_key(key)}: [{', '.join(_flow_scalar(item) for item in value)}]")
        else:
            _write_entry(key, value, 0, lines)
    return "\n".join(lines) + "\n"


def _write(value: Json, indent: int, lines: list[str]) -> None:
    """Write a collection that is not empty, as a block whose entries start at column ``indent``."""
    if indent >= INDENT * MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        for key, item in value.items():
            _write_entry(key, item, indent, lines)
    else:
        for item in value:
            _write_item(item, indent, lines)


def _write_entry(key: str, value: Json, indent: int, lines: list[str]) -> None:
    head = " " * indent + _key(key)
    if len(head) > _LONGEST_SIMPLE_KEY:
        lines.append(" " * indent + "? " + _key(key))
        head = " " * indent
    if isinstance(value, _COLLECTIONS) and value:
        lines.append(head + ":")
        _write(value, indent + INDENT, lines)
    else:
        lines.append(f"{head}: {_scalar(value, indent + INDENT)}")


def _write_item(value: Json, indent: int, lines: list[str]) -> None:
    if isinstance(value, _COLLECTIONS) and value:
        first = len(lines)
        _write(value, indent + INDENT, lines)
        lines[first] = " " * indent + "- " + lines[first][indent + INDENT :]
    else:
        lines.append(f"{' ' * indent}- {_scalar(value, indent + INDENT)}")


@lru_cache(maxsize=4096)
def _key(key: str) -> str:
    return key if fits_plain_scalar(key) else _quoted(key)


def _scalar(value: Json, indent: int) -> str:
    if isinstance(value, str):
        return _text(value, indent)
    return _number_or_word(value)


def _flow_scalar(value: Json) -> str:
    if not isinstance(value, str):
        return _number_or_word(value)
    return value if fits_plain_scalar(value) and _PLAIN_IN_FLOW.fullmatch(value) else _quoted(value)


def _number_or_word(value: Json) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return "null" if value is None else str(value)  # also [] and {}


def _float(value: float) -> str:
    if value != value:
        return ".nan"
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    # YAML 1.1 knows an exponent only behind a point.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _text(text: str, indent: int) -> str:
    """Write ``text`` as a scalar whose further lines, if any, start at column ``indent``."""
    if "\n" in text and text.strip("\n \t"):
        return _literal(text, indent) if fits_literal_block(text) else _folded(text, indent)
    return text if fits_plain_scalar(text) else _quoted(text)


def fits_literal_block(text: str) -> bool:
    """Whether a literal block gives multi-line ``text`` back as it is: CR, NEL and others do not
    survive there, and neither does a text of nothing but blanks."""
    return "\n" in text and bool(text.strip("\n \t")) and not _UNPRINTABLE.search(text)


def fits_plain_scalar(text: str) -> bool:
    """Whether every reader takes ``text`` for this text without quotes (outside of flow)."""
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _RESERVED


def _literal(text: str, indent: int) -> str:
    header = f"|{INDENT}" if _STARTS_BLANK.match(text) else "|"
    body = text
    if not text.endswith("\n"):
        header += "-"
    else:
        body = text[:-1]
        header += "+" if text.endswith("\n\n") else ""
    pad = " " * indent
    return "\n".join([header, *(pad + line if line else "" for line in body.split("\n"))])


def _quoted(text: str) -> str:
    """On one line: single quotes where they spare backslashes (JSON in a tool call's arguments)."""
    if ('"' in text or "\\" in text) and "\n" not in text and not _UNPRINTABLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    return f'"{_escaped(text)}"'


def _folded(text: str, indent: int) -> str:
    """Multi-line text that a literal block would lose (CR, NEL …): double-quoted, with an escaped
    line break behind each line so that one changed line of text is one changed line of file."""
    pad = " " * indent
    lines = [_escaped(line) for line in re.findall(r"[^\n]*\n|[^\n]+", text)]
    rest = ("\\" + line if line.startswith(" ") else line for line in lines[1:])
    return '"' + f"\\\n{pad}".join([lines[0], *rest]) + '"'


def _escaped(text: str) -> str:
    return _NEEDS_ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
