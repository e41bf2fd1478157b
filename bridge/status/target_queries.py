"""Query the statuses of targets, and the history of prompts and pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, true

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.target_state import TargetState
from bridge.status.history_events import (
    HistoryEvent,
    HistoryEventKind,
    get_kind_rank,
    parse_history_event,
)
from bridge.status.pagination import Page, encode_cursor, select_after_cursor
from bridge.status.search_words import LIKE_ESCAPE, build_like_patterns
from bridge.status.tables import history_events_table, resyncs_table, target_statuses_table
from bridge.status.target_status import TargetStatus
from bridge.status.target_status_store import parse_target_status
from bridge.storage.inbox import Delivery, deliveries_table, parse_delivery_row
from bridge.storage.reconcile_tables import proposals_table

_BY_NAME = (
    target_statuses_table.c.searched,
    target_statuses_table.c.mapping,
    target_statuses_table.c.prompt_id,
    target_statuses_table.c.label,
)
_BY_AGE = (
    target_statuses_table.c.since,
    target_statuses_table.c.mapping,
    target_statuses_table.c.prompt_id,
    target_statuses_table.c.label,
)
_BY_TIME = (history_events_table.c.at, history_events_table.c.id)
_MOST_STEPS = 200  # of one pull request
_MOST_TARGETS = 100
_LARGEST = 2**63


class TargetOrder(StrEnum):
    NAME = "name"
    NEWEST = "newest"  # whose state changed last
    OLDEST = "oldest"  # whose state has lasted longest


@dataclass(frozen=True)
class TargetFilter:
    """Select targets; every given field has to match."""

    text: str | None = None  # words of the prompt's name, or its id
    mapping: str | None = None
    label: str | None = None
    state: TargetState | None = None
    pull_request: int | None = None


@dataclass(frozen=True)
class TargetView:
    """The status of one target, as the pages show it."""

    status: TargetStatus
    observed_at: datetime  # by the last reconcile or resync
    retry_at: datetime | None = None  # when a parked target is tried again

    def compute_age(self, now: datetime) -> timedelta:
        """For how long the target is in its state."""
        return now - self.status.since


@dataclass(frozen=True)
class TimelineStep:
    """One step in the history of a prompt."""

    event: HistoryEvent
    at: datetime
    time_since_previous: timedelta | None  # None for the first step


@dataclass(frozen=True)
class PullRequestDetails:
    """A pull request as it is recorded."""

    mapping: str
    number: int
    url: str | None
    state: str | None  # open, merged, closed, withdrawn; None: unknown
    targets: tuple[TargetView, ...]  # the first hundred
    steps: tuple[TimelineStep, ...]  # the newest first
    deliveries: tuple[Delivery, ...]  # the newest first


def count_states(connection: Connection, wanted: TargetFilter) -> dict[TargetState, int]:
    """The number of targets in each state, zeros included; the filter's own state is ignored."""
    query = select(target_statuses_table.c.state, func.count()).group_by(
        target_statuses_table.c.state
    )
    query = query.where(*_conditions(replace(wanted, state=None)))
    counted = {TargetState(state): count for state, count in connection.execute(query)}
    return {state: counted.get(state, 0) for state in TargetState}


def count_unfollowed(connection: Connection) -> dict[str, tuple[int, int]]:
    """By mapping: the prompts that it no longer follows, and their open pull requests."""
    is_open = target_statuses_table.c.pull_request_state == PullRequestState.OPEN
    query = (
        select(
            target_statuses_table.c.mapping,
            func.count(target_statuses_table.c.prompt_id.distinct()),
            func.count(case((is_open, target_statuses_table.c.number)).distinct()),
        )
        .where(target_statuses_table.c.state == TargetState.NOT_FOLLOWED)
        .group_by(target_statuses_table.c.mapping)
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def list_filter_choices(connection: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = connection.execute(
        select(target_statuses_table.c.mapping, target_statuses_table.c.label).distinct()
    ).all()
    return tuple(sorted({row[0] for row in pairs})), tuple(sorted({row[1] for row in pairs}))


def list_targets(
    connection: Connection, wanted: TargetFilter, after: str | None, limit: int, order: TargetOrder
) -> Page[TargetView]:
    key = _BY_NAME if order is TargetOrder.NAME else _BY_AGE
    query = _select_targets().where(*_conditions(wanted)).limit(limit + 1)
    query = select_after_cursor(query, key, after, down=order is TargetOrder.NEWEST)
    rows = connection.execute(query).all()
    shown = tuple(_parse_target_view(row) for row in rows[:limit])
    last = [rows[limit - 1]._mapping[column.name] for column in key] if len(rows) > limit else None
    return Page(shown, encode_cursor(last) if last else None)


def find_targets_of_prompt(
    connection: Connection, prompt_id: int, mapping: str | None
) -> tuple[TargetView, ...]:
    query = _select_targets().where(target_statuses_table.c.prompt_id == prompt_id)
    if mapping is not None:
        query = query.where(target_statuses_table.c.mapping == mapping)
    rows = connection.execute(
        query.order_by(target_statuses_table.c.mapping, target_statuses_table.c.label)
    )
    return tuple(map(_parse_target_view, rows))


def list_timeline(
    connection: Connection, mapping: str, prompt_id: int, after: str | None, limit: int
) -> Page[TimelineStep]:
    query = select(history_events_table).where(
        history_events_table.c.mapping == mapping, history_events_table.c.prompt_id == prompt_id
    )
    query = select_after_cursor(query, _BY_TIME, after, down=True).limit(limit + 1)
    rows = connection.execute(query).all()
    found = [parse_history_event(row._asdict()) for row in rows]
    steps = _steps(found[:limit], found[limit:])
    return Page(
        steps, encode_cursor([rows[limit - 1].at, rows[limit - 1].id]) if found[limit:] else None
    )


def find_pull_request(
    connection: Connection, mapping: str, number: int
) -> PullRequestDetails | None:
    query = select(history_events_table).where(
        history_events_table.c.mapping == mapping, history_events_table.c.number == number
    )
    query = select_after_cursor(query, _BY_TIME, None, down=True).limit(_MOST_STEPS)
    events = [parse_history_event(row._asdict()) for row in connection.execute(query)]
    wanted = TargetFilter(mapping=mapping, pull_request=number)
    carried = list_targets(connection, wanted, None, _MOST_TARGETS, TargetOrder.NAME).rows
    if not (events or carried):
        return None
    ids = {event.delivery_id for event in events if event.delivery_id}
    caused = select(deliveries_table).where(deliveries_table.c.id.in_(sorted(ids)))
    caused = caused.order_by(deliveries_table.c.received_at.desc(), deliveries_table.c.id)
    urls = (*(each.status.pull_request for each in carried), *(event.url for event in events))
    return PullRequestDetails(
        mapping,
        number,
        next(filter(None, urls), None),
        carried[0].status.pull_request_state if carried else None,
        carried,
        _steps(events, ()),
        tuple(parse_delivery_row(row) for row in connection.execute(caused)) if ids else (),
    )


def _select_targets() -> Select[Any]:
    same = and_(
        proposals_table.c.mapping == target_statuses_table.c.mapping,
        proposals_table.c.branch == target_statuses_table.c.branch,
        proposals_table.c.kind == ReconcileOutcomeKind.PARKED,
    )
    joined = target_statuses_table.outerjoin(
        resyncs_table, target_statuses_table.c.mapping == resyncs_table.c.mapping
    )
    events = (resyncs_table.c.at.label("swept_at"), proposals_table.c.not_before.label("retry_at"))
    return select(target_statuses_table, *events).select_from(
        joined.outerjoin(proposals_table, same)
    )


def _parse_target_view(row: Any) -> TargetView:
    status = parse_target_status(row)
    swept = row.swept_at if status.state is TargetState.IN_STEP else None
    retry_at = row.retry_at if status.state is TargetState.PARKED else None
    return TargetView(status, max(status.seen_at, swept or status.seen_at), retry_at)


def _conditions(wanted: TargetFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.text:
        yield or_(*_match_text(wanted.text.strip()))
    if wanted.mapping is not None:
        yield target_statuses_table.c.mapping == wanted.mapping
    if wanted.label is not None:
        yield target_statuses_table.c.label == wanted.label
    if wanted.state is not None:
        yield target_statuses_table.c.state == wanted.state
    if wanted.pull_request is not None:
        yield target_statuses_table.c.number == wanted.pull_request


def _match_text(text: str) -> Iterator[ColumnElement[bool]]:
    patterns = build_like_patterns(text.casefold())
    yield and_(
        true(),
        *(target_statuses_table.c.searched.like(one, escape=LIKE_ESCAPE) for one in patterns),
    )
    if text.isdecimal() and int(text) < _LARGEST:
        yield target_statuses_table.c.prompt_id == int(text)


def _steps(
    events: Iterable[HistoryEvent], before: Iterable[HistoryEvent]
) -> tuple[TimelineStep, ...]:
    """The steps of these events, the newest first. An event elsewhere makes two: when it happened,
    and when its delivery was received."""
    shown = sorted(_with_arrivals(events), key=_sort_key)
    earlier = sorted(_with_arrivals(before), key=_sort_key)[-1:]
    times = [*(each.at for each in earlier), *(each.at for each in shown)]
    gaps: list[timedelta | None] = [None] if not earlier and shown else []
    gaps += [later - sooner for sooner, later in pairwise(times)]
    return tuple(
        TimelineStep(event, event.at, gap) for event, gap in zip(shown, gaps, strict=True)
    )[::-1]


def _with_arrivals(events: Iterable[HistoryEvent]) -> Iterator[HistoryEvent]:
    for event in events:
        yield event
        if event.arrived_at is not None:
            yield replace(event, kind=HistoryEventKind.EVENT_RECEIVED, at=event.arrived_at, text="")


def _sort_key(event: HistoryEvent) -> tuple[datetime, int]:
    return event.at, get_kind_rank(event.kind)
