"""The body of a pull request: what a reviewer needs to say yes or no, calm and short.

The order is that of a reviewer's questions: who did what and why, is there anything to be careful
about, what differs, what hangs on it, what happens when I merge and when I close. Everything from
PromptLayer passes ``bridge.prompts.pull_request.markdown``. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bridge.prompts.prompt import LATEST
from bridge.prompts.pull_request.headline import (
    format_version,
    render_cautions,
    render_commit_message_quote,
    render_headline,
)
from bridge.prompts.pull_request.markdown import (
    MAX_NAME_LENGTH,
    escape_html_text,
    escape_prose,
    format_code_block,
    format_link,
    format_name,
    format_table_cell,
    join_with_others,
    neutralise_forge_syntax,
    shorten,
    shorten_middle,
)
from bridge.prompts.pull_request.prompt_diff import (
    PromptDiff,
    SettingChange,
    TextChange,
    diff_prompts,
)
from bridge.prompts.pull_request.proposal_summary import ChangeKind, PromptChange, ProposalSummary

_FOLDED_FROM = 13  # lines of a diff
_MOST_DETAILED = 100  # changes; beyond, the table alone
_MOST_LISTED = 10  # names in a sentence or a cell

_CLOSING = "Closing without merging declines it: the same content is not proposed again."


@dataclass(frozen=True)
class _DetailLevel:
    """How much of the changes is shown. The largest texts are the first to be shortened."""

    texts: int = 10**9  # characters of each diff; 0 leaves the diffs out
    rows: int = 60  # settings of each change
    prompts: int = 100  # rows of the overview
    each: bool = True  # each change of many gets a section of its own


_SHORTENED_TEXTS = [_DetailLevel(texts=2**power) for power in range(15, 7, -1)]
_DETAILS = [
    _DetailLevel(),
    *_SHORTENED_TEXTS,
    _DetailLevel(texts=0),
    _DetailLevel(texts=0, rows=10),
    _DetailLevel(texts=0, rows=0),
    *(_DetailLevel(texts=0, rows=0, each=False, prompts=count) for count in (100, 30, 10, 0)),
]


@dataclass(frozen=True)
class _ChangeDiff:
    change: PromptChange
    difference: PromptDiff


def render_body(story: ProposalSummary, limit: int, memory: str, check_boxes: str = "") -> str:
    """Render Markdown of at most ``limit`` characters whose last line is ``memory``, the hidden
    line, unshortened; ``check_boxes`` is the section right before it. Text that does not fit is left out in order of importance: first the
    long diffs are shortened, then all of them go, then settings, then rows of the overview. A
    limit below the hidden line's own length returns that line alone."""
    detailed = len(story.changes) <= _MOST_DETAILED
    diffs = [
        _ChangeDiff(
            change, diff_prompts(change.before, change.after) if detailed else PromptDiff((), ())
        )
        for change in story.changes
    ]
    first = [render_headline(story), *render_cautions(story)]
    last = [
        f"{neutralise_forge_syntax(story.merge_effect)} {_CLOSING}".strip(),
        check_boxes,
        memory,
    ]
    for detail in _DETAILS:
        sections = _differences(diffs, replace(detail, each=detail.each and detailed))
        text = "\n\n".join([*first, *sections, *filter(None, last)])
        if len(text) <= limit:
            return text
    return memory


def render_changes(changes: Sequence[PromptChange], limit: int) -> str:
    """Render each of these changes as one folded section: settings, diffs, users. At most
    ``limit`` characters; shortened as a body is."""
    diffs = [_ChangeDiff(change, diff_prompts(change.before, change.after)) for change in changes]
    for detail in _DETAILS:
        text = "\n\n".join(_folded_change(one, detail) for one in diffs)
        if len(text) <= limit:
            return text
    return ""


# What differs.


def _differences(diffs: Sequence[_ChangeDiff], detail: _DetailLevel) -> Iterator[str]:
    return _render_single(diffs[0], detail) if len(diffs) == 1 else _render_several(diffs, detail)


def _render_single(diff: _ChangeDiff, detail: _DetailLevel) -> Iterator[str]:
    if diff.change.after is not None:
        yield from _settings(diff, detail)
        yield from _texts(diff.difference.texts, detail, nested=False)
    yield from _surroundings(diff.change)


def _render_several(diffs: Sequence[_ChangeDiff], detail: _DetailLevel) -> Iterator[str]:
    yield from _overview(diffs, detail.prompts)
    if detail.each:
        yield from (_folded_change(one, detail) for one in diffs if one.change.after is not None)


def _overview(diffs: Sequence[_ChangeDiff], most: int) -> Iterator[str]:
    if not most:
        return
    rows = [_overview_row(one.change) for one in diffs[:most]]
    if len(diffs) > most:
        rows.append(f"| and {len(diffs) - most:,} more | | | |")
    yield "\n".join(["| prompt | label | version | change |", "|---|---|---|---|", *rows])


def _overview_row(change: PromptChange) -> str:
    name, label = (_cell(text) for text in (change.prompt.name, change.label))
    return f"| {name} | {label} | {_versions(change)} | {_what(change)} |"


def _versions(change: PromptChange) -> str:
    versions = [prompt.version for prompt in (change.before, change.after) if prompt]
    return " → ".join(dict.fromkeys(str(version) for version in versions if version))


def _what(change: PromptChange) -> str:
    warning = ", edited in the repository too" if change.is_overwriting else ""
    if change.kind is ChangeKind.MOVE:
        return f"moved from {_cell(change.renamed_from or change.old_path or '')}{warning}"
    if change.kind is ChangeKind.REMOVE and change.reason:
        return f"removed: {escape_prose(shorten(change.reason, MAX_NAME_LENGTH))}{warning}"
    words = {ChangeKind.ADD: "new", ChangeKind.UPDATE: "updated", ChangeKind.REMOVE: "removed"}
    return words[change.kind] + warning


def _folded_change(diff: _ChangeDiff, detail: _DetailLevel) -> str:
    change = diff.change
    name, label = shorten_middle(change.prompt.name, MAX_NAME_LENGTH), shorten(change.label, 40)
    versions = f": version {_versions(change)}" if _versions(change) else ""
    content = [
        render_commit_message_quote(change),
        *_settings(diff, detail),
        *_texts(diff.difference.texts, detail, nested=True),
        *_surroundings(change),
    ]
    return _details(f"{name} ({label}){versions}", list(filter(None, content)))


def _settings(diff: _ChangeDiff, detail: _DetailLevel) -> Iterator[str]:
    rows = [*_place_rows(diff.change), *map(_row, diff.difference.rows)]
    shown = rows[: detail.rows]
    if not shown:
        return
    if len(rows) > len(shown):
        shown.append((f"and {len(rows) - len(shown):,} more settings", "", ""))
    if diff.change.before is None:
        lines = ["| | |", "|---|---|", *(f"| {aspect} | {new} |" for aspect, _, new in shown)]
    else:
        lines = ["| | before | after |", "|---|---|---|"]
        lines += [f"| {aspect} | {old} | {new} |" for aspect, old, new in shown]
    yield "\n".join(lines)


def _place_rows(change: PromptChange) -> Iterator[tuple[str, str, str]]:
    before = change.before.version if change.before else None
    after = change.after.version if change.after else None
    if change.adds_only_an_id:
        yield "id", "", _cell(str(change.prompt.id))
    if change.sets_only_the_label:
        yield "label", _cell(change.label_in_file or ""), _cell(change.label)
    if before != after and (after or change.after is None):  # a file that is merged gets none yet
        aspect = "version" if change.label == LATEST else f"label {_cell(change.label)}"
        word = "" if change.label == LATEST else "version "
        yield aspect, f"{word}{before}" if before else "", f"{word}{after}" if after else ""
    if change.old_path not in (None, change.path):
        yield "file", _cell(change.old_path or ""), _cell(change.path)


def _row(row: SettingChange) -> tuple[str, str, str]:
    aspect = escape_prose(shorten_middle(row.aspect, MAX_NAME_LENGTH))
    return aspect, _values(row.before), _values(row.after)


def _values(values: Sequence[str]) -> str:
    cells = [_cell(value) for value in values[:_MOST_LISTED]]
    rest = [f"and {len(values) - _MOST_LISTED:,} more"] if len(values) > _MOST_LISTED else []
    return ", ".join([*cells, *rest])


def _cell(text: str) -> str:
    return format_table_cell(shorten_middle(text, MAX_NAME_LENGTH))


def _texts(texts: Sequence[TextChange], detail: _DetailLevel, *, nested: bool) -> Iterator[str]:
    if texts and not detail.texts:
        yield "The texts are too long to show here: they are in the files of this proposal."
        return
    for text in texts:
        yield _text(text, detail.texts, nested)


def _text(text: TextChange, most: int, nested: bool) -> str:
    lines, left_out = _first(text.lines, most)
    content = [format_code_block("\n".join(lines), "diff")]
    if left_out:
        content.append(f"… {left_out:,} more {'line' if left_out == 1 else 'lines'}")
    if len(text.lines) < _FOLDED_FROM or nested:
        return "\n\n".join([f"{_heading(text)}:", *content])
    name = f" ({shorten(text.name, 60)})" if text.name is not None else ""
    return _details(f"{text.what}{name}: {_counted(text)}", content)


def _heading(text: TextChange) -> str:
    name = f" ({format_name(text.name)})" if text.name is not None else ""
    change = "" if text.change == "changed" else f", {text.change}"
    return f"{text.what}{name}{change}"


def _counted(text: TextChange) -> str:
    if text.change != "changed":
        return f"{text.change}, {len(text.lines):,} lines"
    return f"{text.added:,} lines added, {text.removed:,} removed"


def _first(lines: Sequence[str], most: int) -> tuple[list[str], int]:
    """Take as many whole lines as fit into ``most`` characters, one at least; returns the count
    of the others too."""
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
    return f"<details>\n<summary>{escape_html_text(summary)}</summary>\n\n{inside}\n\n</details>"


# Users of the prompt.


def _surroundings(change: PromptChange) -> Iterator[str]:
    sentences = []
    if change.uses:
        noun = "snippets" if len(change.uses) > 1 else "snippet"
        sentences.append(f"Uses the {noun} {_names(change.uses)}.")
    if change.used_by:
        sentences.append(f"A snippet: used by {_names(change.used_by)}.")
    if change.link and change.after is not None:
        version = format_version(change)
        sentences.append(f"{format_link(f'See {version} in PromptLayer', change.link)}.")
    if sentences:
        yield " ".join(sentences)


def _names(names: Sequence[str]) -> str:
    return join_with_others(
        [format_name(name) for name in names[:_MOST_LISTED]], len(names), "more"
    )
