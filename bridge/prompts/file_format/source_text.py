"""Parse the text of a prompt file into JSON values with their lines.

libyaml's events are built into JSON values and nothing else: no dates or tags, no key twice. An
alias becomes a copy of its anchor's value. A scalar that YAML 1.1 and YAML 1.2 read differently
(``no``, ``12:30:45``, ``1e3``) is a mistake instead of a guess. JSON is parsed in the same way, so
that its mistakes have lines too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import yaml

from bridge.errors import PromptFileError
from bridge.prompts.file_format.yaml_writer import MAX_DEPTH, fits_plain_scalar
from bridge.prompts.prompt import Json
from bridge.prompts.pull_request.markdown import collapse_to_one_line, shorten

PromptFileFormat = Literal["yaml", "json"]
Location = Sequence[str | int]  # keys and indexes, from the top

LFS_POINTER = (
    "expected a prompt file, got a pointer of Git LFS, which keeps the file elsewhere: exempt it in"
    " .gitattributes (`-filter -diff -merge text`) and commit the file itself"
)
MAX_FILE_BYTES = 5 * 1024 * 1024  # bytes
_MOST_REPEATED = 10_000  # values that aliases may write out; a few lines could be gigabytes
_LONGEST_MISTAKE = 500  # characters

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FORBIDDEN = re.compile(
    r"[^\t\r\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_AMBIGUOUS = object()
_TEXT_TAG = "tag:yaml.org,2002:str"
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE)
_YES_OR_NO = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)
_YAML_1_2_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
)
# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is below 1,024 bytes.
_LFS_POINTER = re.compile(
    rb"version https?://\S+/spec/v1\r?\n(?:ext-.*\n)*oid sha256:[0-9a-f]{64}\r?\n"
)
_LONGEST_LFS_POINTER = 1024  # bytes
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]\n]|[^\s{}\[\],:"]+')


def format_of(path: str) -> PromptFileFormat:
    """How a file is written, by the end of its name."""
    return "json" if path.endswith(".json") else "yaml"


def is_lfs_pointer(text: bytes) -> bool:
    """Whether a file is what Git LFS leaves in a repository in place of it."""
    return len(text) < _LONGEST_LFS_POINTER and _LFS_POINTER.match(text) is not None


def build_mistake_error(path: str, line: int, what: str) -> PromptFileError:
    """Build the error for a mistake in a prompt file: its line, on one line of text without the
    file's control characters."""
    return PromptFileError(
        f"{collapse_to_one_line(path)}:{line}: {shorten(collapse_to_one_line(what), _LONGEST_MISTAKE)}"
    )


@dataclass
class SourceDocument:
    """The values of a file, and the line (from 1) on which each key or item starts."""

    value: Json = None
    lines: dict[tuple[int, str | int], int] = field(default_factory=dict)

    def find_line(self, location: Location) -> int:
        """The line of what stands at ``location``, or of the nearest thing around it."""
        line, here = 1, self.value
        for step in location:
            if (id(here), step) not in self.lines:
                break
            line, here = self.lines[id(here), step], here[step]
        return line


def read_source_document(text: str | bytes, path: str, format: PromptFileFormat) -> SourceDocument:
    """Read a file's text. Raises PromptFileError with path, line and what was expected."""
    decoded = _decoded(text, path)
    try:
        return _read_json(decoded, path) if format == "json" else _read_yaml(decoded, path)
    except RecursionError as error:
        raise build_mistake_error(
            path, 1, f"expected at most {MAX_DEPTH} levels, got more"
        ) from error
    except ValueError as error:
        raise build_mistake_error(
            path, 1, "expected numbers of a usual length, got a far longer one"
        ) from error


def _decoded(text: str | bytes, path: str) -> str:
    if len(text) > MAX_FILE_BYTES:
        raise build_mistake_error(
            path, 1, "the file is too large; expected a prompt file of at most 5 MiB"
        )
    if isinstance(text, bytes):
        if is_lfs_pointer(text):
            raise build_mistake_error(path, 1, LFS_POINTER)
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise build_mistake_error(
                path, line, "expected UTF-8, got a byte that is not"
            ) from error
    return text.removeprefix("\ufeff")


def _require_printable(text: str, path: str) -> None:
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        code = f"U+{ord(found[0]):04X}"
        raise build_mistake_error(
            path, line, f"expected printable text, got {code}: write it as an escape"
        )


def _read_json(text: str, path: str) -> SourceDocument:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise build_mistake_error(path, error.lineno, f"not valid JSON: {error.msg}") from error
    building = _DocumentBuilder(path)
    line = 1
    for token in _JSON_TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token in "{[":
            building.open({} if token == "{" else [], line)
        elif token in "}]":
            building.close()
        else:
            building.place(json.loads(token), line)
    return building.source


def _read_yaml(text: str, path: str) -> SourceDocument:
    _require_printable(text, path)
    building = _DocumentBuilder(path)
    for event in _events(text, path):
        _take(event, _line(event.start_mark), building)
    return building.source


def _events(text: str, path: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark)
        raise build_mistake_error(path, line, f"not valid YAML: {_problem(error)}") from error
    except yaml.YAMLError as error:
        raise build_mistake_error(path, 1, "not valid YAML; expected a prompt file") from error


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


def _problem(error: yaml.MarkedYAMLError) -> str:
    context = f"{error.context}, " if error.context else ""
    hint = " (a tab? YAML is indented with blanks)" if "start any" in str(error.problem) else ""
    return f"{context}{error.problem}{hint}"


def _take(event: yaml.Event, line: int, building: _DocumentBuilder) -> None:
    if isinstance(event, yaml.NodeEvent):
        if isinstance(event, yaml.AliasEvent):
            building.place_alias(str(event.anchor), line)
        elif isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line, building)
            building.place(value, line)
            building.record_anchor(event.anchor, value)
        else:
            _open(event, line, building)
    elif isinstance(event, yaml.CollectionEndEvent):
        building.close()
    elif isinstance(event, yaml.DocumentStartEvent) and building.done:
        raise building.build_mistake(line, "expected one document, got a second one after `---`")


def _open(event: Any, line: int, building: _DocumentBuilder) -> None:
    if event.tag is not None:
        raise building.build_mistake(line, f"tags are not supported: leave out {event.tag}")
    container: Json = [] if isinstance(event, yaml.SequenceStartEvent) else {}
    building.open(container, line)
    building.record_anchor(event.anchor, container)


def _scalar(event: yaml.ScalarEvent, line: int, building: _DocumentBuilder) -> Json:
    value = event.value
    if event.tag not in (None, _TEXT_TAG):
        raise building.build_mistake(line, f"tags are not supported: leave out {event.tag}")
    if event.style or event.tag == _TEXT_TAG or fits_plain_scalar(value):
        return value
    meaning = _meaning(value)
    if meaning is _AMBIGUOUS:
        what = f"{value} is read differently by different YAML readers"
        raise building.build_mistake(
            line, f"{what}: put it in quotes, or write true, false or a number"
        )
    return meaning


@lru_cache(maxsize=1024)
def _meaning(word: str) -> Json:
    """Parse a plain scalar that every YAML reader takes for the same value, or return
    _AMBIGUOUS."""
    if word.lower() in _WORDS and word in (word.lower(), word.upper(), word.title()):
        return _WORDS[word.lower()]
    if _INTEGER.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word):
        return float(word)
    if _INFINITE.fullmatch(word):
        return float(word.replace(".", ""))
    return _AMBIGUOUS if _is_ambiguous(word) else word


def _is_ambiguous(word: str) -> bool:
    """Whether YAML 1.1 or YAML 1.2 takes a plain scalar for something else than text."""
    if _YES_OR_NO.fullmatch(word) or _YAML_1_2_NUMBER.fullmatch(word):
        return True
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(word[0], [])
    return any(pattern.match(word) for _, pattern in resolvers)


class _DocumentBuilder:
    """JSON values under construction: what is open, from the outside in."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.source = SourceDocument()
        self.done = False  # whether the outermost value is there
        self._open: list[Json] = []
        self._keys: list[tuple[str, int] | None] = []  # the key that waits for its value
        self._anchors: dict[str, Json] = {}
        self._repeated = 0  # values that aliases wrote out

    def build_mistake(self, line: int, what: str) -> PromptFileError:
        return build_mistake_error(self.path, line, what)

    def open(self, container: Json, line: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self.build_mistake(line, f"expected at most {MAX_DEPTH} levels, got more")
        self.place(container, line)
        self._open.append(container)
        self._keys.append(None)

    def close(self) -> None:
        self._open.pop()
        self._keys.pop()

    def place(self, value: Json, line: int) -> None:
        if not self._open:
            self.source.value = value
            self.done = True
        elif isinstance(self._open[-1], list):
            self._place_item(self._open[-1], value, line)
        elif self._keys[-1] is None:
            self._place_key(self._open[-1], value, line)
        else:
            self._place_value(self._open[-1], *self._keys[-1], value)

    def record_anchor(self, name: str | None, value: Json) -> None:
        """Record the value of an anchor."""
        if name is not None:
            self._anchors[name] = value

    def place_alias(self, name: str, line: int) -> None:
        """Write out what the anchor of this name stands at."""
        value = self._anchors.get(name, _AMBIGUOUS)
        if value is _AMBIGUOUS:
            raise self.build_mistake(line, f"the alias *{name} has no anchor &{name} before it")
        if any(value is container for container in self._open):
            raise self.build_mistake(line, f"the alias *{name} stands inside of what it repeats")
        self.place(self._copied(value, line, len(self._open)), line)

    def _copied(self, value: Json, line: int, depth: int) -> Json:
        """A value once more, with all of it on the alias's line."""
        if depth > MAX_DEPTH:
            raise self.build_mistake(line, f"expected at most {MAX_DEPTH} levels, got more")
        self._repeated += 1
        if self._repeated > _MOST_REPEATED:
            raise self.build_mistake(line, f"aliases repeat more than {_MOST_REPEATED:,} values")
        if isinstance(value, list):
            items = [self._copied(item, line, depth + 1) for item in value]
            self.source.lines |= {(id(items), index): line for index in range(len(items))}
            return items
        if isinstance(value, dict):
            mapping = {key: self._copied(item, line, depth + 1) for key, item in value.items()}
            self.source.lines |= {(id(mapping), key): line for key in mapping}
            return mapping
        return value

    def _place_item(self, items: list[Json], value: Json, line: int) -> None:
        self.source.lines[id(items), len(items)] = line
        items.append(value)

    def _place_key(self, mapping: dict[str, Json], key: Json, line: int) -> None:
        if not isinstance(key, str):
            shown = json.dumps(key) if not isinstance(key, dict | list) else "a collection"
            raise self.build_mistake(
                line, f"expected a key that is text, got {shown}: put it in quotes"
            )
        if key in mapping:
            raise self.build_mistake(
                line, f"the key `{key}` stands here twice: keep one of the two"
            )
        self._keys[-1] = (key, line)

    def _place_value(self, mapping: dict[str, Json], key: str, line: int, value: Json) -> None:
        self.source.lines[id(mapping), key] = line
        mapping[key] = value
        self._keys[-1] = None
