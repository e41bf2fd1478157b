"""What there ever was, as counters and a histogram: the sums of past days, and today as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, func, select

from bridge.books.sums import Measure, counted, first_day
from bridge.books.tables import days
from bridge.promptlayer.events import DOCUMENTED
from bridge.promptlayer.workspace import is_promptlayer

OTHER = "other"  # every event type that nobody documents

_Row = tuple[str, str, str, str, int]  # measure, source, kind, outcome, count


@dataclass
class Totals:
    """Since the first day."""

    deliveries: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By source, event type and state."""
    opened: Counter[str] = field(default_factory=Counter)
    """Pull requests, by mapping."""
    published: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    waits: dict[str, Counter[float]] = field(default_factory=dict)
    """From an event to its pull request, by mapping and by the end of a bucket in seconds."""


def totals(connection: Connection, now: datetime) -> Totals:
    """The sums of whole days are read, and the days that were not summed up yet are counted."""
    found = Totals()
    for row in (*_summed(connection), *_counted(connection, now)):
        _add(found, row)
    return found


def _summed(connection: Connection) -> Iterator[_Row]:
    columns = (days.c.measure, days.c.source, days.c.kind, days.c.outcome)
    query = select(*columns, func.sum(days.c["count"])).group_by(*columns)
    for row in connection.execute(query):
        yield (row[0], row[1], row[2], row[3], int(row[4]))


def _counted(connection: Connection, now: datetime) -> Iterator[_Row]:
    today = now.astimezone(UTC).date()
    known = select(func.max(days.c.day)).where(days.c.measure == Measure.SUMMED)
    newest = connection.execute(known).scalar()
    day = date.fromisoformat(newest) + timedelta(days=1) if newest else first_day(connection)
    while day is not None and day <= today:
        for each in counted(connection, day):
            yield (each.measure, each.source, each.kind, each.outcome, each.count)
        day += timedelta(days=1)


def _add(found: Totals, row: _Row) -> None:
    measure, source, kind, outcome, count = row
    by_mapping: Mapping[str, Counter[str]] = {
        Measure.OPENED: found.opened,
        Measure.PUBLISHED: found.published,
        Measure.CONFLICTS: found.conflicts,
    }
    if measure == Measure.DELIVERIES:
        known = kind in DOCUMENTED or not is_promptlayer(source)
        found.deliveries[source, kind if known else OTHER, outcome] += count
    elif measure == Measure.WAITED:
        found.waits.setdefault(kind, Counter())[float(outcome)] += count
    elif measure in by_mapping:
        by_mapping[measure][kind] += count
