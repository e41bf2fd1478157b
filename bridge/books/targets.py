"""Read how targets stand, and the ways of prompts and pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from bridge.books.entry import Entry
from bridge.books.moments import Moment, MomentKind, moment_from, rank
from bridge.books.paging import Page, behind, cursor
from bridge.books.standings import entry_of
from bridge.books.tables import moments, standings, sweeps
from bridge.forge.base import PullRequestState
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.state import State
from bridge.storage.inbox import Delivery, deliveries, from_row
from bridge.storage.ledger_tables import proposals

_BY_NAME = (standings.c.searched, standings.c.mapping, standings.c.prompt_id, standings.c.label)
_BY_AGE = (standings.c.since, standings.c.mapping, standings.c.prompt_id, standings.c.label)
_MOMENT = (moments.c.at, moments.c.id)
_MOST_STEPS = 200  # of one pull request
_MOST_TARGETS = 100
_LARGEST = 2**63


class Order(StrEnum):
    NAME = "name"
    NEWEST = "newest"  # whose state changed last
    OLDEST = "oldest"  # whose state has lasted longest


@dataclass(frozen=True)
class Filter:
    """Which targets; everything that is given has to hold."""

    text: str | None = None  # a part of the prompt's name, or its id
    mapping: str | None = None
    label: str | None = None
    state: State | None = None
    pull_request: int | None = None


@dataclass(frozen=True)
class TargetState:
    """One prompt at one label, as one mapping follows it, and how it stands."""

    entry: Entry
    seen_at: datetime  # when somebody last saw it so: a look or a sweep
    retry_at: datetime | None = None  # when a running bridge tries it again, if it is parked

    def age(self, now: datetime) -> timedelta:
        """For how long it has been in its state."""
        return now - self.entry.since


@dataclass(frozen=True)
class Step:
    """One step on the way of a prompt."""

    moment: Moment
    at: datetime
    since_last: timedelta | None  # after the step before; None for the first


@dataclass(frozen=True)
class PullRequestShown:
    """A pull request as the books know it."""

    mapping: str
    number: int
    url: str | None
    state: str | None  # open, merged, closed, withdrawn; None where nobody told
    targets: tuple[TargetState, ...]  # the first hundred
    steps: tuple[Step, ...]  # the newest first
    deliveries: tuple[Delivery, ...]  # the newest first


def states(connection: Connection, wanted: Filter) -> dict[State, int]:
    query = select(standings.c.state, func.count()).group_by(standings.c.state)
    query = query.where(*_conditions(replace(wanted, state=None)))
    counted = {State(state): count for state, count in connection.execute(query)}
    return {state: counted.get(state, 0) for state in State}


def not_followed(connection: Connection) -> dict[str, tuple[int, int]]:
    """By mapping: prompts that it follows no longer, and open pull requests of theirs."""
    is_open = standings.c.pull_request_state == PullRequestState.OPEN
    query = (
        select(
            standings.c.mapping,
            func.count(standings.c.prompt_id.distinct()),
            func.count(case((is_open, standings.c.number)).distinct()),
        )
        .where(standings.c.state == State.NOT_FOLLOWED)
        .group_by(standings.c.mapping)
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def choices(connection: Connection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = connection.execute(select(standings.c.mapping, standings.c.label).distinct()).all()
    return tuple(sorted({row[0] for row in pairs})), tuple(sorted({row[1] for row in pairs}))


def standings_page(
    connection: Connection, wanted: Filter, after: str | None, limit: int, order: Order
) -> Page[TargetState]:
    key = _BY_NAME if order is Order.NAME else _BY_AGE
    query = _targets().where(*_conditions(wanted)).limit(limit + 1)
    query = behind(query, key, after, down=order is Order.NEWEST)
    rows = connection.execute(query).all()
    shown = tuple(_target_state(row) for row in rows[:limit])
    last = [rows[limit - 1]._mapping[column.name] for column in key] if len(rows) > limit else None
    return Page(shown, cursor(last) if last else None)


def prompt(connection: Connection, prompt_id: int, mapping: str | None) -> tuple[TargetState, ...]:
    query = _targets().where(standings.c.prompt_id == prompt_id)
    if mapping is not None:
        query = query.where(standings.c.mapping == mapping)
    rows = connection.execute(query.order_by(standings.c.mapping, standings.c.label))
    return tuple(map(_target_state, rows))


def timeline(
    connection: Connection, mapping: str, prompt_id: int, after: str | None, limit: int
) -> Page[Step]:
    query = select(moments).where(moments.c.mapping == mapping, moments.c.prompt_id == prompt_id)
    query = behind(query, _MOMENT, after, down=True).limit(limit + 1)
    rows = connection.execute(query).all()
    found = [moment_from(row._asdict()) for row in rows]
    steps = _steps(found[:limit], found[limit:])
    return Page(steps, cursor([rows[limit - 1].at, rows[limit - 1].id]) if found[limit:] else None)


def pull_request(connection: Connection, mapping: str, number: int) -> PullRequestShown | None:
    query = select(moments).where(moments.c.mapping == mapping, moments.c.number == number)
    query = behind(query, _MOMENT, None, down=True).limit(_MOST_STEPS)
    told = [moment_from(row._asdict()) for row in connection.execute(query)]
    wanted = Filter(mapping=mapping, pull_request=number)
    carried = standings_page(connection, wanted, None, _MOST_TARGETS, Order.NAME).rows
    if not (told or carried):
        return None
    ids = {moment.delivery_id for moment in told if moment.delivery_id}
    caused = select(deliveries).where(deliveries.c.id.in_(sorted(ids)))
    caused = caused.order_by(deliveries.c.received_at.desc(), deliveries.c.id)
    urls = (*(each.entry.pull_request for each in carried), *(moment.url for moment in told))
    return PullRequestShown(
        mapping,
        number,
        next(filter(None, urls), None),
        carried[0].entry.pull_request_state if carried else None,
        carried,
        _steps(told, ()),
        tuple(from_row(row) for row in connection.execute(caused)) if ids else (),
    )


def _targets() -> Select[Any]:
    same = and_(
        proposals.c.mapping == standings.c.mapping,
        proposals.c.branch == standings.c.branch,
        proposals.c.kind == OutcomeKind.PARKED,
    )
    joined = standings.outerjoin(sweeps, standings.c.mapping == sweeps.c.mapping)
    told = (sweeps.c.at.label("swept_at"), proposals.c.not_before.label("retry_at"))
    return select(standings, *told).select_from(joined.outerjoin(proposals, same))


def _target_state(row: Any) -> TargetState:
    entry = entry_of(row)
    swept = row.swept_at if entry.state is State.IN_STEP else None
    retry_at = row.retry_at if entry.state is State.PARKED else None
    return TargetState(entry, max(entry.seen_at, swept or entry.seen_at), retry_at)


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.text:
        yield or_(*_holds(wanted.text.strip()))
    if wanted.mapping is not None:
        yield standings.c.mapping == wanted.mapping
    if wanted.label is not None:
        yield standings.c.label == wanted.label
    if wanted.state is not None:
        yield standings.c.state == wanted.state
    if wanted.pull_request is not None:
        yield standings.c.number == wanted.pull_request


def _holds(text: str) -> Iterator[ColumnElement[bool]]:
    yield standings.c.searched.contains(text.casefold(), autoescape=True)
    if text.isdecimal() and int(text) < _LARGEST:
        yield standings.c.prompt_id == int(text)


def _steps(told: Iterable[Moment], before: Iterable[Moment]) -> tuple[Step, ...]:
    """Steps of these moments, the newest first. What happened elsewhere is two: when it happened,
    and when the bridge heard of it."""
    shown = sorted(_with_arrivals(told), key=_place)
    earlier = sorted(_with_arrivals(before), key=_place)[-1:]
    times = [*(each.at for each in earlier), *(each.at for each in shown)]
    gaps: list[timedelta | None] = [None] if not earlier and shown else []
    gaps += [later - sooner for sooner, later in pairwise(times)]
    return tuple(Step(moment, moment.at, gap) for moment, gap in zip(shown, gaps, strict=True))[
        ::-1
    ]


def _with_arrivals(told: Iterable[Moment]) -> Iterator[Moment]:
    for moment in told:
        yield moment
        if moment.arrived_at is not None:
            yield replace(moment, kind=MomentKind.ARRIVED, at=moment.arrived_at, text="")


def _place(moment: Moment) -> tuple[datetime, int]:
    return moment.at, rank(moment.kind)
