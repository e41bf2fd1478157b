"""SIGTERM: the step in hand is finished, and the process ends in time."""

from __future__ import annotations

import pytest

from tests.e2e.product_environment import ProductEnvironment
from tests.e2e.request_gate import RequestGate

pytestmark = pytest.mark.kill

IN_TIME = 10.0  # seconds
SLACK = 2.0  # seconds for a busy machine


def _opening_a_pull_request(method: str, path: str) -> bool:
    return method == "POST" and path.endswith("/pulls")


def test_a_bridge_told_to_end_finishes_the_step_in_hand(environment: ProductEnvironment) -> None:
    bridge = environment.serve_swept()
    gate = RequestGate(*environment.faults, wanted=_opening_a_pull_request)
    environment.save("greeting", "Say hello.")
    assert gate.reached.wait(IN_TIME)

    bridge.ask_to_end()
    bridge.until_it_says("finishing the steps in hand")
    gate.open()

    assert bridge.process.wait(IN_TIME + SLACK) == 0
    assert [pull.state for pull in environment.pulls()] == ["open"]
    environment.until_settled()


def test_a_step_that_hangs_does_not_keep_the_bridge_from_ending(
    environment: ProductEnvironment,
) -> None:
    bridge = environment.serve_swept()
    gate = RequestGate(*environment.faults, wanted=_opening_a_pull_request)
    environment.save("greeting", "Say hello.")
    assert gate.reached.wait(IN_TIME)

    bridge.ask_to_end()

    assert bridge.process.wait(IN_TIME + SLACK) == 0
    assert not environment.pulls()
    gate.open()
    environment.serve_swept()
    assert [pull.state for pull in environment.pulls()] == ["open"]


def test_an_idle_bridge_ends_at_once(environment: ProductEnvironment) -> None:
    bridge = environment.serve_swept()
    working = environment.start("work", "--name", "another")
    working.until_it_says("working")

    assert (bridge.end(), working.end()) == (0, 0)
    assert "Traceback" not in environment.logs
