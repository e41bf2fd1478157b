"""Check boxes in the body of a pull request: a person checks one, and the bridge does what it names.

Only the boxes of the bridge's own section count: those that follow its hidden marker line by line,
where that marker is the last one before the hidden line of the metadata. Text from PromptLayer cannot
hold a hidden comment (``bridge.prompts.pull_request.markdown``), so it cannot hold a marker. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from enum import StrEnum

from bridge.prompts.pull_request.markdown import escape_prose, format_name
from bridge.prompts.pull_request.metadata import CheckBoxAnswer, find_hidden_line

_MARKER = "<!-- promptlayer-bridge-boxes -->"
_END = "<!-- promptlayer-bridge-boxes-end -->"
_BOX = re.compile(r"[-*] \[(?P<mark>[ xX])\] <!-- promptlayer-bridge-box:(?P<name>[a-z-]+) -->.*")


class CheckBoxAction(StrEnum):
    TAKE_REPOSITORY = "take-repository"  # the decision of `sync --adopt repository`
    REBASE = "rebase"
    EVALUATE = "evaluate"  # run the evaluation again


_LABELS = {
    CheckBoxAction.TAKE_REPOSITORY: "Take the repository's text: it goes to PromptLayer instead",
    CheckBoxAction.REBASE: "Rebase now",
    CheckBoxAction.EVALUATE: "Run the evaluation again",
}


def render_check_boxes(
    actions: Sequence[CheckBoxAction], answers: Sequence[CheckBoxAnswer] = ()
) -> str:
    """Render the section: one unchecked box for each action, and below them one line for each
    answer. Empty where there are neither."""
    boxes = [f"- [ ] <!-- promptlayer-bridge-box:{one} -->{_LABELS[one]}" for one in actions]
    lines = [_render_answer(one) for one in answers]
    if not boxes and not lines:
        return ""
    return "\n\n".join(filter(None, ["\n".join([_MARKER, *boxes]), *lines, _END]))


def find_checked_actions(body: str) -> frozenset[CheckBoxAction]:
    """Find the actions whose box in the bridge's own section is checked. Empty for a body without
    such a section or without the hidden line of the metadata."""
    span = _find_section(body)
    if span is None:
        return frozenset()
    checked = set()
    for line in body[span[0] : span[1]].splitlines()[1:]:
        found = _BOX.fullmatch(line.rstrip())
        if found is None:
            break
        if found["mark"] != " " and found["name"] in set(CheckBoxAction):
            checked.add(CheckBoxAction(found["name"]))
    return frozenset(checked)


def replace_check_boxes(body: str, answers: Sequence[CheckBoxAnswer]) -> str:
    """Take the boxes out of a body and leave the answers in their place."""
    span = _find_section(body)
    if span is None:
        return body
    return body[: span[0]] + render_check_boxes((), answers) + body[span[1] :]


def merge_answers(
    before: Collection[CheckBoxAnswer], now: Collection[CheckBoxAnswer]
) -> tuple[CheckBoxAnswer, ...]:
    """The newest answer for each action, sorted by action."""
    newest = {answer.action: answer for answer in (*before, *now)}
    return tuple(newest[action] for action in sorted(newest))


def _find_section(body: str) -> tuple[int, int] | None:
    """Where the bridge's own section begins and ends; None where there is none."""
    hidden = find_hidden_line(body)
    if hidden is None:
        return None
    start = body.rfind(_MARKER, 0, hidden)
    end = body.rfind(_END, 0, hidden)
    if start < 0 or end < start or body[end + len(_END) : hidden].strip():
        return None
    if start and body[start - 1] != "\n":
        return None
    return start, end + len(_END)


def _render_answer(answer: CheckBoxAnswer) -> str:
    who = format_name(answer.by) if answer.by else "Somebody"
    return (
        f"{who} checked “{_LABELS[CheckBoxAction(answer.action)]}”: {escape_prose(answer.result)}"
    )
