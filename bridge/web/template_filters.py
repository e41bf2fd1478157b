"""Jinja filters that format times and names for people. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_SIZES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_WHOSE = re.compile(r"^(?:prompt_template_|forge:[^:]*:)")
_PLAIN = re.compile(r"[_:]")
_FINE = timedelta(seconds=10)


def format_duration(length: timedelta | float | None) -> str:
    """``2 d 3 h``, ``4 min``, ``1.5 s``: the two largest units that matter."""
    if length is None:
        return "–"
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if abs(seconds) < _FINE.total_seconds():
        return f"{seconds:.1f} s" if seconds else "0 s"
    left, parts = round(abs(seconds)), list[str]()
    for size, unit in _SIZES:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return ("−" if seconds < 0 else "") + " ".join(parts[:2])


def format_age(then: datetime, now: datetime) -> str:
    """``just now``, ``4 min ago``, ``in 20 s``: the largest unit."""
    seconds = round((now - then).total_seconds())
    if abs(seconds) < 2:
        return "just now"
    size, unit = next(each for each in _SIZES if abs(seconds) >= each[0])
    count = f"{abs(seconds) // size} {unit}"
    return f"{count} ago" if seconds > 0 else f"in {count}"


def format_time(then: datetime) -> str:
    """The time to the second, in UTC."""
    return f"{then:%Y-%m-%d %H:%M:%S} UTC"


def format_event_type(event_type: str) -> str:
    """``prompt_template_label_moved`` becomes ``label moved``."""
    return _PLAIN.sub(" ", _WHOSE.sub("", event_type))


def filter_web_address(address: str) -> str:
    """The address if it is http or https, else ``#``, a link that leads nowhere."""
    return address if address.startswith(("https://", "http://")) else "#"
