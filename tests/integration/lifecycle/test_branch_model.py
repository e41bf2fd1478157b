"""Nothing that a person writes on a proposal's branch is lost, whatever happens in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lifecycle.branch_model import (
    MAPPING,
    BranchModel,
    everything_counts_as_the_bridges,
)
from tests.integration.lifecycle.bridge_environment import MakeWorld

RUNS, STEPS, MOST_STEPS = 12, 14, 80


@pytest.mark.parametrize("group", ["prompt", "mapping"])
@pytest.mark.parametrize("seed", range(RUNS))
def test_no_word_of_a_person_is_lost_and_none_is_made_up(
    make_world: MakeWorld, tmp_path: Path, group: str, seed: int
) -> None:
    environment = make_world({**MAPPING, "pull_request": {"group": group}})
    model = BranchModel(environment, tmp_path / "sam", seed)

    for _ in range(STEPS):
        model.step()

    assert model.losses.words == []
    assert model.losses.strange == []


def test_a_bridge_that_takes_every_branch_for_its_own_is_seen_to_lose_words(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    model = BranchModel(make_world(MAPPING), tmp_path / "sam", 1)

    with everything_counts_as_the_bridges():
        for _ in range(MOST_STEPS):
            model.step()
            if model.losses.words:
                return

    pytest.fail("the planted fault was not seen")
