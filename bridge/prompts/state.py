"""How a target stands, in the words that people read. Pure."""

from __future__ import annotations

from enum import StrEnum

from bridge.prompts.compare import Standing
from bridge.prompts.outcome import Outcome, OutcomeKind, Sight
from bridge.prompts.target import Target


class State(StrEnum):
    """Of one target: exactly one at any time."""

    IN_STEP = "in step"
    WAITING = "waiting"  # for a look; the bridge comes back by itself
    OPEN = "pull request open"
    DECLINED = "declined"  # a person closed or took back what was proposed
    PERSON = "needs a person"  # the sides differ, and only a person can say what holds
    PARKED = "parked"  # something is in the way, which a person has to change first
    CONFLICT = "conflict"  # a pull request is open, and says which of two texts would go
    NOT_FOLLOWED = "no longer followed"  # the mapping leaves it out; all stays as it is


_OF_KIND = {
    OutcomeKind.IN_STEP: State.IN_STEP,
    OutcomeKind.PROPOSED: State.OPEN,
    OutcomeKind.UPDATED: State.OPEN,
    OutcomeKind.UNCHANGED: State.OPEN,
    OutcomeKind.WITHDRAWN: State.IN_STEP,
    OutcomeKind.PUBLISHED: State.IN_STEP,
    OutcomeKind.REJECTED: State.DECLINED,
    OutcomeKind.UNDONE: State.DECLINED,
    OutcomeKind.REPOSITORY_AHEAD: State.PERSON,
    OutcomeKind.CONFLICT: State.PERSON,
    OutcomeKind.WAITING: State.WAITING,
    OutcomeKind.PARKED: State.PARKED,
    OutcomeKind.NOT_FOLLOWED: State.NOT_FOLLOWED,
}


def state_of_kind(kind: OutcomeKind) -> State:
    """What an outcome means for the targets that it is about."""
    return _OF_KIND[kind]


def state_of(outcome: Outcome, target: Target) -> tuple[State, str]:
    """How one target stands after a look, and why. A proposal may carry many targets, and each
    stands as it was seen itself."""
    if target in outcome.refused:
        return State.PARKED, outcome.refused[target]
    sight = outcome.seen.get(target)
    if sight is not None and sight.not_followed:
        return State.NOT_FOLLOWED, sight.reason
    if sight is not None and sight.declined is not None:
        return (State.PERSON if sight.unpublished else State.DECLINED), sight.declined
    if sight is None or sight.proposed:
        return _as_proposed(outcome, sight), outcome.reason
    if sight.standing is Standing.IN_STEP or target in dict(outcome.published):
        return State.IN_STEP, outcome.reason if len(outcome.sights) == 1 else sight.reason
    return State.PERSON, sight.reason


def _as_proposed(outcome: Outcome, sight: Sight | None) -> State:
    """Who closes a pull request that brings both sides' edits together leaves the repository's
    unpublished, so that a person still has to say what holds."""
    state = state_of_kind(outcome.kind)
    if state is State.OPEN and sight is not None and sight.conflict:
        return State.CONFLICT
    if state is State.DECLINED and sight is not None and sight.unpublished:
        return State.PERSON
    return state
