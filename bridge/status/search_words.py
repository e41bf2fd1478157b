"""Turn the text of a search field into patterns for SQL's LIKE. Pure."""

from __future__ import annotations

import re

LIKE_ESCAPE = "\\"
_SPECIAL = re.compile(r"[\\%_]")


def build_like_patterns(text: str) -> list[str]:
    """One pattern for each word; a name has to match all of them. A word matches a part of the name;
    one with ``*``, which stands for any text, matches the whole name."""
    return [_build_pattern(word) for word in text.split()]


def _build_pattern(word: str) -> str:
    escaped = _SPECIAL.sub(r"\\\g<0>", word)
    return escaped.replace("*", "%") if "*" in word else f"%{escaped}%"
