"""Several processes share the work."""

from __future__ import annotations

import pytest

from bridge.storage.inbox import DeliveryState
from tests.e2e.scene import Scene

PROMPTS, VERSIONS = 10, 2


@pytest.mark.kill
def test_two_workers_share_what_one_front_door_takes_in(scene: Scene) -> None:
    """The second worker starts in the middle of the burst."""
    door = scene.serve("--workers", "0")
    first = scene.start("work")
    first.until_it_says("sweep of ")

    for version in range(VERSIONS):
        for number in range(PROMPTS):
            scene.save(f"prompt-{number}", f"Version {version} of {number}")
        if not version:
            second = scene.start("work", "--name", "two")
    second.until_it_says("working")
    scene.until_settled()

    pulls = scene.pulls()
    assert len(pulls) == PROMPTS
    assert {pull.state for pull in pulls} == {"open"}
    for pull in pulls:
        prompt_id = int(pull.head.rpartition("/")[2])
        held = scene.held(prompt_id)
        assert scene.file_on_github(pull, held.name).digest == held.digest
    assert len(scene.deliveries()) == PROMPTS * VERSIONS
    assert {delivery.state for delivery in scene.deliveries()} == {DeliveryState.DONE}
    assert "Traceback" not in scene.logs
    assert [bridge.end() for bridge in (door, first, second)] == [0, 0, 0]
