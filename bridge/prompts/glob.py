"""Match globs against the names of prompts. Pure.

``*`` and ``?`` stay within one folder of a name, ``**`` does not, and ``**/`` is any number of
folders or none; ``[abc]``, ``[a-z]`` and ``[!abc]`` are one character, ``{one,another}`` is either
of them, and a backslash takes the next character as it is. Every other use of such a character is
refused: a pattern that silently matches nothing would leave a mapping empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

_MOST_EXPANSIONS = 1000
_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[[!^]?\]?[^\]]*\])|(?P<folders>(?:^|(?<=/))\*\*/)|(?P<all>\*\*)"
    r"|(?P<some>\*)|(?P<one>\?)|(?P<plain>.)",
    re.DOTALL,
)
_SPELLED = {"folders": "(?:.*/)?", "all": ".*", "some": "[^/]*", "one": "[^/]"}
_MAGIC = re.compile(r"[*?\[\]{}\\]")


def check_glob(pattern: str) -> str:
    """Return the pattern. Raises ValueError, worded for its author, where it is malformed."""
    _compiled(pattern)
    return pattern


def matches_glob(pattern: str, name: str) -> bool:
    """Whether a pattern matches a name; a pattern always matches the name that is equal to it,
    whatever characters it has. Raises ValueError like ``check_glob``."""
    return name == pattern or _compiled(pattern).fullmatch(name) is not None


def is_literal(pattern: str) -> bool:
    """Whether no character of it means anything but itself."""
    return _MAGIC.search(pattern) is None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    alternatives = [_translated(each, pattern) for each in _expanded(pattern)]
    return re.compile("|".join(f"(?:{each})" for each in alternatives), re.DOTALL)


def _translated(text: str, pattern: str) -> str:
    return "".join(_spelled(found, pattern) for found in _TOKEN.finditer(text))


def _spelled(found: re.Match[str], pattern: str) -> str:
    kind, text = str(found.lastgroup), found[0]
    if kind in _SPELLED:
        return _SPELLED[kind]
    if kind == "escape":
        return re.escape(text[1])
    if kind == "set":
        return _set(text[1:-1], pattern)
    if text == "\\":
        raise ValueError(f"{pattern!r}: expected a character behind the backslash at its end")
    if text in "[]":
        raise ValueError(
            f"{pattern!r}: expected [ and ] in pairs; write \\{text} for {text} itself"
        )
    return re.escape(text)


def _set(text: str, pattern: str) -> str:
    """``[a-z]`` as a regular expression; never a slash."""
    negated = text[:1] in ("!", "^")
    characters = text[1:] if negated else text
    if not characters:
        raise ValueError(f"{pattern!r}: expected characters between [ and ]")
    parts = []
    for first, last, single in re.findall(r"(.)-(.)|(.)", characters, re.DOTALL):
        if first > last:
            raise ValueError(f"{pattern!r}: expected the range {last}-{first}, not {first}-{last}")
        parts.append(f"{re.escape(first)}-{re.escape(last)}" if first else re.escape(single))
    return f"(?!/)[{'^' if negated else ''}{''.join(parts)}]"


def _expanded(pattern: str) -> list[str]:
    """The patterns without braces that it stands for."""
    done: list[str] = []
    ahead = [pattern]
    while ahead:
        if len(ahead) + len(done) > _MOST_EXPANSIONS:
            raise ValueError(f"{pattern!r}: stands for more than {_MOST_EXPANSIONS:,} patterns")
        text = ahead.pop()
        if (braces := _first_braces(text, pattern)) is None:
            done.append(text)
            continue
        start, end, commas = braces
        bounds = [start, *commas, end]
        ahead += [
            text[:start] + text[left + 1 : right] + text[end + 1 :]
            for left, right in pairwise(bounds)
        ]
    return done


def _first_braces(text: str, pattern: str) -> tuple[int, int, list[int]] | None:
    """Find the positions of the first braces and of their own commas."""
    start, depth, commas = -1, 0, list[int]()
    for place, character in _outside_sets(text):
        if character == "{":
            start, depth = (place if depth == 0 else start), depth + 1
        elif character == "," and depth == 1:
            commas.append(place)
        elif character == "}":
            depth -= 1
            if depth == 0 and commas:
                return start, place, commas
            if depth == 0:
                raise ValueError(f"{pattern!r}: expected {{one,another}} between the braces")
        if depth < 0:
            break
    if depth:
        raise ValueError(f"{pattern!r}: expected {{ and }} in pairs; write \\{{ for {{ itself")
    return None


def _outside_sets(text: str) -> Iterator[tuple[int, str]]:
    """Characters that stand for themselves neither by a backslash nor within ``[…]``."""
    for found in _TOKEN.finditer(text):
        if found.lastgroup == "plain":
            yield found.start(), found[0]
