"""Merge two edits of one prompt, part by part: message by message, parameter by parameter. Pure.

Where both sides changed the same part in different ways there is a conflict: the platform's text is
taken for the proposal, and both texts are shown, so that none is dropped silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

from bridge.prompts.prompt import Json, Prompt

ValuePath = tuple[str | int, ...]
MergeTexts = Callable[[str, str, str], str | None]


class _Missing:
    """Stands where a side has nothing."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass(frozen=True)
class MergeConflict:
    """One part that both sides changed differently; None where a side removed it."""

    place: str  # "messages[1].content", "model.parameters.temperature"
    before: Json
    platform: Json
    repository: Json


@dataclass(frozen=True)
class MergeResult:
    """``prompt`` has the changes of both sides, and the platform's text where they conflict."""

    prompt: Prompt
    conflicts: tuple[MergeConflict, ...] = ()


def merge_prompts(
    ancestor: Prompt, platform: Prompt, repository: Prompt, texts: MergeTexts | None = None
) -> MergeResult:
    """The platform's newest version with the repository's edits since ``ancestor`` in it.
    ``texts`` merges two edits of one text line by line (ancestor, platform, repository; None where
    they conflict); without it a text is one part."""
    merging = _ThreeWayMerger(texts)
    template = merging.merge_value(ancestor.template, platform.template, repository.template, ())
    metadata = merging.merge_value(ancestor.metadata, platform.metadata, repository.metadata, ())
    extra = merging.merge_value(ancestor.extra, platform.extra, repository.extra, ())
    prompt = replace(platform, template=template, metadata=metadata, extra=extra)
    return MergeResult(prompt, tuple(merging.conflicts))


@dataclass
class _ThreeWayMerger:
    texts: MergeTexts | None = None
    conflicts: list[MergeConflict] = field(default_factory=list)

    def merge_value(self, before: Any, platform: Any, repository: Any, place: ValuePath) -> Any:
        if _same(platform, repository) or _same(before, repository):
            return platform
        if _same(before, platform):
            return repository
        if isinstance(platform, dict) and isinstance(repository, dict):
            return self._objects(before, platform, repository, place)
        if all(isinstance(side, list) for side in (before, platform, repository)):
            return self._lists(before, platform, repository, place)
        if self.texts and all(isinstance(side, str) for side in (before, platform, repository)):
            text = self.texts(before, platform, repository)
            if text is not None:
                return text
        self.conflicts.append(
            MergeConflict(
                format_value_path(place), _shown(before), _shown(platform), _shown(repository)
            )
        )
        return platform

    def _objects(
        self, before: Any, platform: dict[str, Any], repository: dict[str, Any], place: ValuePath
    ) -> dict[str, Any]:
        known = before if isinstance(before, dict) else {}
        merged: dict[str, Any] = {}
        for key in dict.fromkeys([*platform, *repository]):
            sides = (
                known.get(key, MISSING),
                platform.get(key, MISSING),
                repository.get(key, MISSING),
            )
            value = self.merge_value(*sides, (*place, key))
            if value is not MISSING:
                merged[key] = value
        return merged

    def _lists(
        self, before: list[Any], platform: list[Any], repository: list[Any], place: ValuePath
    ) -> list[Any]:
        merged: list[Any] = []
        for chunk in _chunks(before, platform, repository):
            b, p, r = before[chunk.before], platform[chunk.platform], repository[chunk.repository]
            if _same(p, r) or _same(b, r):
                merged += p
            elif _same(b, p):
                merged += r
            elif len(b) == len(p) == len(r):
                start = chunk.platform.start
                merged += [
                    self.merge_value(*items, (*place, start + at))
                    for at, items in enumerate(zip(b, p, r, strict=True))
                ]
            else:
                where = (*place, chunk.platform.start)
                self.conflicts.append(MergeConflict(format_value_path(where), b, p, r))
                merged += p
        return merged


@dataclass(frozen=True)
class _Chunk:
    before: slice
    platform: slice
    repository: slice


def _chunks(before: list[Any], platform: list[Any], repository: list[Any]) -> Iterator[_Chunk]:
    """Cut three lists at the items that all three have in common (as diff3 does)."""
    b = p = r = 0
    for anchor, at_platform, at_repository in _anchors(before, platform, repository):
        yield _Chunk(slice(b, anchor), slice(p, at_platform), slice(r, at_repository))
        yield _Chunk(
            slice(anchor, anchor + 1),
            slice(at_platform, at_platform + 1),
            slice(at_repository, at_repository + 1),
        )
        b, p, r = anchor + 1, at_platform + 1, at_repository + 1
    yield _Chunk(slice(b, len(before)), slice(p, len(platform)), slice(r, len(repository)))


def _anchors(
    before: list[Any], platform: list[Any], repository: list[Any]
) -> Iterator[tuple[int, int, int]]:
    in_platform = _kept(before, platform)
    in_repository = _kept(before, repository)
    for index in sorted(in_platform.keys() & in_repository.keys()):
        yield index, in_platform[index], in_repository[index]


def _kept(before: list[Any], after: list[Any]) -> dict[int, int]:
    """Index before → index after, of the items that stayed as they were."""
    matcher = SequenceMatcher(None, _keys(before), _keys(after), autojunk=False)
    return {
        block.a + step: block.b + step
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }


def _keys(items: Sequence[Any]) -> list[str]:
    return [json.dumps(item, sort_keys=True) for item in items]


def _same(one: Any, other: Any) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _shown(value: Any) -> Json:
    return None if value is MISSING else value


def format_value_path(place: ValuePath) -> str:
    """A place as a person reads it: ``messages[1].content``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
