"""Compute the positions of the parts of a chart, which templates draw. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bridge.status.daily_statistics import DailyStatistics
from bridge.web.template_filters import format_duration

WIDTH, HEIGHT = 1000, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 10, 26
_TICKS = 4
_DATES = 8  # shown below a chart at most
_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)

# The groups of deliveries that people read, and the states in each.
DELIVERY_GROUPS: Mapping[str, tuple[str, ...]] = {
    "done": ("done",),
    "in work": ("new", "dispatched"),
    "parked": ("parked",),
    "ignored": ("ignored",),
}
_CLASSES = {"done": "s1", "in work": "s4", "parked": "s3", "ignored": "s2"}


@dataclass(frozen=True)
class AxisTick:
    position: float  # x or y
    label: str


@dataclass(frozen=True)
class ChartBar:
    x: float
    y: float
    width: float
    height: float
    kind: str  # its class in the style sheet


@dataclass(frozen=True)
class ChartFrame:
    """The frame of every chart: horizontal lines with their values, and dates below."""

    rows: tuple[AxisTick, ...]
    columns: tuple[AxisTick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    base: float = HEIGHT - _BOTTOM


@dataclass(frozen=True)
class BarChart:
    frame: ChartFrame
    bars: tuple[ChartBar, ...]
    legend: tuple[tuple[str, str], ...]  # words, and their class


@dataclass(frozen=True)
class ChartCurve:
    kind: str  # "" or "high"
    lines: tuple[str, ...]  # points of polylines; days without a value part them
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    frame: ChartFrame
    curves: tuple[ChartCurve, ...]


def group_deliveries(day: DailyStatistics) -> dict[str, int]:
    """A day's deliveries by the groups that people read."""
    return {
        name: sum(day.deliveries.get(state, 0) for state in states)
        for name, states in DELIVERY_GROUPS.items()
    }


def layout_delivery_bars(days: Sequence[DailyStatistics]) -> BarChart:
    """A bar for each day, with a part for each group of deliveries."""
    counts = [group_deliveries(day) for day in days]
    step = _nice(max((sum(each.values()) for each in counts), default=0) / _TICKS)
    scale = _height() / (step * _TICKS)
    slot = _slot(len(days))
    bars = [
        bar
        for number, count in enumerate(counts)
        for bar in _stacked(count, _LEFT + slot * (number + 0.14), slot * 0.72, scale)
    ]
    rows = tuple(
        AxisTick(_base() - step * n * scale, f"{step * n:,.0f}") for n in range(_TICKS + 1)
    )
    legend = tuple((name, _CLASSES[name]) for name in DELIVERY_GROUPS)
    return BarChart(ChartFrame(rows, _dates(days)), tuple(bars), legend)


def layout_waiting_curves(days: Sequence[DailyStatistics]) -> LineChart:
    """The times to a pull request: the median and the 90th percentile of each day."""
    longest = max((day.p90 or day.median or 0.0 for day in days), default=0.0)
    top = next((each for each in _SECONDS if each >= longest), math.ceil(longest / 86400) * 86400)
    scale = _height() / top
    rows = tuple(
        AxisTick(_base() - top * n / _TICKS * scale, format_duration(top * n / _TICKS))
        for n in range(_TICKS + 1)
    )
    curves = tuple(
        _curve(kind, [getattr(day, name) for day in days], scale)
        for kind, name in (("", "median"), ("high", "p90"))
    )
    return LineChart(ChartFrame(rows, _dates(days)), curves)


def _stacked(counts: Mapping[str, int], x: float, width: float, scale: float) -> Iterator[ChartBar]:
    y = float(_base())
    for name, count in counts.items():
        height = count * scale
        if count:
            y -= height
            yield ChartBar(_round(x), _round(y), _round(width), _round(height), _CLASSES[name])


def _curve(kind: str, values: Sequence[float | None], scale: float) -> ChartCurve:
    slot = _slot(len(values))
    places = [
        None
        if value is None
        else (_round(_LEFT + slot * (n + 0.5)), _round(_base() - value * scale))
        for n, value in enumerate(values)
    ]
    lines, part = list[str](), list[str]()
    for place in (*places, None):
        if place is not None:
            part.append(f"{place[0]},{place[1]}")
        elif part:
            lines.append(" ".join(part))
            part = []
    return ChartCurve(kind, tuple(lines), tuple(place for place in places if place is not None))


def _dates(days: Sequence[DailyStatistics]) -> tuple[AxisTick, ...]:
    slot, every = _slot(len(days)), max(1, math.ceil(len(days) / _DATES))
    newest = len(days) - 1
    return tuple(
        AxisTick(_round(_LEFT + slot * (n + 0.5)), _short(day.day))
        for n, day in enumerate(days)
        if (newest - n) % every == 0
    )


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def _nice(step: float) -> int:
    """The next larger round number: 1, 2, 5, 10, 20, …"""
    if step <= 1:
        return 1
    power = 10 ** math.floor(math.log10(step))
    return next(int(power * each) for each in (1, 2, 5, 10) if power * each >= step)


def _slot(count: int) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(count, 1)


def _base() -> int:
    return HEIGHT - _BOTTOM


def _height() -> int:
    return HEIGHT - _BOTTOM - _TOP


def _round(number: float) -> float:
    return round(number, 1)
