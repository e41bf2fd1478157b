"""How a target stands after a look, in the words that people read."""

from __future__ import annotations

import pytest

from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    ReconcileOutcome,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.planning.target_state import (
    TargetState,
    get_state_of_outcome_kind,
    get_target_state,
)
from bridge.prompts.target import Target

REPLY, THANK = Target("support", 1, "latest"), Target("support", 2, "latest")


def sight(target: Target, standing: DriftStatus, *, proposed: bool = False) -> TargetObservation:
    return TargetObservation(target, standing, f"seen: {standing}", "a name", is_proposed=proposed)


@pytest.mark.parametrize("kind", ReconcileOutcomeKind)
def test_every_outcome_has_a_state(kind: ReconcileOutcomeKind) -> None:
    assert get_target_state(ReconcileOutcome(kind, "why"), REPLY) == (
        get_state_of_outcome_kind(kind),
        "why",
    )


def test_a_target_that_was_refused_is_parked_whatever_came_of_the_others() -> None:
    outcome = ReconcileOutcome(
        ReconcileOutcomeKind.PROPOSED, "new", refusals=((REPLY, "a symlink"),)
    )

    assert get_target_state(outcome, REPLY) == (TargetState.PARKED, "a symlink")
    assert get_target_state(outcome, THANK) == (TargetState.OPEN, "new")


def test_of_one_proposal_each_target_stands_as_it_was_seen() -> None:
    sights = (
        sight(REPLY, DriftStatus.IN_STEP),
        sight(THANK, DriftStatus.PLATFORM_AHEAD, proposed=True),
    )
    outcome = ReconcileOutcome(ReconcileOutcomeKind.UPDATED, "moved", observations=sights)

    assert get_target_state(outcome, REPLY) == (TargetState.IN_STEP, "seen: in step")
    assert get_target_state(outcome, THANK) == (TargetState.OPEN, "moved")


def test_what_only_the_repository_has_needs_a_person_unless_it_was_published() -> None:
    seen = (sight(REPLY, DriftStatus.REPOSITORY_AHEAD),)
    ahead = ReconcileOutcome(ReconcileOutcomeKind.REPOSITORY_AHEAD, "edited", observations=seen)
    published = ReconcileOutcome(
        ReconcileOutcomeKind.PUBLISHED,
        "version 2",
        observations=seen,
        published_versions=((REPLY, 2),),
    )

    assert get_target_state(ahead, REPLY)[0] is TargetState.PERSON
    assert get_target_state(published, REPLY) == (TargetState.IN_STEP, "version 2")
