"""Take in what a scan of a whole mapping found: looks are asked for, and all other targets are
written down as they are. Ten thousand that are as they were cost no write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.books.entry import Entry, fresh
from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from bridge.steps.scan import Scan

_SAME = "same content"


@dataclass(frozen=True)
class Compared:
    """One scan: when it began and ended, and what it found. What PromptLayer lists was read at
    most ``age`` before it began."""

    mapping: str
    found: Scan
    started: datetime
    ended: datetime
    age: timedelta = timedelta()

    @property
    def seconds(self) -> float:
        return (self.ended - self.started).total_seconds()


def take_in(ledger: Ledger, compared: Compared) -> tuple[Proposal, ...]:
    """Note what was found; returns the proposals to look at, whose looks are asked for."""
    entries = ledger.standings.of_mapping(compared.mapping)
    asks = list(_asks(compared, entries))
    ledger.ask(asks)
    asked = {ask.target for ask in asks}
    changed = [entry for entry in _entries(compared, entries) if entry.target not in asked]
    gone = [target for target in _gone(compared, entries) if target not in asked]
    ledger.standings.take_in(changed, gone, compared.started - compared.age)
    counts = {"in_step": compared.found.in_step, "differing": len(asked)}
    ledger.standings.swept(compared.mapping, compared.ended, compared.seconds, counts)
    return tuple(sorted({ask.proposal for ask in asks}))


def _asks(compared: Compared, entries: Mapping[Target, Entry]) -> Iterator[Ask]:
    """What differs; and pull requests that the books think open and that have no branch any more:
    somebody decided, and nobody told."""
    differing = compared.found.differing
    asked = set()
    for candidate in compared.found.candidates:
        asked.add(candidate.target)
        place = differing.get(candidate.target)
        yield Ask(candidate.proposal, candidate.target, name=place.name if place else "")
    for target, entry in entries.items():
        if entry.has_open_pull_request and target not in asked:
            yield Ask(Proposal(target.mapping, entry.branch), target, name=entry.name)


def _entries(compared: Compared, entries: Mapping[Target, Entry]) -> Iterator[Entry]:
    """The entries that say something new."""
    now = compared.ended
    for target, place in compared.found.agreed.items():
        before = entries.get(target) or fresh(target, "", State.IN_STEP, _SAME, now)
        after = replace(before, name=place.name, path=place.path or before.path)
        yield from _changed(entries, _settled(after, State.IN_STEP, _SAME, now))
    for target, reason in compared.found.refusals:
        before = entries.get(target) or fresh(target, "", State.PARKED, reason, now)
        yield from _changed(entries, _settled(before, State.PARKED, reason, now))


def _settled(entry: Entry, state: State, reason: str, now: datetime) -> Entry:
    if entry.settled_state is state:
        same = state is State.IN_STEP  # whatever the look said that found it so
        return replace(entry, reason=entry.reason if same else reason)
    return replace(
        entry, state=state, reason=reason, since=now, settled_state=state, settled_since=now
    )


def _changed(entries: Mapping[Target, Entry], after: Entry) -> Iterator[Entry]:
    before = entries.get(after.target)
    if before is None or (before != after and before.state is not State.WAITING):
        yield after


def _gone(compared: Compared, entries: Mapping[Target, Entry]) -> Iterator[Target]:
    """Targets that the mapping follows no longer."""
    found = compared.found
    refused = {target for target, _ in found.refusals}
    for target, entry in entries.items():
        there = target in found.agreed or target in found.differing or target in refused
        if not there and entry.state is not State.WAITING:
            yield target
