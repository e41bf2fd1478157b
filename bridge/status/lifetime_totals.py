"""Read counters and a histogram since the first day: the stored sums of past days, and a count of
today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from bridge.promptlayer.webhook_events import DOCUMENTED_EVENTS
from bridge.promptlayer.workspace_source import is_promptlayer_source
from bridge.status.daily_sums import StatisticKind, count_day, find_first_day
from bridge.status.tables import daily_sums_table

OTHER_LABEL = "other"  # of every undocumented event type

_Row = tuple[str, str, str, str, int]  # measure, source, kind, outcome, count


@dataclass
class LifetimeTotals:
    """Since the first day."""

    deliveries: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By source, event type and state."""
    opened_pull_requests: Counter[str] = field(default_factory=Counter)
    """Pull requests, by mapping."""
    published_versions: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    seconds_to_pull_request: dict[str, Counter[float]] = field(default_factory=dict)
    """From an event to its pull request, by mapping and by the end of a bucket in seconds."""


def read_lifetime_totals(connection: Connection, now: datetime) -> LifetimeTotals:
    """Add the stored sums of whole days to the counts of the days that have none yet."""
    found = LifetimeTotals()
    for row in (*_summed(connection), *_counted(connection, now)):
        _add(found, row)
    return found


def _summed(connection: Connection) -> Iterator[_Row]:
    columns = (
        daily_sums_table.c.measure,
        daily_sums_table.c.source,
        daily_sums_table.c.kind,
        daily_sums_table.c.outcome,
    )
    query = select(*columns, func.sum(daily_sums_table.c["count"])).group_by(*columns)
    for row in connection.execute(query):
        yield (row[0], row[1], row[2], row[3], int(row[4]))


def _counted(connection: Connection, now: datetime) -> Iterator[_Row]:
    today = now.astimezone(UTC).date()
    known = select(func.max(daily_sums_table.c.day)).where(
        daily_sums_table.c.measure == StatisticKind.SUMMED_UP_MARK
    )
    newest = connection.execute(known).scalar()
    day = date.fromisoformat(newest) + timedelta(days=1) if newest else find_first_day(connection)
    while day is not None and day <= today:
        for each in count_day(connection, day):
            yield (each.measure, each.source, each.kind, each.outcome, each.count)
        day += timedelta(days=1)


def _add(found: LifetimeTotals, row: _Row) -> None:
    measure, source, kind, outcome, count = row
    by_mapping: Mapping[str, Counter[str]] = {
        StatisticKind.PULL_REQUESTS_OPENED: found.opened_pull_requests,
        StatisticKind.PUBLISHED: found.published_versions,
        StatisticKind.CONFLICTS: found.conflicts,
    }
    if measure == StatisticKind.DELIVERIES:
        known = kind in DOCUMENTED_EVENTS or not is_promptlayer_source(source)
        found.deliveries[source, kind if known else OTHER_LABEL, outcome] += count
    elif measure == StatisticKind.TIME_TO_PULL_REQUEST:
        found.seconds_to_pull_request.setdefault(kind, Counter())[float(outcome)] += count
    elif measure in by_mapping:
        by_mapping[measure][kind] += count
