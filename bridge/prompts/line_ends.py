"""Normalise Windows line ends and the byte order mark that editors leave in a file. Pure."""

from __future__ import annotations

from difflib import SequenceMatcher

_MARK = "\ufeff"


def normalise_line_ends(text: str) -> str:
    """``text`` without a byte order mark, each line ending in a line feed alone."""
    return text.removeprefix(_MARK).replace("\r\n", "\n")


def with_line_ends_of(existing: str, text: str) -> str:
    """Plain ``text`` with the byte order mark and the line ends of ``existing``; where these are
    mixed, a line that stays keeps its own and a new one gets the more frequent."""
    mark = _MARK if existing.startswith(_MARK) else ""
    windows, all_ends = existing.count("\r\n"), existing.count("\n")
    if windows == all_ends:
        return mark + (text.replace("\n", "\r\n") if windows else text)
    return mark + (_mixed(existing, text, "\r" * (2 * windows > all_ends)) if windows else text)


def _mixed(existing: str, text: str, usual: str) -> str:
    former = existing.removeprefix(_MARK).split("\n")
    lines = text.split("\n")
    ends = [usual] * len(lines)
    matcher = SequenceMatcher(None, [line.removesuffix("\r") for line in former], lines, False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            ends[block.b + offset] = "\r" * former[block.a + offset].endswith("\r")
    *ended, last = [f"{line}{end}" for line, end in zip(lines, ends, strict=True)]
    return "\n".join([*ended, last.removesuffix("\r")])
