"""Find the settings of a mapping that match no prompt. A label, tag or folder that is made later
matches none yet, so each is a warning. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bridge.prompts.glob import is_literal, matches_glob
from bridge.prompts.prompt import LATEST
from bridge.prompts.selection import PromptSelection

_MOST_NAMED = 10
_CLOSE = 0.75  # of 1


@dataclass(frozen=True)
class PromptSummary:
    """A prompt as far as a mapping's settings ask about it."""

    id: int
    name: str
    tags: tuple[str, ...]
    folder: str | None


@dataclass(frozen=True)
class CoverageGap:
    """A setting that takes nothing in. ``setting`` is it as it stands in the mapping; ``message``
    names the mapping too."""

    setting: str
    message: str


@dataclass(frozen=True)
class Coverage:
    """The prompts that a mapping could match. ``listed`` are those that carry each tracked
    label, ``everything`` all prompts of the workspace; ``labels`` reads the labels that
    exist."""

    mapping: str
    selection: PromptSelection
    listed: Mapping[str, Sequence[PromptSummary]]
    everything: Sequence[PromptSummary]
    labels: Callable[[], Collection[str]]

    def find_gaps(self) -> tuple[CoverageGap, ...]:
        """Every setting that takes nothing in; of a mapping that follows nothing at all, one
        sentence with all that is known of why. Nothing for a workspace without prompts."""
        if not self.everything:
            return ()
        trigger_events = list(self._causes())
        followed, total = len(self.find_followed_ids()), len(self.everything)
        head = f"mapping {self.mapping} follows {followed:,} of {total:,} prompts"
        if followed:
            return tuple(
                CoverageGap(setting, f"{head}, and {cause}") for setting, cause in trigger_events
            )
        together = "each of its settings holds for some, and all together for none"
        words = "; ".join(cause for _, cause in trigger_events) or together
        return (CoverageGap("the mapping", f"{head}: {words}"),)

    def find_followed_ids(self) -> set[int]:
        """Find the ids of the prompts that the mapping follows, at any label."""
        return {
            one.id
            for some in self.listed.values()
            for one in some
            if self.selection.matches(one.name, one.tags, one.folder)
        }

    def _causes(self) -> Iterator[tuple[str, str]]:
        """The setting, and what is wrong with it."""
        yield from self._labels()
        for name in self.selection.names:
            if (hint := self._name_hint(name)) is not None:
                yield f"prompts: {name}", f"no name matches {name}{hint}"
        tags = {tag for one in self.everything for tag in one.tags}
        for tag in self.selection.tags:
            if tag not in tags:
                yield f"tags: {tag}", f"none has the tag {tag}{_choices(tag, tags)}"
        yield from self._folder()

    def _labels(self) -> Iterator[tuple[str, str]]:
        missing = [label for label, some in self.listed.items() if label != LATEST and not some]
        known = self.labels() if missing else ()
        for label in missing:
            there = {*known, LATEST} if label.casefold() == LATEST else known
            yield f"track: {label}", f"none has the label {label}{_choices(label, there)}"

    def _folder(self) -> Iterator[tuple[str, str]]:
        folder = self.selection.folder
        inside = PromptSelection(folder=folder)
        if folder is None or any(inside.matches("", (), one.folder) for one in self.everything):
            return
        there = {path for one in self.everything if one.folder for path in _above(one.folder)}
        yield f"folder: {folder}", f"none is in the folder {folder}{_choices(folder, there)}"

    def _name_hint(self, entry: str) -> str | None:
        """Find a hint for a pattern that matches no name; None for one that matches some."""
        mark, pattern = ("!", entry[1:]) if entry.startswith("!") else ("", entry)
        names = [one.name for one in self.everything]
        if any(matches_glob(pattern, name) for name in names):
            return None
        meant = find_closest_pattern(pattern, names)
        return f": did you mean {mark}{meant}?" if meant else ""


def find_closest_pattern(pattern: str, names: Collection[str]) -> str | None:
    """A pattern like this one that matches some of these names; None where there is none."""
    bare = pattern.strip("/")
    if is_literal(bare) and (found := find_closest(bare, names)):
        return found
    folders = [part.split("/") for part in names]
    parts = [
        _closest_part(part, {each[place] for each in folders if len(each) > place})
        for place, part in enumerate(bare.split("/"))
    ]
    meant = "/".join(parts)
    matching = meant != pattern and any(matches_glob(meant, name) for name in names)
    return meant if matching else None


def _closest_part(part: str, there: Collection[str]) -> str:
    return (find_closest(part, there) or part) if is_literal(part) else part


def find_closest(word: str, there: Collection[str]) -> str | None:
    """Find an existing name that a person may have meant: equal but for capitals and slashes at
    the ends, or similar."""
    wanted = word.strip("/").casefold()
    folded = {each.casefold(): each for each in sorted(there, reverse=True)}
    found = difflib.get_close_matches(wanted, folded, 1, _CLOSE)
    return folded[wanted] if wanted in folded else folded[found[0]] if found else None


def _above(folder: str) -> Iterator[str]:
    """A folder, and those that it is in."""
    parts = folder.strip("/").split("/")
    yield from ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def _choices(word: str, there: Collection[str]) -> str:
    """List the existing names, with a hint at the one that may be meant."""
    if not there:
        return " (there is none at all)"
    named = sorted(there)
    more = f" and {len(named) - _MOST_NAMED:,} more" if len(named) > _MOST_NAMED else ""
    verb = "are" if len(named) > 1 else "is"
    meant = find_closest(word, there)
    hint = f": did you mean {meant}?" if meant else ""
    return f" (there {verb} {', '.join(named[:_MOST_NAMED])}{more}){hint}"
