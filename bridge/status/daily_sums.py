"""Sums by day (UTC): what was delivered, proposed and published, and how long that took.

The sums of past days are stored for good; those of today are counted at each query.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, func, select

from bridge.status.history_events import HistoryEventKind
from bridge.status.tables import daily_sums_table, history_events_table
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryState, deliveries_table

_ONE = timedelta(days=1)
_STILL_MOVING = 2  # days until the sums of a day are final
_SMALLEST, _GROWTH, _BUCKETS = 1.0, 1.25, 64  # the first bucket's end in seconds, and so on


class StatisticKind(StrEnum):
    """The measures that are summed up by day."""

    DELIVERIES = "deliveries"  # by source, event type and state
    PULL_REQUESTS_OPENED = "pull requests opened"  # by mapping
    TIME_TO_PULL_REQUEST = (
        "time to pull request"  # by mapping, and the end of its bucket in seconds
    )
    PUBLISHED = "published"  # by mapping
    CONFLICTS = "conflicts"  # by mapping
    SUMMED_UP_MARK = "summed"  # that the day was summed up


_OF_KIND = {
    HistoryEventKind.PULL_REQUEST_OPENED: StatisticKind.PULL_REQUESTS_OPENED,
    HistoryEventKind.PUBLISHED: StatisticKind.PUBLISHED,
    HistoryEventKind.CONFLICT: StatisticKind.CONFLICTS,
}


@dataclass(frozen=True)
class DailySum:
    """``source``, ``kind`` and ``outcome`` are "" where they do not apply."""

    day: date
    measure: StatisticKind
    source: str
    kind: str
    outcome: str
    count: int


class DailySumStore:
    """The sums of one database. Safe for several processes: summing up twice changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sum_up_past_days(self, now: datetime) -> int:
        """Sum up every past day that has no sums yet, and the newest two again; returns how many
        days. Older rows than ``find_final_before`` may be deleted afterwards."""
        with self._database.open_read_transaction() as connection:
            first = find_first_day(connection)
            done = set(_summed(connection))
        today = _day(now)
        due = [
            day
            for day in _days(first or today, today)
            if day not in done or day >= today - _STILL_MOVING * _ONE
        ]
        for day in due:
            with self._database.open_transaction() as connection:
                self._write(connection, day)
        return len(due)

    def _write(self, connection: Connection, day: date) -> None:
        connection.execute(
            delete(daily_sums_table).where(daily_sums_table.c.day == day.isoformat())
        )
        marker = DailySum(day, StatisticKind.SUMMED_UP_MARK, "", "", "", 1)
        rows = [
            vars(one) | {"day": day.isoformat()} for one in (marker, *count_day(connection, day))
        ]
        connection.execute(self._database.build_insert(daily_sums_table), rows)


def find_final_before(now: datetime) -> datetime:
    """The time before which days are summed up for the last time."""
    return _begin(_day(now) - _STILL_MOVING * _ONE)


def count_day(connection: Connection, day: date) -> Iterator[DailySum]:
    """The sums of one day, counted now."""
    begin, end = _begin(day), _begin(day + _ONE)
    columns = (deliveries_table.c.source, deliveries_table.c.event_type, deliveries_table.c.state)
    within = (deliveries_table.c.received_at >= begin, deliveries_table.c.received_at < end)
    query = select(*columns, func.count().label("number")).where(*within).group_by(*columns)
    for row in connection.execute(query):
        yield DailySum(
            day, StatisticKind.DELIVERIES, row.source, row.event_type, row.state, row.number
        )
    yield from sum_history_events_of_day(connection, day)


def count_day_states(connection: Connection, day: date) -> Iterator[DailySum]:
    """The deliveries of one day by state alone, which one range of an index answers."""
    begin, end = _begin(day), _begin(day + _ONE)
    for state in DeliveryState:
        query = select(func.count()).where(
            deliveries_table.c.state == state,
            deliveries_table.c.received_at >= begin,
            deliveries_table.c.received_at < end,
        )
        if number := connection.execute(query).scalar():
            yield DailySum(day, StatisticKind.DELIVERIES, "", "", state, number)


def sum_history_events_of_day(connection: Connection, day: date) -> Iterator[DailySum]:
    """The pull requests opened, versions published and conflicts of one day. A pull request of many
    prompts counts once."""
    begin, end = _begin(day), _begin(day + _ONE)
    number = func.coalesce(history_events_table.c.number, history_events_table.c.id)
    for kind, measure in _OF_KIND.items():
        within = (
            history_events_table.c.kind == kind,
            history_events_table.c.at >= begin,
            history_events_table.c.at < end,
        )
        what = number if kind is HistoryEventKind.PULL_REQUEST_OPENED else history_events_table.c.id
        query = (
            select(
                history_events_table.c.mapping,
                what.label("what"),
                func.min(history_events_table.c.seconds).label("took"),
            )
            .where(*within)
            .group_by(history_events_table.c.mapping, what)
        )
        found = connection.execute(query).all()
        for mapping, count in sorted(Counter(row.mapping for row in found).items()):
            yield DailySum(day, measure, "", mapping, "", count)
        if kind is HistoryEventKind.PULL_REQUEST_OPENED:
            waits = Counter(
                (row.mapping, find_bucket_end(row.took)) for row in found if row.took is not None
            )
            for (mapping, ends), count in sorted(waits.items()):
                yield DailySum(
                    day, StatisticKind.TIME_TO_PULL_REQUEST, "", mapping, repr(ends), count
                )


def read_stored_sums(connection: Connection, since: date) -> Iterator[DailySum]:
    """The stored sums from this day on."""
    query = select(daily_sums_table).where(daily_sums_table.c.day >= since.isoformat())
    for row in connection.execute(query):
        measure = StatisticKind(row.measure)
        day = date.fromisoformat(row.day)
        yield DailySum(day, measure, row.source, row.kind, row.outcome, row._mapping["count"])


def find_bucket_end(seconds: float) -> float:
    """The end of the bucket that a time belongs to, in seconds; each is a quarter wider than the
    one before."""
    if seconds <= _SMALLEST:
        return _SMALLEST
    steps = math.ceil(math.log(seconds / _SMALLEST, _GROWTH) - 1e-9)
    return round(_SMALLEST * _GROWTH ** min(steps, _BUCKETS), 3)


def estimate_quantile(buckets: Mapping[float, int], part: float) -> float | None:
    """The time (seconds) that this part of all stayed below, to the width of a bucket; None without
    any."""
    total = sum(buckets.values())
    wanted, passed = part * total, 0
    for ends in sorted(buckets):
        count = buckets[ends]
        if count and passed + count >= wanted:
            begins = 0.0 if ends <= _SMALLEST else ends / _GROWTH
            return begins + (ends - begins) * max(0.0, wanted - passed) / count
        passed += count
    return None


def find_first_day(connection: Connection) -> date | None:
    """The first day with a recorded event; None for a new bridge."""
    delivered = connection.execute(select(func.min(deliveries_table.c.received_at))).scalar()
    columns = connection.execute(
        select(func.min(history_events_table.c.at)).where(
            history_events_table.c.kind == HistoryEventKind.PULL_REQUEST_OPENED
        )
    ).scalar()
    firsts = [_day(each) for each in (delivered, columns) if each is not None]
    return min(firsts, default=None)


def _summed(connection: Connection) -> Iterator[date]:
    query = select(daily_sums_table.c.day).where(
        daily_sums_table.c.measure == StatisticKind.SUMMED_UP_MARK
    )
    for (day,) in connection.execute(query):
        yield date.fromisoformat(day)


def _days(first: date, end: date) -> Iterator[date]:
    for number in range((end - first).days):
        yield first + number * _ONE


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
