"""Where the parts of a chart stand: always inside it, and as large as what they tell."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.status.daily_statistics import DailyStatistics
from bridge.web.chart_layout import (
    DELIVERY_GROUPS,
    HEIGHT,
    WIDTH,
    group_deliveries,
    layout_delivery_bars,
    layout_waiting_curves,
)

STATES = ["new", "dispatched", "done", "ignored", "parked"]


def day(number: int = 0, median: float | None = None, **deliveries: int) -> DailyStatistics:
    then = date(2026, 1, 2) + timedelta(days=number)
    return DailyStatistics(
        then, deliveries, 0, 0, 0, median, None if median is None else median * 3
    )


DAYS = st.lists(
    st.builds(
        lambda counts, median: day(0, median, **counts),
        st.dictionaries(st.sampled_from(STATES), st.integers(0, 10**9)),
        st.none() | st.floats(0, 10**7),
    ),
    min_size=1,
    max_size=90,
)


@settings(deadline=None)
@given(DAYS)
def test_everything_stands_inside_the_chart(days: list[DailyStatistics]) -> None:
    bars, curves = layout_delivery_bars(days), layout_waiting_curves(days)

    for bar in bars.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.2
    for curve in curves.curves:
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in curve.dots)
    for chart in (bars, curves):
        assert all(0 <= tick.position <= HEIGHT for tick in chart.frame.rows)
        assert all(0 <= tick.position <= WIDTH for tick in chart.frame.columns)


@settings(deadline=None)
@given(DAYS)
def test_every_day_with_a_time_has_its_dot(days: list[DailyStatistics]) -> None:
    median = layout_waiting_curves(days).curves[0]

    known = [each for each in days if each.median is not None]
    assert len(median.dots) == len(known)
    assert sum(line.count(",") for line in median.lines) == len(known)


def test_a_bar_is_as_high_as_its_deliveries() -> None:
    small, large = layout_delivery_bars([day(0, done=10), day(1, done=20)]).bars

    assert large.height == pytest.approx(2 * small.height, rel=0.01)


def test_days_without_a_time_part_the_line() -> None:
    median = layout_waiting_curves([day(0, 1.0), day(1), day(2, 2.0), day(3, 2.0)]).curves[0]

    assert [line.count(",") for line in median.lines] == [1, 2]


def test_every_state_of_a_delivery_counts_once() -> None:
    counts = group_deliveries(day(0, **dict.fromkeys(STATES, 1)))

    assert sum(counts.values()) == len(STATES)
    assert list(counts) == list(DELIVERY_GROUPS)


def test_a_year_of_dates_is_not_written_over_itself() -> None:
    columns = layout_waiting_curves([day(n) for n in range(90)]).frame.columns

    assert len(columns) <= 8
    assert columns[-1].label == "1 Apr"
