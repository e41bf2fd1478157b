"""A webhook that never came: the sweeps find what it would have told."""

from __future__ import annotations

from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ON_DISK, ProductEnvironment


def test_lost_webhooks_are_found_by_the_sweep_at_the_start_and_by_those_that_follow(
    environment: ProductEnvironment,
) -> None:
    environment.configure(ON_DISK, sweep="3s")
    environment.webhooks.drop_next(2)
    environment.save("greeting", "Say hello.")

    bridge = environment.serve_swept()
    (first,) = environment.local.list_all_pull_requests()
    version = environment.save("greeting", "Say hello, kindly.")
    until(
        lambda: environment.file_on_disk(first, "greeting").version == version.number,
        "the periodic sweep did not find the second version",
        bridge,
    )

    (found,) = environment.local.list_all_pull_requests()
    assert found.number == first.number
    held = environment.held(version.prompt_id)
    assert environment.file_on_disk(found, "greeting").digest == held.digest
    assert not environment.deliveries()


def test_a_bridge_without_a_webhook_secret_says_so_and_finds_changes_by_its_resync(
    environment: ProductEnvironment,
) -> None:
    environment.configure(ON_DISK)
    text = environment.config.read_text()
    environment.config.write_text(
        text.replace('"webhook_secret": "${PROMPTLAYER_WEBHOOK_SECRET}",', "")
    )
    environment.save("greeting", "Say hello.")

    bridge = environment.serve_swept()

    (proposed,) = environment.local.list_all_pull_requests()
    assert environment.file_on_disk(proposed, "greeting").name == "greeting"
    assert "promptlayer.webhook_secret is not set: serve receives no webhooks" in bridge.said
    assert not environment.deliveries()
