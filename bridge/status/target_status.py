"""The status of one target, and how a reconcile changes it. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    ReconcileOutcome,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.planning.target_state import TargetState, get_target_state
from bridge.prompts.target import Proposal, Target
from bridge.status.history_events import HistoryEvent, HistoryEventKind

OPEN_PULL_REQUEST, WITHDRAWN = str(PullRequestState.OPEN), "withdrawn"
_EVENT_KINDS = {
    TargetState.PERSON: HistoryEventKind.NEEDS_PERSON,
    TargetState.PARKED: HistoryEventKind.PARKED,
}
_DECIDED = {
    PullRequestState.MERGED: HistoryEventKind.MERGED,
    PullRequestState.CLOSED: HistoryEventKind.CLOSED,
}

IdentifiedEvent = tuple[
    HistoryEvent, tuple[object, ...]
]  # a history event, and the values that its id is computed from


@dataclass(frozen=True)
class TargetStatus:
    """A row of ``standings``. ``settled_state`` is the state that the last reconcile found; it
    outlasts the waiting state of a pending one, with its own ``settled_since``."""

    mapping: str
    prompt_id: int
    label: str
    name: str
    branch: str
    state: TargetState
    reason: str
    since: datetime
    seen_at: datetime
    path: str | None = None
    version: int | None = None
    settled_state: TargetState | None = None
    settled_since: datetime | None = None
    pull_request: str | None = None
    number: int | None = None
    pull_request_state: str | None = None
    followed_as: str | None = None  # fingerprint of the selection that last matched it
    absent_since: datetime | None = None  # when a reconcile found it deleted or excluded
    held: str | None = None  # why it stays as it is until it is back or pruned
    workspace_id: int | None = None  # of the prompt in PromptLayer; None: unknown

    @property
    def target(self) -> Target:
        return Target(self.mapping, self.prompt_id, self.label)

    @property
    def has_open_pull_request(self) -> bool:
        return self.number is not None and self.pull_request_state == OPEN_PULL_REQUEST


@dataclass(frozen=True)
class ReconcileResult:
    """The outcome of one reconcile for one of its targets."""

    proposal: Proposal
    target: Target
    outcome: ReconcileOutcome
    now: datetime
    delivery_id: str | None = None  # of the newest that asked for it
    arrived_at: datetime | None = None  # when the first that asked was received

    @property
    def observation(self) -> TargetObservation | None:
        return self.outcome.observation_by_target.get(self.target)


def new_target_status(
    target: Target, branch: str, state: TargetState, reason: str, now: datetime
) -> TargetStatus:
    """The status of a target that was not observed before."""
    return TargetStatus(
        target.mapping, target.prompt_id, target.label, "", branch, state, reason, now, now
    )


def update_target_status(
    before: TargetStatus | None, result: ReconcileResult
) -> TargetStatus | None:
    """The status after a reconcile; None where neither side has the prompt any more."""
    observation, now = result.observation, result.now
    if observation is not None and observation.is_tracked_elsewhere:
        return before and _restored(before, observation.reason)
    if observation is not None and _is_nowhere(observation):
        return None
    state, reason = get_target_state(result.outcome, result.target)
    status = before or new_target_status(result.target, result.proposal.branch, state, reason, now)
    since = status.settled_since if status.settled_state is state else None
    status = replace(
        status,
        branch=result.proposal.branch,
        name=(observation and observation.name) or status.name,
        path=(observation and observation.path) or status.path,
        version=(observation and observation.version) or status.version,
        workspace_id=(observation and observation.workspace_id) or status.workspace_id,
        state=state,
        reason=reason,
        since=since or now,
        settled_state=state,
        settled_since=since or now,
        seen_at=now,
    )
    return _with_following(_with_pull_request(status, result), result)


def _is_nowhere(observation: TargetObservation) -> bool:
    gone = observation.name is None and observation.standing is DriftStatus.IN_STEP
    return gone and not observation.not_followed


def _with_following(status: TargetStatus, result: ReconcileResult) -> TargetStatus:
    """Record whether the mapping follows the target, as far as the reconcile observed it."""
    observation = result.observation
    if observation is None or result.outcome.selection is None or observation.not_followed:
        return status
    if observation.absent:
        return replace(status, absent_since=status.absent_since or result.now, held=None)
    return replace(status, followed_as=result.outcome.selection, absent_since=None, held=None)


def _restored(status: TargetStatus, reason: str) -> TargetStatus:
    """The status as it was before this reconcile was requested, as another branch carries the
    target."""
    if status.state is not TargetState.WAITING or status.settled_state is None:
        return status
    since = status.settled_since or status.since
    return replace(status, state=status.settled_state, since=since, reason=reason)


def _with_pull_request(status: TargetStatus, result: ReconcileResult) -> TargetStatus:
    outcome, decided = result.outcome, result.outcome.decided_pull_request
    if decided is not None and status.number == decided.number:
        status = replace(status, pull_request=decided.url, pull_request_state=str(decided.state))
    if result.observation is not None and (closed := result.observation.declined_in) is not None:
        state = str(closed.state)
        return replace(
            status, pull_request=closed.url, number=closed.number, pull_request_state=state
        )
    carried = result.observation is None or result.observation.is_proposed
    if result.observation is not None and result.observation.not_followed:
        if status.number != outcome.number and len(outcome.observations) > 1:
            return status
        carried = True  # unchanged
    if outcome.kind is ReconcileOutcomeKind.WITHDRAWN:
        is_it = status.number == outcome.number
        return replace(status, pull_request_state=WITHDRAWN) if is_it else status
    if outcome.number is None or not carried:
        return _without(status, result)
    same = decided is not None and decided.number == outcome.number
    return replace(
        status,
        pull_request=outcome.pull_request,
        number=outcome.number,
        pull_request_state=str(decided.state) if decided and same else OPEN_PULL_REQUEST,
    )


def _without(status: TargetStatus, result: ReconcileResult) -> TargetStatus:
    """The status without an open pull request, where the reconcile observed the target."""
    if result.observation is None or not status.has_open_pull_request:
        return status
    return replace(status, pull_request_state=None)


def build_reconcile_events(
    before: TargetStatus | None, after: TargetStatus | None, result: ReconcileResult
) -> list[IdentifiedEvent]:
    """The history events that a reconcile adds. One that no delivery asked for and that changed
    nothing adds none."""
    events = [*_decided(before, result), *_build_action_events(result)]
    if after is not None:
        events += _pull_request(before, after, result)
        events += _build_problem_event(before, after, result)
    changed = before is None or after is None or before.settled_state is not after.settled_state
    if result.delivery_id or events or (changed and after is not before):
        reason = after.reason if after else result.outcome.reason
        once = (result.delivery_id, result.now)
        number = after.number if after and after.has_open_pull_request else None
        events.insert(
            0, (_build_event(HistoryEventKind.RECONCILED, result, text=reason, number=number), once)
        )
    return events


def _decided(before: TargetStatus | None, result: ReconcileResult) -> Iterator[IdentifiedEvent]:
    decided = result.outcome.decided_pull_request
    if decided is None or before is None or not before.has_open_pull_request:
        return
    if decided.number == before.number:
        at = min(decided.at or result.now, result.now)  # the forge's clock may run ahead
        yield build_decision_event(result.target, decided.state, decided.number, decided.url, at)


def build_decision_event(
    target: Target,
    state: PullRequestState,
    number: int,
    url: str | None,
    at: datetime,
    delivery_id: str | None = None,
) -> IdentifiedEvent:
    """The event that a pull request was merged or closed; it has the same id whichever source
    reports it."""
    event = HistoryEvent(
        _DECIDED[state],
        target.mapping,
        target.prompt_id,
        target.label,
        at,
        number=number,
        url=url,
        delivery_id=delivery_id,
    )
    return event, (number,)


def _build_action_events(result: ReconcileResult) -> Iterator[IdentifiedEvent]:
    for target, version in result.outcome.published_versions:
        if target == result.target:
            yield (
                _build_event(HistoryEventKind.PUBLISHED, result, version=version),
                (version or result.now,),
            )
    for prompt_id, label, version in result.outcome.moved_labels:
        if prompt_id == result.target.prompt_id:
            message = f"label {label} is on version {version}"
            event = _build_event(
                HistoryEventKind.LABEL_MOVED_BY_BRIDGE, result, version=version, text=message
            )
            yield event, (label, version, result.now)


def _pull_request(
    before: TargetStatus | None, after: TargetStatus, result: ReconcileResult
) -> Iterator[IdentifiedEvent]:
    number, kind = after.number, result.outcome.kind
    knew = before is not None and before.number == number
    if number is None or number != result.outcome.number:
        return
    if after.has_open_pull_request and not knew:
        arrived = result.arrived_at
        waited = (result.now - arrived).total_seconds() if arrived else None
        yield (
            _build_event(
                HistoryEventKind.PULL_REQUEST_OPENED, result, number=number, seconds=waited
            ),
            (number,),
        )
        if result.observation is not None and result.observation.standing is DriftStatus.BOTH_MOVED:
            yield (
                _build_event(HistoryEventKind.CONFLICT, result, text=result.observation.reason),
                (number,),
            )
    elif kind is ReconcileOutcomeKind.UPDATED and after.has_open_pull_request:
        once = (number, result.outcome.commit)
        yield _build_event(HistoryEventKind.PULL_REQUEST_UPDATED, result, number=number), once
    elif kind is ReconcileOutcomeKind.WITHDRAWN and after.pull_request_state == WITHDRAWN:
        text = result.outcome.reason
        yield _build_event(HistoryEventKind.WITHDRAWN, result, number=number, text=text), (number,)


def _build_problem_event(
    before: TargetStatus | None, after: TargetStatus, result: ReconcileResult
) -> Iterator[IdentifiedEvent]:
    kind = _EVENT_KINDS.get(after.state)
    if kind is not None and result.outcome.kind is ReconcileOutcomeKind.CONFLICT:
        kind = HistoryEventKind.CONFLICT
    known = before is not None and before.settled_state is after.state
    if kind is not None and not known:
        yield _build_event(kind, result, text=after.reason), (result.now,)


def _build_event(
    kind: HistoryEventKind,
    result: ReconcileResult,
    *,
    text: str = "",
    version: int | None = None,
    number: int | None = None,
    seconds: float | None = None,
) -> HistoryEvent:
    observation = result.observation
    return HistoryEvent(
        kind,
        result.target.mapping,
        result.target.prompt_id,
        result.target.label,
        result.now,
        text=text,
        version=version or (observation.version if observation else None),
        number=number,
        url=result.outcome.pull_request
        if number and kind is not HistoryEventKind.RECONCILED
        else None,
        branch=result.proposal.branch if number else None,
        delivery_id=result.delivery_id,
        seconds=seconds,
    )
