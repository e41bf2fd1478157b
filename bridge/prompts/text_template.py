"""Templates of ``bridge.yaml`` for titles and commit subjects, such as
``feat({mapping}): {action} {prompt}``. The words of a template are the maintainer's and stay as
they are; what fills a field may come from a stranger and is made harmless. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from bridge.prompts.pull_request.markdown import (
    collapse_to_one_line,
    neutralise_forge_syntax,
    shorten,
    shorten_middle,
)
from bridge.prompts.pull_request.proposal_summary import ChangeKind, ProposalSummary

SUMMARY = "{summary}"  # the default: what the bridge writes by itself
SUBJECT_LIMIT = 72  # characters of a title, and of a commit's first line

_FIELD = re.compile(r"\{([^{}]*)\}")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_SHORTEST_NAME = 12  # characters that are left of a long name
_LONGEST_MESSAGE = 50


@dataclass(frozen=True)
class TemplateFields:
    """The fields that a template may use; a field that does not apply is empty."""

    summary: str = ""  # “Update support/reply (version 9)”
    prompt: str = ""  # the prompt's name; “3 prompts” where there are several
    label: str = ""  # the label that the files track, where it is one
    version: str = ""  # PromptLayer's number, where it is one
    action: str = ""  # add, update, move or remove
    mapping: str = ""
    message: str = ""  # what was written with the version, where it is one


FIELDS = tuple(field.name for field in fields(TemplateFields))


def check_text_template(template: str) -> None:
    """Raise ValueError, worded for ``bridge.yaml``, for a template that cannot be filled."""
    unknown = [name for name in _FIELD.findall(template) if name not in FIELDS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise ValueError(f"has no field {{{unknown[0]}}}; there are {known}")
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("has a brace without its partner")
    if rest == template:
        raise ValueError("needs a field, or all pull requests would be called the same")
    if template != " ".join(template.split()):
        raise ValueError("expected one line without blanks around it or doubled in it")
    if len(rest) > SUBJECT_LIMIT // 2:
        raise ValueError(f"leaves no room for its fields within {SUBJECT_LIMIT} characters")


def fill_text_template(template: str, values: TemplateFields) -> str:
    """One line of at most SUBJECT_LIMIT characters. Long names lose their middle; brackets around
    nothing go. The summary stands in for a template that comes out empty."""
    room = SUBJECT_LIMIT
    line = _filled(template, values, room)
    while len(line) > SUBJECT_LIMIT and room > _SHORTEST_NAME:
        room = max(_SHORTEST_NAME, room - max(1, len(line) - SUBJECT_LIMIT))
        line = _filled(template, values, room)
    return shorten(line or values.summary, SUBJECT_LIMIT)


def find_template_fields(story: ProposalSummary, summary: str) -> TemplateFields:
    """The fields of a proposal; ``summary`` is what it would be called by itself."""
    changes = story.changes
    kinds = {change.kind for change in changes}
    prompts = dict.fromkeys(change.prompt.name for change in changes)
    after = [change.after for change in changes if change.after is not None]
    messages = (change.message for change in changes if change.after is not None)
    return TemplateFields(
        summary=summary,
        prompt=next(iter(prompts), "") if len(prompts) == 1 else f"{len(prompts):,} prompts",
        label=_only(change.label for change in changes),
        version=_only(str(prompt.version or "") for prompt in after),
        action=(kinds.pop() if len(kinds) == 1 else ChangeKind.UPDATE).value.lower(),
        mapping=story.mapping,
        message=_only(message or "" for message in messages) if len(changes) == 1 else "",
    )


def _only(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _filled(template: str, values: TemplateFields, room: int) -> str:
    filled = {name: _harmless(name, value, room) for name, value in asdict(values).items()}
    line = _FIELD.sub(lambda match: filled[match[1]], template)
    return " ".join(_EMPTY_BRACKETS.sub("", line).split())


def _harmless(name: str, value: str, room: int) -> str:
    if name == "summary":
        return value  # made harmless by who wrote it
    line = collapse_to_one_line(value)
    if name == "message":
        return neutralise_forge_syntax(shorten(line, min(room, _LONGEST_MESSAGE)))
    return neutralise_forge_syntax(shorten_middle(line, room))
