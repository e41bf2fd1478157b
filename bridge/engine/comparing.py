"""Take in what a scan of a whole mapping found: looks are asked for, and all other targets are
written down as they are. Ten thousand that are as they were cost no write."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.books.entry import Entry, fresh
from bridge.books.problems import ProblemKind, Problems, by_subject
from bridge.config.mapping import MappingSettings
from bridge.engine.ledger import Ask, Ledger
from bridge.engine.pruning import (
    UnfollowedTargets,
    describe_unfollowed,
    find_unfollowed,
    kept_entries,
)
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from bridge.steps.scan import Candidate, Scan

log = logging.getLogger("bridge.comparing")

_SAME = "same content"


@dataclass(frozen=True)
class Compared:
    """One scan: when it began and ended, and what it found. What PromptLayer lists was read at
    most ``age`` before it began."""

    mapping: MappingSettings
    found: Scan
    started: datetime
    ended: datetime
    age: timedelta = timedelta()

    @property
    def seconds(self) -> float:
        return (self.ended - self.started).total_seconds()


def take_in(ledger: Ledger, compared: Compared) -> tuple[Proposal, ...]:
    """Note what was found; returns the proposals to look at, whose looks are asked for."""
    name = compared.mapping.name
    entries = ledger.standings.of_mapping(name)
    unfollowed = find_unfollowed(compared.mapping, compared.found, entries)
    kept = [
        each
        for entry in kept_entries(unfollowed, entries, compared.ended)
        for each in _changed(entries, entry)
    ]
    read_at = compared.started - compared.age
    ledger.standings.take_in(kept, (), read_at)  # a look goes by what is held
    asks = list(_asks(compared, entries, unfollowed))
    ledger.ask(asks)
    asked = {ask.target for ask in asks}
    changed = [entry for entry in _entries(compared, entries) if entry.target not in asked]
    gone = [t for t in _gone(compared, entries) if t not in asked and t not in unfollowed]
    ledger.standings.take_in(changed, gone, read_at)
    _note_problems(ledger.problems, compared)
    _tell(compared, unfollowed, entries)
    counts = {"in_step": compared.found.in_step, "differing": len(asked)}
    ledger.standings.swept(name, compared.ended, compared.seconds, counts)
    return tuple(sorted({ask.proposal for ask in asks}))


def _note_problems(problems: Problems, compared: Compared) -> None:
    name, found = compared.mapping.name, compared.found
    gaps = {gap.setting: gap.message for gap in found.gaps}
    problems.replace(name, ProblemKind.COVERAGE, gaps)
    problems.replace(name, ProblemKind.FILE, by_subject(found.mistakes))


def _tell(
    compared: Compared, unfollowed: UnfollowedTargets, entries: Mapping[Target, Entry]
) -> None:
    for gap in compared.found.gaps:
        log.warning("%s", gap.message)
    if unfollowed.kept:
        numbers = {e.number for e in entries.values() if e.has_open_pull_request}
        ours = {e.number for t in unfollowed.kept if (e := entries.get(t)) and e.number in numbers}
        log.warning("%s", describe_unfollowed(compared.mapping.name, unfollowed, len(ours)))


def _asks(
    compared: Compared, entries: Mapping[Target, Entry], unfollowed: UnfollowedTargets
) -> Iterator[Ask]:
    """What differs; and pull requests that the books think open and that have no branch any more:
    somebody decided, and nobody told. Of what is kept as it is, only that."""
    differing = compared.found.differing
    asked = set()
    for candidate in compared.found.candidates:
        if candidate.target in unfollowed and not _is_unheard_of(compared, candidate, entries):
            continue
        asked.add(candidate.target)
        place = differing.get(candidate.target)
        yield Ask(candidate.proposal, candidate.target, name=place.name if place else "")
    for target, entry in entries.items():
        if entry.has_open_pull_request and target not in asked:
            yield Ask(Proposal(target.mapping, entry.branch), target, name=entry.name)


def _is_unheard_of(
    compared: Compared, candidate: Candidate, entries: Mapping[Target, Entry]
) -> bool:
    """Whether there may be a pull request that the books do not know."""
    entry = entries.get(candidate.target)
    branches = compared.found.snapshot.branches
    return (entry is None or entry.number is None) and candidate.proposal.branch in branches


def _entries(compared: Compared, entries: Mapping[Target, Entry]) -> Iterator[Entry]:
    """The entries that say something new."""
    now = compared.ended
    for target, place in compared.found.agreed.items():
        before = entries.get(target) or fresh(target, "", State.IN_STEP, _SAME, now)
        after = replace(
            before,
            name=place.name,
            path=place.path or before.path,
            followed_as=compared.mapping.fingerprint,
            absent_since=None,
            held=None,
        )
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
