"""One target's entry in the books, and what a look changes about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.books.moments import Moment, MomentKind
from bridge.forge.base import PullRequestState
from bridge.prompts.compare import Standing
from bridge.prompts.outcome import Outcome, OutcomeKind, Sight
from bridge.prompts.state import State, state_of
from bridge.prompts.target import Proposal, Target

_OPEN, WITHDRAWN = str(PullRequestState.OPEN), "withdrawn"
_TELLING = {State.PERSON: MomentKind.PERSON, State.PARKED: MomentKind.PARKED}
_DECIDED = {
    PullRequestState.MERGED: MomentKind.MERGED,
    PullRequestState.CLOSED: MomentKind.CLOSED,
}

Telling = tuple[Moment, tuple[object, ...]]  # a moment, and what tells it from others of its kind


@dataclass(frozen=True)
class Entry:
    """A row of ``standings``. ``settled_state`` is what the last look found: a state that comes
    back after a look lasts on since then."""

    mapping: str
    prompt_id: int
    label: str
    name: str
    branch: str
    state: State
    reason: str
    since: datetime
    seen_at: datetime
    path: str | None = None
    version: int | None = None
    settled_state: State | None = None
    settled_since: datetime | None = None
    pull_request: str | None = None
    number: int | None = None
    pull_request_state: str | None = None
    followed_as: str | None = None  # the fingerprint of the selection that last held it
    absent_since: datetime | None = None  # when a look found it gone, or left out
    held: str | None = None  # why it stays as it is, until it is there again or is pruned

    @property
    def target(self) -> Target:
        return Target(self.mapping, self.prompt_id, self.label)

    @property
    def has_open_pull_request(self) -> bool:
        return self.number is not None and self.pull_request_state == _OPEN


@dataclass(frozen=True)
class Looked:
    """One look at one target, as the books take it in."""

    proposal: Proposal
    target: Target
    outcome: Outcome
    now: datetime
    delivery_id: str | None = None  # the newest that asked for it
    arrived_at: datetime | None = None  # when the first that asked came in

    @property
    def sight(self) -> Sight | None:
        return self.outcome.seen.get(self.target)


def fresh(target: Target, branch: str, state: State, reason: str, now: datetime) -> Entry:
    """The entry of a target that nobody has seen before."""
    return Entry(
        target.mapping, target.prompt_id, target.label, "", branch, state, reason, now, now
    )


def entry_after(before: Entry | None, looked: Looked) -> Entry | None:
    """The entry after a look; None where neither side has the prompt any more."""
    sight, now = looked.sight, looked.now
    if sight is not None and sight.elsewhere:
        return before and _restored(before, sight.reason)
    if sight is not None and _is_nowhere(sight):
        return None
    state, reason = state_of(looked.outcome, looked.target)
    entry = before or fresh(looked.target, looked.proposal.branch, state, reason, now)
    since = entry.settled_since if entry.settled_state is state else None
    entry = replace(
        entry,
        branch=looked.proposal.branch,
        name=(sight and sight.name) or entry.name,
        path=(sight and sight.path) or entry.path,
        version=(sight and sight.version) or entry.version,
        state=state,
        reason=reason,
        since=since or now,
        settled_state=state,
        settled_since=since or now,
        seen_at=now,
    )
    return _with_following(_with_pull_request(entry, looked), looked)


def _is_nowhere(sight: Sight) -> bool:
    gone = sight.name is None and sight.standing is Standing.IN_STEP
    return gone and not sight.not_followed


def _with_following(entry: Entry, looked: Looked) -> Entry:
    """With whether the mapping follows it, as far as the look tells."""
    sight = looked.sight
    if sight is None or looked.outcome.selection is None or sight.not_followed:
        return entry
    if sight.absent:
        return replace(entry, absent_since=entry.absent_since or looked.now, held=None)
    return replace(entry, followed_as=looked.outcome.selection, absent_since=None, held=None)


def _restored(entry: Entry, reason: str) -> Entry:
    """As it was before this look was asked for: the look on the other branch tells how it is."""
    if entry.state is not State.WAITING or entry.settled_state is None:
        return entry
    since = entry.settled_since or entry.since
    return replace(entry, state=entry.settled_state, since=since, reason=reason)


def _with_pull_request(entry: Entry, looked: Looked) -> Entry:
    outcome, decided = looked.outcome, looked.outcome.decided
    if decided is not None and entry.number == decided.number:
        entry = replace(entry, pull_request=decided.url, pull_request_state=str(decided.state))
    if looked.sight is not None and (closed := looked.sight.declined_in) is not None:
        state = str(closed.state)
        return replace(
            entry, pull_request=closed.url, number=closed.number, pull_request_state=state
        )
    carried = looked.sight is None or looked.sight.proposed
    if looked.sight is not None and looked.sight.not_followed:
        if entry.number != outcome.number and len(outcome.sights) > 1:
            return entry
        carried = True  # as it was
    if outcome.kind is OutcomeKind.WITHDRAWN:
        is_it = entry.number == outcome.number
        return replace(entry, pull_request_state=WITHDRAWN) if is_it else entry
    if outcome.number is None or not carried:
        return _without(entry, looked)
    same = decided is not None and decided.number == outcome.number
    return replace(
        entry,
        pull_request=outcome.pull_request,
        number=outcome.number,
        pull_request_state=str(decided.state) if decided and same else _OPEN,
    )


def _without(entry: Entry, looked: Looked) -> Entry:
    """No open pull request carries it, as far as the look got."""
    if looked.sight is None or not entry.has_open_pull_request:
        return entry
    return replace(entry, pull_request_state=None)


def moments_of_look(before: Entry | None, after: Entry | None, looked: Looked) -> list[Telling]:
    """What a look adds to the way of a prompt. A look that nobody asked for and that changed
    nothing is not worth telling."""
    told = [*_decided(before, looked), *_deeds(looked)]
    if after is not None:
        told += _pull_request(before, after, looked)
        told += _trouble(before, after, looked)
    changed = before is None or after is None or before.settled_state is not after.settled_state
    if looked.delivery_id or told or (changed and after is not before):
        reason = after.reason if after else looked.outcome.reason
        once = (looked.delivery_id, looked.now)
        number = after.number if after and after.has_open_pull_request else None
        told.insert(0, (_moment(MomentKind.LOOKED, looked, text=reason, number=number), once))
    return told


def _decided(before: Entry | None, looked: Looked) -> Iterator[Telling]:
    decided = looked.outcome.decided
    if decided is None or before is None or not before.has_open_pull_request:
        return
    if decided.number == before.number:
        at = min(decided.at or looked.now, looked.now)  # no clock that runs ahead is believed
        yield decision(looked.target, decided.state, decided.number, decided.url, at)


def decision(
    target: Target,
    state: PullRequestState,
    number: int,
    url: str | None,
    at: datetime,
    delivery_id: str | None = None,
) -> Telling:
    """That a pull request was merged or closed: told once, whoever tells it."""
    moment = Moment(
        _DECIDED[state],
        target.mapping,
        target.prompt_id,
        target.label,
        at,
        number=number,
        url=url,
        delivery_id=delivery_id,
    )
    return moment, (number,)


def _deeds(looked: Looked) -> Iterator[Telling]:
    for target, version in looked.outcome.published:
        if target == looked.target:
            yield _moment(MomentKind.PUBLISHED, looked, version=version), (version or looked.now,)
    for prompt_id, label, version in looked.outcome.moved:
        if prompt_id == looked.target.prompt_id:
            words = f"label {label} is on version {version}"
            moment = _moment(MomentKind.MOVED, looked, version=version, text=words)
            yield moment, (label, version, looked.now)


def _pull_request(before: Entry | None, after: Entry, looked: Looked) -> Iterator[Telling]:
    number, kind = after.number, looked.outcome.kind
    knew = before is not None and before.number == number
    if number is None or number != looked.outcome.number:
        return
    if after.has_open_pull_request and not knew:
        arrived = looked.arrived_at
        waited = (looked.now - arrived).total_seconds() if arrived else None
        yield _moment(MomentKind.OPENED, looked, number=number, seconds=waited), (number,)
        if looked.sight is not None and looked.sight.standing is Standing.BOTH_MOVED:
            yield _moment(MomentKind.CONFLICT, looked, text=looked.sight.reason), (number,)
    elif kind is OutcomeKind.UPDATED and after.has_open_pull_request:
        once = (number, looked.outcome.commit)
        yield _moment(MomentKind.UPDATED, looked, number=number), once
    elif kind is OutcomeKind.WITHDRAWN and after.pull_request_state == WITHDRAWN:
        text = looked.outcome.reason
        yield _moment(MomentKind.WITHDRAWN, looked, number=number, text=text), (number,)


def _trouble(before: Entry | None, after: Entry, looked: Looked) -> Iterator[Telling]:
    kind = _TELLING.get(after.state)
    if kind is not None and looked.outcome.kind is OutcomeKind.CONFLICT:
        kind = MomentKind.CONFLICT
    known = before is not None and before.settled_state is after.state
    if kind is not None and not known:
        yield _moment(kind, looked, text=after.reason), (looked.now,)


def _moment(
    kind: MomentKind,
    looked: Looked,
    *,
    text: str = "",
    version: int | None = None,
    number: int | None = None,
    seconds: float | None = None,
) -> Moment:
    sight = looked.sight
    return Moment(
        kind,
        looked.target.mapping,
        looked.target.prompt_id,
        looked.target.label,
        looked.now,
        text=text,
        version=version or (sight.version if sight else None),
        number=number,
        url=looked.outcome.pull_request if number and kind is not MomentKind.LOOKED else None,
        branch=looked.proposal.branch if number else None,
        delivery_id=looked.delivery_id,
        seconds=seconds,
    )
