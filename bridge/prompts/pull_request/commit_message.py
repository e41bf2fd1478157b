"""Render the title of a pull request and the message of its commit, and parse the message's
trailers. Pure.

Both may end up in a history that no forge renders, so foreign text is made harmless: no trailer, no
closing keyword, no mention, no command to CI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bridge.prompts.prompt import LATEST
from bridge.prompts.pull_request.markdown import (
    collapse_to_one_line,
    neutralise_forge_syntax,
    shorten,
    shorten_middle,
)
from bridge.prompts.pull_request.proposal_summary import (
    ChangeKind,
    PromptChange,
    PromptEditor,
    ProposalSummary,
)
from bridge.prompts.text_template import (
    SUBJECT_LIMIT,
    SUMMARY,
    fill_text_template,
    find_template_fields,
)

_MOST_LINES = 50  # changes that a commit message names
_LONGEST_LABEL = 24
_LONGEST_QUOTE = 200

_PLAIN_LABEL = re.compile(r"[A-Za-z0-9_./-]+(?: [A-Za-z0-9_./-]+)*")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
# Trailers: https://git-scm.com/docs/git-interpret-trailers
_MAPPING = re.compile(r"^PromptLayer-Mapping: (.+)$", re.MULTILINE)
_TRAILER = re.compile(r"^PromptLayer-(Prompt|Version|Label): (.*)$", re.MULTILINE)


class CommitProvenance(NamedTuple):
    """The prompt, version and label that one file of a commit was made from."""

    prompt_id: int
    version: int | None
    label: str


def render_title(story: ProposalSummary, template: str = SUMMARY) -> str:
    """Render one line of at most 72 characters after ``template``; long names lose their middle."""
    summary = _summary(story)
    return (
        summary
        if template == SUMMARY
        else fill_text_template(template, find_template_fields(story, summary))
    )


def _summary(summary: ProposalSummary) -> str:
    """Build the bridge's own title of a proposal."""
    if len(summary.changes) != 1:
        return _fitted(lambda room: _counted(summary, room))
    change = summary.changes[0]
    if change.is_conflict:
        return _fitted(lambda room: f"Conflict: {_name(change.prompt.name, room)}{_at(change)}")
    if change.adds_only_an_id:
        return _fitted(lambda room: f"Add the id of {_name(change.prompt.name, room)} to its file")
    if change.sets_only_the_label:
        return _fitted(
            lambda room: f"Set the label of {_name(change.prompt.name, room)} in its file"
        )
    if change.renamed_from is not None and change.kind is ChangeKind.MOVE:
        old, new = change.renamed_from, change.prompt.name
        if change.old_path in (None, change.path):
            return _fitted(lambda room: f"Set the name of {_name(new, room)} in its file")
        return _fitted(lambda room: f"Move {_name(old, room // 2)} to {_name(new, room // 2)}")
    return _fitted(
        lambda room: f"{change.kind.value} {_name(change.prompt.name, room)}{_at(change)}"
    )


def render_commit_message(
    summary: ProposalSummary, subject: str = SUMMARY, *, editor_is_author: bool = True
) -> str:
    """Subject (by the template ``subject``), one line for each change, trailers:
    ``PromptLayer-Prompt``, ``-Version`` and ``-Label`` for each change in order (up to 50 changes;
    beyond, only their number), ``PromptLayer-Mapping``, and ``Co-authored-by`` for every editor
    who is not the commit's author. The same story gives the same message."""
    lines = [_line(change) for change in summary.changes[:_MOST_LINES]]
    if len(summary.changes) > _MOST_LINES:
        lines.append(f"- and {len(summary.changes) - _MOST_LINES:,} more")
    author = editor_is_author and summary.author_known
    coauthors = summary.editors[1:] if author else summary.editors
    paragraphs = [
        render_title(summary, subject),
        "\n".join(lines),
        "\n".join(_trailer_lines(summary, coauthors)),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def parse_trailers(message: str) -> list[CommitProvenance]:
    """Parse the trailers of the bridge's message, in order; also where a squash merge put
    several messages into one. Empty for any other message.
    https://git-scm.com/docs/git-interpret-trailers"""
    found: list[CommitProvenance] = []
    prompt_id = version = None
    for key, value in _TRAILER.findall(message):
        if key == "Label" and prompt_id is not None:
            found.append(CommitProvenance(prompt_id, version, _read_label(value)))
            prompt_id = version = None
        elif key == "Prompt":
            prompt_id, version = _read_number(value), None
        elif key == "Version":
            version = _read_number(value)
    return found


def parse_mapping_name(message: str) -> str | None:
    """Parse the mapping's name in the bridge's message; None for any other message."""
    found = _MAPPING.findall(message)
    return _read_label(found[-1]) if found else None


def _fitted(write: Callable[[int], str]) -> str:
    """Call ``write`` with the most room for names that keeps the whole within a subject."""
    room = SUBJECT_LIMIT
    text = neutralise_forge_syntax(write(room))
    while len(text) > SUBJECT_LIMIT and room > 12:
        room = max(12, room - max(1, len(text) - SUBJECT_LIMIT))
        text = neutralise_forge_syntax(write(room))
    return shorten(text, SUBJECT_LIMIT)


def _counted(summary: ProposalSummary, room: int) -> str:
    kinds = {change.kind for change in summary.changes}
    verb = kinds.pop() if len(kinds) == 1 else ChangeKind.UPDATE
    if len(summary.prompts) == 1:
        labels = ", ".join(_name(change.label, _LONGEST_LABEL) for change in summary.changes)
        return f"{verb.value} {_name(summary.changes[0].prompt.name, room)} ({labels})"
    return f"{verb.value} {len(summary.prompts):,} prompts (mapping {_name(summary.mapping, room)})"


def _name(name: str, room: int) -> str:
    return shorten_middle(collapse_to_one_line(name), max(room, 3)) or '""'


def _at(change: PromptChange) -> str:
    """Format the label's place: `` (prod → version 9)``."""
    version = f"version {change.after.version}" if change.after and change.after.version else ""
    label = "" if change.label == LATEST else _name(change.label, _LONGEST_LABEL)
    place = " → ".join(filter(None, (label, version)))
    return f" ({place})" if place else ""


def _line(change: PromptChange) -> str:
    words = [
        f"{collapse_to_one_line(change.prompt.name)} ({collapse_to_one_line(change.label)}): {_what(change)}"
    ]
    if change.message:
        words.append(f"“{shorten(collapse_to_one_line(change.message), _LONGEST_QUOTE)}”")
    return neutralise_forge_syntax("- " + ", ".join(words))


def _what(change: PromptChange) -> str:
    if change.after is None:
        return f"removed, {collapse_to_one_line(change.reason)}" if change.reason else "removed"
    if change.adds_only_an_id:
        return f"id {change.after.id} added"
    if change.sets_only_the_label:
        return f"label {collapse_to_one_line(change.label_in_file or '')} corrected"
    new = f"version {change.after.version}" if change.after.version else "a new version"
    if change.before is None:
        return f"added at {new}"
    renamed = (
        f"was {collapse_to_one_line(change.renamed_from)}, "
        if change.renamed_from is not None
        else ""
    )
    same = change.before.version == change.after.version
    old = f"version {change.before.version} → " if change.before.version and not same else ""
    return f"{renamed}{old}{new.removeprefix('version ') if old else new}"


def _trailer_lines(summary: ProposalSummary, co_authors: Sequence[PromptEditor]) -> Iterator[str]:
    if len(summary.changes) > _MOST_LINES:
        yield f"PromptLayer-Prompts: {len(summary.changes)}"
    else:
        for change in summary.changes:
            yield from _provenance_lines(change)
    yield f"PromptLayer-Mapping: {_written_label(summary.mapping)}"
    yield from dict.fromkeys(filter(None, map(_co_author, co_authors)))


def _provenance_lines(change: PromptChange) -> Iterator[str]:
    if change.prompt.id is None:
        return
    yield f"PromptLayer-Prompt: {change.prompt.id}"
    if change.after and change.after.version:
        yield f"PromptLayer-Version: {change.after.version}"
    yield f"PromptLayer-Label: {_written_label(change.label)}"


def _written_label(label: str) -> str:
    """Write a label as it is where that is harmless; else a JSON string with escapes."""
    if _PLAIN_LABEL.fullmatch(label) and neutralise_forge_syntax(label) == label:
        return label
    return f'"{"".join(map(_escaped, label))}"'


def _escaped(character: str) -> str:
    if not character.isascii():
        return json.dumps(character)[1:-1]
    return character if character.isalnum() else f"\\u{ord(character):04x}"


def _read_label(value: str) -> str:
    try:
        label = json.loads(value) if value.startswith('"') else value
    except ValueError:
        return value
    return label if isinstance(label, str) else value


def _read_number(value: str) -> int | None:
    return int(value) if re.fullmatch(r"[0-9]{1,18}", value.strip()) else None


def _co_author(editor: PromptEditor) -> str | None:
    """None for a person without an address that git and the forges would take."""
    if not editor.email or not _EMAIL.fullmatch(editor.email) or len(editor.email) > 254:
        return None
    name = re.sub(r'[<>"\\]', "", collapse_to_one_line(editor.name)).strip()
    return f"Co-authored-by: {neutralise_forge_syntax(shorten(name, 100) or 'Unknown')} <{editor.email}>"
