"""The state of a target, as people read it. Pure."""

from __future__ import annotations

from enum import StrEnum

from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    ReconcileOutcome,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.target import Target


class TargetState(StrEnum):
    """Of one target: exactly one at any time."""

    IN_STEP = "in step"
    WAITING = "waiting"  # for a reconcile; the bridge retries by itself
    OPEN = "pull request open"
    DECLINED = "declined"  # a person closed or took back what was proposed
    PERSON = "needs a person"  # the sides differ, and only a person can say what holds
    PARKED = "parked"  # something is in the way, which a person has to change first
    CONFLICT = "conflict"  # a pull request is open, and says which of two texts would go
    NOT_FOLLOWED = "no longer followed"  # the mapping leaves it out; all stays as it is


_OF_KIND = {
    ReconcileOutcomeKind.IN_STEP: TargetState.IN_STEP,
    ReconcileOutcomeKind.PROPOSED: TargetState.OPEN,
    ReconcileOutcomeKind.UPDATED: TargetState.OPEN,
    ReconcileOutcomeKind.UNCHANGED: TargetState.OPEN,
    ReconcileOutcomeKind.WITHDRAWN: TargetState.IN_STEP,
    ReconcileOutcomeKind.PUBLISHED: TargetState.IN_STEP,
    ReconcileOutcomeKind.REJECTED: TargetState.DECLINED,
    ReconcileOutcomeKind.UNDONE: TargetState.DECLINED,
    ReconcileOutcomeKind.REPOSITORY_AHEAD: TargetState.PERSON,
    ReconcileOutcomeKind.CONFLICT: TargetState.PERSON,
    ReconcileOutcomeKind.WAITING: TargetState.WAITING,
    ReconcileOutcomeKind.PARKED: TargetState.PARKED,
    ReconcileOutcomeKind.NOT_FOLLOWED: TargetState.NOT_FOLLOWED,
}


def get_state_of_outcome_kind(kind: ReconcileOutcomeKind) -> TargetState:
    """Get the state of the targets that an outcome is about."""
    return _OF_KIND[kind]


def get_target_state(outcome: ReconcileOutcome, target: Target) -> tuple[TargetState, str]:
    """Get the state of one target after a reconcile, and its reason. A proposal may carry many
    targets, and each has a state of its own."""
    if target in outcome.refusal_by_target:
        return TargetState.PARKED, outcome.refusal_by_target[target]
    sight = outcome.observation_by_target.get(target)
    if sight is not None and sight.not_followed:
        return TargetState.NOT_FOLLOWED, sight.reason
    if sight is not None and sight.declined is not None:
        return (TargetState.PERSON if sight.unpublished else TargetState.DECLINED), sight.declined
    if sight is None or sight.is_proposed:
        return _as_proposed(outcome, sight), outcome.reason
    if sight.standing is DriftStatus.IN_STEP or target in dict(outcome.published_versions):
        return TargetState.IN_STEP, outcome.reason if len(
            outcome.observations
        ) == 1 else sight.reason
    return TargetState.PERSON, sight.reason


def _as_proposed(outcome: ReconcileOutcome, sight: TargetObservation | None) -> TargetState:
    """Who closes a pull request that brings both sides' edits together leaves the repository's
    unpublished, so that a person still has to say what holds."""
    state = get_state_of_outcome_kind(outcome.kind)
    if state is TargetState.OPEN and sight is not None and sight.conflict:
        return TargetState.CONFLICT
    if state is TargetState.DECLINED and sight is not None and sight.unpublished:
        return TargetState.PERSON
    return state
