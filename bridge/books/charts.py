"""Read the sums of days, for charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from bridge.books.sums import Measure, Sum, counted_moments, counted_states, kept, quantile


@dataclass(frozen=True)
class Day:
    """What one day (UTC) was like. Times are in seconds, from an event's arrival to its pull
    request; None on days without any."""

    day: date
    deliveries: Mapping[str, int]  # by their state
    opened: int
    published: int
    conflicts: int
    median: float | None
    p90: float | None


def days(connection: Connection, now: datetime, count: int) -> tuple[Day, ...]:
    today = now.astimezone(UTC).date()
    wanted = [today - timedelta(days=back) for back in reversed(range(count))]
    found: dict[date, list[Sum]] = {day: [] for day in wanted}
    for each in kept(connection, wanted[0]):
        if each.day in found:
            found[each.day].append(each)
    for day in wanted:
        if not any(each.measure is Measure.SUMMED for each in found[day]):
            found[day] = [*counted_states(connection, day), *counted_moments(connection, day)]
    return tuple(_day(day, sums) for day, sums in found.items())


def _day(day: date, sums: Iterable[Sum]) -> Day:
    totals: Counter[Measure] = Counter()
    outcomes: Counter[str] = Counter()
    waits: Counter[float] = Counter()
    for each in sums:
        totals[each.measure] += each.count
        if each.measure is Measure.DELIVERIES:
            outcomes[each.outcome] += each.count
        elif each.measure is Measure.WAITED:
            waits[float(each.outcome)] += each.count
    return Day(
        day,
        dict(outcomes),
        totals[Measure.OPENED],
        totals[Measure.PUBLISHED],
        totals[Measure.CONFLICTS],
        quantile(waits, 0.5),
        quantile(waits, 0.9),
    )
