"""A webhook that never came: the sweeps find what it would have told."""

from __future__ import annotations

from tests.e2e.processes import until
from tests.e2e.scene import ON_DISK, Scene


def test_lost_webhooks_are_found_by_the_sweep_at_the_start_and_by_those_that_follow(
    scene: Scene,
) -> None:
    scene.configure(ON_DISK, sweep="3s")
    scene.webhooks.drop(2)
    scene.save("greeting", "Say hello.")

    bridge = scene.serve_swept()
    (first,) = scene.local.every_pull_request()
    version = scene.save("greeting", "Say hello, kindly.")
    until(
        lambda: scene.file_on_disk(first, "greeting").version == version.number,
        "the periodic sweep did not find the second version",
        bridge,
    )

    (found,) = scene.local.every_pull_request()
    assert found.number == first.number
    held = scene.held(version.prompt_id)
    assert scene.file_on_disk(found, "greeting").digest == held.digest
    assert not scene.deliveries()
