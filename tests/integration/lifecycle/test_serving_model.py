"""Whatever happens on both sides: nothing unmerged is served, and nothing older than before."""

from __future__ import annotations

import pytest

from tests.integration.lifecycle.bridge_environment import MakeWorld
from tests.integration.lifecycle.serving_model import ServingModel, stores_what_was_read_earlier

EDITS = 15  # each followed by two steps of processes
SEEDS = (1, 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("publish", [True, False])
def test_no_answer_is_unmerged_or_older_than_one_before(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int, publish: bool
) -> None:
    bridge = make_world({"serve": "merged", "publish": publish})

    readings = ServingModel(bridge, seed, monkeypatch).run(EDITS)

    assert readings.answers > EDITS
    assert readings.unmerged == []
    assert readings.went_back == []


def test_the_model_sees_an_answer_that_nobody_merged(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = make_world({"serve": "platform"})

    readings = ServingModel(bridge, 1, monkeypatch).run(EDITS)

    assert readings.unmerged


def test_the_model_sees_a_process_that_brings_back_what_it_read_earlier(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = make_world({"serve": "merged", "publish": True})

    with stores_what_was_read_earlier():
        readings = ServingModel(bridge, 1, monkeypatch).run(EDITS)

    assert readings.went_back
