"""A figure of ``make bench``: a count or a ratio, and the goal it is held against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """``value`` and ``against`` are in ``unit``; ``ratio`` is one by the other."""

    name: str
    value: float
    unit: str
    against: float | None = None
    ratio: float | None = None
    goal: str | None = None  # in words; None: it is only told
    ok: bool | None = None

    def line(self) -> str:
        """As one line of JSON; what does not apply is null."""
        return json.dumps(asdict(self), ensure_ascii=False)


def counted(name: str, value: float, unit: str, allowed: float) -> Figure:
    """Something of which there may be so much at most."""
    ratio = round(value / allowed, 3)
    return Figure(name, value, unit, allowed, ratio, f"≤ {allowed:g}", value <= allowed)


def exactly(name: str, value: int, unit: str, wanted: int) -> Figure:
    """Something of which there has to be so much."""
    ratio = round(value / wanted, 3)
    return Figure(name, value, unit, wanted, ratio, f"= {wanted}", value == wanted)


def none_of(name: str, value: int, unit: str) -> Figure:
    """Something of which there may be nothing at all."""
    return Figure(name, value, unit, 0, None, "= 0", value == 0)


def growth(name: str, value: float, unit: str, against: float, at_most: float) -> Figure:
    """Something that may be so many times something else."""
    ratio = value / against
    return Figure(
        name, value, unit, against, _rounded(ratio), f"ratio ≤ {at_most:g}", ratio <= at_most
    )


def gain(name: str, value: float, unit: str, against: float, at_least: float) -> Figure:
    """Something that has to be so many times something else."""
    ratio = value / against
    return Figure(
        name, value, unit, against, _rounded(ratio), f"ratio ≥ {at_least:g}", ratio >= at_least
    )


def told(name: str, value: float, unit: str, against: float | None = None) -> Figure:
    """Something that is worth knowing and has no goal."""
    ratio = None if against is None else _rounded(value / against)
    return Figure(name, value, unit, against, ratio)


def _rounded(ratio: float) -> float:
    return float(f"{ratio:.3g}")
