"""Several processes share the work."""

from __future__ import annotations

import pytest

from bridge.storage.inbox import DeliveryState
from tests.e2e.product_environment import ProductEnvironment

PROMPTS, VERSIONS = 10, 2


@pytest.mark.kill
def test_two_workers_share_what_one_front_door_takes_in(environment: ProductEnvironment) -> None:
    """The second worker starts in the middle of the burst."""
    door = environment.serve("--workers", "0")
    first = environment.start("work")
    first.until_it_says("sweep of ")

    for version in range(VERSIONS):
        for number in range(PROMPTS):
            environment.save(f"prompt-{number}", f"Version {version} of {number}")
        if not version:
            second = environment.start("work", "--name", "two")
    second.until_it_says("working")
    environment.until_settled()

    pulls = environment.pulls()
    assert len(pulls) == PROMPTS
    assert {pull.state for pull in pulls} == {"open"}
    for pull in pulls:
        prompt_id = int(pull.head.rpartition("/")[2])
        held = environment.held(prompt_id)
        assert environment.file_on_github(pull, held.name).digest == held.digest
    assert len(environment.deliveries()) == PROMPTS * VERSIONS
    assert {delivery.state for delivery in environment.deliveries()} == {DeliveryState.DONE}
    assert "Traceback" not in environment.logs
    assert [bridge.end() for bridge in (door, first, second)] == [0, 0, 0]
