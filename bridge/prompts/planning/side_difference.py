"""The difference between a target's file on the base branch and its version in PromptLayer, as the
dashboard shows it: the semantic diff of the pull request's body, with secrets masked. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bridge.prompts.planning.three_way_merge import MISSING, MergeConflict
from bridge.prompts.prompt import Json, Prompt
from bridge.prompts.pull_request.prompt_diff import SettingChange, TextChange, diff_prompts
from bridge.prompts.secret_scan import mask_secrets

_TEXT_LIMIT = 60_000  # characters of all diffs together
_LINE_LIMIT = 2_000  # characters of one line
_MOST_ROWS = 200  # settings
_MOST_CONFLICTS = 50
_CONFLICT_LIMIT = 4_000  # characters of one side of a conflict


@dataclass(frozen=True)
class ConflictingPart:
    """One part that both sides changed in different ways; None where a side removed it."""

    place: str  # "messages[1].content"
    platform: str | None
    repository: str | None


@dataclass(frozen=True)
class SideDifference:
    """What changes from the file to PromptLayer's version. ``is_conflict`` is True where both sides
    changed the same part; ``conflicts`` names the parts where the last common version is known."""

    rows: tuple[SettingChange, ...]
    texts: tuple[TextChange, ...]
    has_file: bool
    has_version: bool  # in PromptLayer
    file_version: int | None = None  # PromptLayer's number of the version in the file
    platform_version: int | None = None
    is_conflict: bool = False
    conflicts: tuple[ConflictingPart, ...] = ()
    omitted: int = 0  # lines, settings and conflicts that were left out

    @property
    def is_choosable(self) -> bool:
        """Whether a person can choose one of two texts: both are there, and more than the name
        differs."""
        has_other_rows = any(row.aspect != "name" for row in self.rows)
        return self.has_file and self.has_version and (has_other_rows or bool(self.texts))

    def encode(self) -> str:
        """As JSON, which ``decode_difference`` reads."""
        return json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":"))


def decode_difference(text: str) -> SideDifference:
    """The difference that ``encode`` wrote."""
    fields: dict[str, Any] = json.loads(text)
    rows = (
        SettingChange(one["aspect"], tuple(one["before"]), tuple(one["after"]))
        for one in fields["rows"]
    )
    texts = (TextChange(**one | {"lines": tuple(one["lines"])}) for one in fields["texts"])
    conflicts = (ConflictingPart(**one) for one in fields["conflicts"])
    return SideDifference(
        **fields | {"rows": tuple(rows), "texts": tuple(texts), "conflicts": tuple(conflicts)}
    )


def build_side_difference(
    file: Prompt | None,
    platform: Prompt | None,
    *,
    is_conflict: bool = False,
    conflicts: Sequence[MergeConflict] = (),
) -> SideDifference:
    """Compare a file with PromptLayer's version; None is a side that has no prompt. A difference
    that is very long is shortened."""
    found = diff_prompts(_with_masks(file), _with_masks(platform))
    texts, omitted_lines = _limit_texts(found.texts)
    parts = tuple(_build_part(each) for each in conflicts[:_MOST_CONFLICTS])
    return SideDifference(
        tuple(_limit_row(row) for row in found.rows[:_MOST_ROWS]),
        texts,
        file is not None,
        platform is not None,
        file.version if file else None,
        platform.version if platform else None,
        is_conflict,
        parts,
        omitted_lines + len(found.rows[_MOST_ROWS:]) + len(conflicts[_MOST_CONFLICTS:]),
    )


def _with_masks(prompt: Prompt | None) -> Prompt | None:
    return prompt and replace(
        prompt,
        template=mask_secrets(prompt.template),
        metadata=mask_secrets(prompt.metadata),
        extra=mask_secrets(prompt.extra),
    )


def _limit_texts(texts: Iterable[TextChange]) -> tuple[tuple[TextChange, ...], int]:
    """As many whole lines as fit, and how many are left out."""
    limited: list[TextChange] = []
    free, omitted = _TEXT_LIMIT, 0
    for text in texts:
        lines = list(_take_lines(text.lines, free))
        free -= sum(map(len, lines))
        omitted += len(text.lines) - len(lines)
        if lines or not text.lines:
            limited.append(replace(text, lines=tuple(lines)))
    return tuple(limited), omitted


def _take_lines(lines: Iterable[str], free: int) -> Iterator[str]:
    for line in lines:
        shown = _shorten(line, _LINE_LIMIT)
        free -= len(shown)
        if free < 0:
            return
        yield shown


def _limit_row(row: SettingChange) -> SettingChange:
    before, after = (
        tuple(_shorten(value, _LINE_LIMIT) for value in values[:_MOST_ROWS])
        for values in (row.before, row.after)
    )
    return SettingChange(_shorten(row.aspect, _LINE_LIMIT), before, after)


def _build_part(conflict: MergeConflict) -> ConflictingPart:
    return ConflictingPart(conflict.place, _spell(conflict.platform), _spell(conflict.repository))


def _spell(value: Json) -> str | None:
    if value is None or value is MISSING:
        return None
    masked = mask_secrets(value)
    text = masked if isinstance(masked, str) else json.dumps(masked, ensure_ascii=False, indent=2)
    return _shorten(text, _CONFLICT_LIMIT)


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
