"""Read the sums of days for the charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from bridge.status.daily_sums import (
    DailySum,
    StatisticKind,
    count_day_states,
    estimate_quantile,
    read_stored_sums,
    sum_history_events_of_day,
)


@dataclass(frozen=True)
class DailyStatistics:
    """The sums of one day (UTC). ``median`` and ``p90`` are seconds from an event's arrival to its
    pull request; None on days without any."""

    day: date
    deliveries: Mapping[str, int]  # by their state
    opened_pull_requests: int
    published_versions: int
    conflicts: int
    median: float | None
    p90: float | None


def list_daily_statistics(
    connection: Connection, now: datetime, count: int
) -> tuple[DailyStatistics, ...]:
    today = now.astimezone(UTC).date()
    wanted = [today - timedelta(days=back) for back in reversed(range(count))]
    found: dict[date, list[DailySum]] = {day: [] for day in wanted}
    for each in read_stored_sums(connection, wanted[0]):
        if each.day in found:
            found[each.day].append(each)
    for day in wanted:
        if not any(each.measure is StatisticKind.SUMMED_UP_MARK for each in found[day]):
            found[day] = [
                *count_day_states(connection, day),
                *sum_history_events_of_day(connection, day),
            ]
    return tuple(_day(day, sums) for day, sums in found.items())


def _day(day: date, sums: Iterable[DailySum]) -> DailyStatistics:
    totals: Counter[StatisticKind] = Counter()
    outcomes: Counter[str] = Counter()
    waits: Counter[float] = Counter()
    for each in sums:
        totals[each.measure] += each.count
        if each.measure is StatisticKind.DELIVERIES:
            outcomes[each.outcome] += each.count
        elif each.measure is StatisticKind.TIME_TO_PULL_REQUEST:
            waits[float(each.outcome)] += each.count
    return DailyStatistics(
        day,
        dict(outcomes),
        totals[StatisticKind.PULL_REQUESTS_OPENED],
        totals[StatisticKind.PUBLISHED],
        totals[StatisticKind.CONFLICTS],
        estimate_quantile(waits, 0.5),
        estimate_quantile(waits, 0.9),
    )
