"""The body of a pull request: what a reviewer needs to say yes or no, calm and short.

The order is that of a reviewer's questions: who did what and why, is there anything to be careful
about, what differs, what hangs on it, what happens when I merge and when I close. Everything from
PromptLayer passes ``bridge.prompts.markdown``. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bridge.prompts.difference import Difference, Row, TextChange, difference
from bridge.prompts.lead import cautions, quote, spelled_version, summary
from bridge.prompts.markdown import (
    LONGEST_NAME,
    cell,
    defuse,
    fence,
    html_text,
    link,
    listed,
    name_span,
    plain,
    shorten,
    shorten_middle,
)
from bridge.prompts.prompt import LATEST
from bridge.prompts.story import Change, Kind, Story

_FOLDED_FROM = 13  # lines of a diff
_MOST_DETAILED = 100  # changes; beyond, the table alone
_MOST_LISTED = 10  # names in a sentence or a cell

_CLOSING = "Closing without merging declines it: the same content is not proposed again."


@dataclass(frozen=True)
class _Detail:
    """How much is told. The largest texts are the first to be shortened."""

    texts: int = 10**9  # characters of each diff; 0 leaves the diffs out
    rows: int = 60  # settings of each change
    prompts: int = 100  # rows of the overview
    each: bool = True  # each change of many gets a section of its own


_SHORTENED_TEXTS = [_Detail(texts=2**power) for power in range(15, 7, -1)]
_DETAILS = [
    _Detail(),
    *_SHORTENED_TEXTS,
    _Detail(texts=0),
    _Detail(texts=0, rows=10),
    _Detail(texts=0, rows=0),
    *(_Detail(texts=0, rows=0, each=False, prompts=count) for count in (100, 30, 10, 0)),
]


@dataclass(frozen=True)
class _Told:
    change: Change
    difference: Difference


def body(story: Story, limit: int, memory: str) -> str:
    """Markdown of at most ``limit`` characters whose last line is ``memory``, whole. What does
    not fit is left out in order of worth: first the long diffs are shortened, then all of them
    go, then settings, then rows of the overview. A limit below the memory's own length gives the
    memory alone."""
    detailed = len(story.changes) <= _MOST_DETAILED
    told = [
        _Told(change, difference(change.before, change.after) if detailed else Difference((), ()))
        for change in story.changes
    ]
    first = [summary(story), *cautions(story)]
    last = [f"{defuse(story.merging)} {_CLOSING}".strip(), memory]
    for detail in _DETAILS:
        sections = _differences(told, replace(detail, each=detail.each and detailed))
        text = "\n\n".join([*first, *sections, *last])
        if len(text) <= limit:
            return text
    return memory


def changes_told(changes: Sequence[Change], limit: int) -> str:
    """What each of these changes is, one folded section each: settings, diffs, who uses it. Of at
    most ``limit`` characters; shortened as a body is."""
    told = [_Told(change, difference(change.before, change.after)) for change in changes]
    for detail in _DETAILS:
        text = "\n\n".join(_folded_change(one, detail) for one in told)
        if len(text) <= limit:
            return text
    return ""


# What differs.


def _differences(told: Sequence[_Told], detail: _Detail) -> Iterator[str]:
    return _told_alone(told[0], detail) if len(told) == 1 else _told_together(told, detail)


def _told_alone(told: _Told, detail: _Detail) -> Iterator[str]:
    if told.change.after is not None:
        yield from _settings(told, detail)
        yield from _texts(told.difference.texts, detail, nested=False)
    yield from _surroundings(told.change)


def _told_together(told: Sequence[_Told], detail: _Detail) -> Iterator[str]:
    yield from _overview(told, detail.prompts)
    if detail.each:
        yield from (_folded_change(one, detail) for one in told if one.change.after is not None)


def _overview(told: Sequence[_Told], most: int) -> Iterator[str]:
    if not most:
        return
    rows = [_overview_row(one.change) for one in told[:most]]
    if len(told) > most:
        rows.append(f"| and {len(told) - most:,} more | | | |")
    yield "\n".join(["| prompt | label | version | change |", "|---|---|---|---|", *rows])


def _overview_row(change: Change) -> str:
    name, label = (_cell(text) for text in (change.prompt.name, change.label))
    return f"| {name} | {label} | {_versions(change)} | {_what(change)} |"


def _versions(change: Change) -> str:
    versions = [prompt.version for prompt in (change.before, change.after) if prompt]
    return " → ".join(dict.fromkeys(str(version) for version in versions if version))


def _what(change: Change) -> str:
    warning = ", edited in the repository too" if change.overwrites else ""
    if change.kind is Kind.MOVE:
        return f"moved from {_cell(change.renamed_from or change.old_path or '')}{warning}"
    if change.kind is Kind.REMOVE and change.reason:
        return f"removed: {plain(shorten(change.reason, LONGEST_NAME))}{warning}"
    words = {Kind.ADD: "new", Kind.UPDATE: "updated", Kind.REMOVE: "removed"}
    return words[change.kind] + warning


def _folded_change(told: _Told, detail: _Detail) -> str:
    change = told.change
    name, label = shorten_middle(change.prompt.name, LONGEST_NAME), shorten(change.label, 40)
    versions = f": version {_versions(change)}" if _versions(change) else ""
    content = [
        quote(change),
        *_settings(told, detail),
        *_texts(told.difference.texts, detail, nested=True),
        *_surroundings(change),
    ]
    return _details(f"{name} ({label}){versions}", list(filter(None, content)))


def _settings(told: _Told, detail: _Detail) -> Iterator[str]:
    rows = [*_place_rows(told.change), *map(_row, told.difference.rows)]
    shown = rows[: detail.rows]
    if not shown:
        return
    if len(rows) > len(shown):
        shown.append((f"and {len(rows) - len(shown):,} more settings", "", ""))
    if told.change.before is None:
        lines = ["| | |", "|---|---|", *(f"| {aspect} | {new} |" for aspect, _, new in shown)]
    else:
        lines = ["| | before | after |", "|---|---|---|"]
        lines += [f"| {aspect} | {old} | {new} |" for aspect, old, new in shown]
    yield "\n".join(lines)


def _place_rows(change: Change) -> Iterator[tuple[str, str, str]]:
    before = change.before.version if change.before else None
    after = change.after.version if change.after else None
    if change.adds_only_an_id:
        yield "id", "", _cell(str(change.prompt.id))
    if before != after and (after or change.after is None):  # a file that is merged gets none yet
        aspect = "version" if change.label == LATEST else f"label {_cell(change.label)}"
        word = "" if change.label == LATEST else "version "
        yield aspect, f"{word}{before}" if before else "", f"{word}{after}" if after else ""
    if change.old_path not in (None, change.path):
        yield "file", _cell(change.old_path or ""), _cell(change.path)


def _row(row: Row) -> tuple[str, str, str]:
    aspect = plain(shorten_middle(row.aspect, LONGEST_NAME))
    return aspect, _values(row.before), _values(row.after)


def _values(values: Sequence[str]) -> str:
    cells = [_cell(value) for value in values[:_MOST_LISTED]]
    rest = [f"and {len(values) - _MOST_LISTED:,} more"] if len(values) > _MOST_LISTED else []
    return ", ".join([*cells, *rest])


def _cell(text: str) -> str:
    return cell(shorten_middle(text, LONGEST_NAME))


def _texts(texts: Sequence[TextChange], detail: _Detail, *, nested: bool) -> Iterator[str]:
    if texts and not detail.texts:
        yield "The texts are too long to show here: they are in the files of this proposal."
        return
    for text in texts:
        yield _text(text, detail.texts, nested)


def _text(text: TextChange, most: int, nested: bool) -> str:
    lines, left_out = _first(text.lines, most)
    content = [fence("\n".join(lines), "diff")]
    if left_out:
        content.append(f"… {left_out:,} more {'line' if left_out == 1 else 'lines'}")
    if len(text.lines) < _FOLDED_FROM or nested:
        return "\n\n".join([f"{_heading(text)}:", *content])
    name = f" ({shorten(text.name, 60)})" if text.name is not None else ""
    return _details(f"{text.what}{name}: {_counted(text)}", content)


def _heading(text: TextChange) -> str:
    name = f" ({name_span(text.name)})" if text.name is not None else ""
    change = "" if text.change == "changed" else f", {text.change}"
    return f"{text.what}{name}{change}"


def _counted(text: TextChange) -> str:
    if text.change != "changed":
        return f"{text.change}, {len(text.lines):,} lines"
    return f"{text.added:,} lines added, {text.removed:,} removed"


def _first(lines: Sequence[str], most: int) -> tuple[list[str], int]:
    """As many whole lines as fit into ``most`` characters, one at least; how many are left out."""
    shown: list[str] = []
    room = most
    for line in lines:
        if shown and len(line) + 1 > room:
            break
        shown.append(shorten(line, most))
        room -= len(line) + 1
    return shown, len(lines) - len(shown)


def _details(summary: str, content: Sequence[str]) -> str:
    inside = "\n\n".join(content)
    return f"<details>\n<summary>{html_text(summary)}</summary>\n\n{inside}\n\n</details>"


# What hangs on it.


def _surroundings(change: Change) -> Iterator[str]:
    sentences = []
    if change.uses:
        noun = "snippets" if len(change.uses) > 1 else "snippet"
        sentences.append(f"Uses the {noun} {_names(change.uses)}.")
    if change.used_by:
        sentences.append(f"A snippet: used by {_names(change.used_by)}.")
    if change.link and change.after is not None:
        version = spelled_version(change)
        sentences.append(f"{link(f'See {version} in PromptLayer', change.link)}.")
    if sentences:
        yield " ".join(sentences)


def _names(names: Sequence[str]) -> str:
    return listed([name_span(name) for name in names[:_MOST_LISTED]], len(names), "more")
