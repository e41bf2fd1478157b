"""A forge of bridge.yaml knocks at a real process."""

from __future__ import annotations

import httpx

from tests.e2e.scene import Scene, mapping

FORGE_SECRET = "the forge's own secret"


def test_a_forge_with_a_secret_in_the_configuration_is_let_in(scene: Scene) -> None:
    hub = {
        "type": "github",
        "url": scene.github.url,
        "token": "${GITHUB_TOKEN}",
        "webhook_secret": FORGE_SECRET,
    }
    scene.configure(mapping("one", "github:acme/support-bot"), forges={"github": hub})
    bridge = scene.serve("--workers", "0")
    scene.github.hooks.register(f"{scene.address}/webhooks/github", FORGE_SECRET)

    scene.repository.push("main", {"notes.txt": b"pushed by a person\n"})

    assert [each.status for each in scene.github.hooks.delivered] == [202]
    assert [each.event_type for each in scene.deliveries()] == ["forge:github:pushed"]
    assert httpx.post(f"{scene.address}/webhooks/github", content=b"{}").status_code == 401
    assert httpx.post(f"{scene.address}/webhooks/local", content=b"{}").status_code == 404
    assert FORGE_SECRET not in bridge.said
    assert "Traceback" not in bridge.said
