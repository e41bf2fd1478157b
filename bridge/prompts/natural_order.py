"""The order in which people expect names."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")


def split_naturally(text: str) -> list[tuple[int, int, str]]:
    """A sort key without regard to case; numbers in names count as numbers, so that ``step 9`` comes
    before ``step 10``."""
    return [
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in _DIGITS.split(text.casefold())
        if part
    ]
