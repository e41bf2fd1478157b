"""How a target stands after a look, in the words that people read."""

from __future__ import annotations

import pytest

from bridge.prompts.compare import Standing
from bridge.prompts.outcome import Outcome, OutcomeKind, Sight
from bridge.prompts.state import State, state_of, state_of_kind
from bridge.prompts.target import Target

REPLY, THANK = Target("support", 1, "latest"), Target("support", 2, "latest")


def sight(target: Target, standing: Standing, *, proposed: bool = False) -> Sight:
    return Sight(target, standing, f"seen: {standing}", "a name", proposed=proposed)


@pytest.mark.parametrize("kind", OutcomeKind)
def test_every_outcome_has_a_state(kind: OutcomeKind) -> None:
    assert state_of(Outcome(kind, "why"), REPLY) == (state_of_kind(kind), "why")


def test_a_target_that_was_refused_is_parked_whatever_came_of_the_others() -> None:
    outcome = Outcome(OutcomeKind.PROPOSED, "new", refusals=((REPLY, "a symlink"),))

    assert state_of(outcome, REPLY) == (State.PARKED, "a symlink")
    assert state_of(outcome, THANK) == (State.OPEN, "new")


def test_of_one_proposal_each_target_stands_as_it_was_seen() -> None:
    sights = (sight(REPLY, Standing.IN_STEP), sight(THANK, Standing.PLATFORM_AHEAD, proposed=True))
    outcome = Outcome(OutcomeKind.UPDATED, "moved", sights=sights)

    assert state_of(outcome, REPLY) == (State.IN_STEP, "seen: in step")
    assert state_of(outcome, THANK) == (State.OPEN, "moved")


def test_what_only_the_repository_has_needs_a_person_unless_it_was_published() -> None:
    seen = (sight(REPLY, Standing.REPOSITORY_AHEAD),)
    ahead = Outcome(OutcomeKind.REPOSITORY_AHEAD, "edited", sights=seen)
    published = Outcome(OutcomeKind.PUBLISHED, "version 2", sights=seen, published=((REPLY, 2),))

    assert state_of(ahead, REPLY)[0] is State.PERSON
    assert state_of(published, REPLY) == (State.IN_STEP, "version 2")
