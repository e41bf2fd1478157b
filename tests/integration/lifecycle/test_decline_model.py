"""What people declined is not proposed again, whatever happens in which order."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.bridge_environment import MakeWorld
from tests.integration.lifecycle.decline_model import GROUPS, DeclineModel, forgotten_decisions

RUNS, STEPS, MOST_STEPS = 4, 16, 60


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_declined_is_proposed_again_and_all_else_is(
    make_world: MakeWorld, group: str, seed: int
) -> None:
    environment = make_world({"pull_request": {"group": group}})
    model = DeclineModel(environment, seed, regroups=False)

    for _ in range(STEPS):
        model.step()

    assert model.declined_again == []
    assert model.missing == []


def test_a_bridge_that_forgets_decisions_is_seen_to_propose_them_again(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"pull_request": {"group": "mapping"}})
    model = DeclineModel(environment, 1, regroups=False)

    with forgotten_decisions():
        for _ in range(MOST_STEPS):
            model.step()
            if model.declined_again:
                return

    pytest.fail("the planted fault was not seen")
