"""A forge of bridge.yaml knocks at a real process."""

from __future__ import annotations

import httpx2

from bridge.sandbox.entries import Version
from tests.e2e.processes import until
from tests.e2e.scene import Scene, mapping
from tests.standins.git_http import read_file

FORGE_SECRET = "the forge's own secret"
PATH = "prompts/greeting.yaml"


def configure(scene: Scene, secret: str = FORGE_SECRET) -> None:
    """One mapping in both directions, whose forge may knock."""
    hub = {
        "type": "github",
        "url": scene.github.url,
        "token": "${GITHUB_TOKEN}",
        "webhook_secret": secret,
    }
    both_ways = mapping("one", "github:acme/support-bot", publish=True)
    scene.configure(both_ways, forges={"github": hub})


def test_a_forge_with_a_secret_in_the_configuration_is_let_in(scene: Scene) -> None:
    configure(scene)
    bridge = scene.serve("--workers", "0")
    scene.github.hooks.register(f"{scene.address}/webhooks/github", FORGE_SECRET)

    scene.repository.push("main", {"notes.txt": b"pushed by a person\n"})

    assert [each.status for each in scene.github.hooks.delivered] == [202]
    assert [each.event_type for each in scene.deliveries()] == ["forge:github:pushed"]
    assert httpx2.post(f"{scene.address}/webhooks/github", content=b"{}").status_code == 401
    assert httpx2.post(f"{scene.address}/webhooks/local", content=b"{}").status_code == 404
    assert FORGE_SECRET not in bridge.said
    assert "Traceback" not in bridge.said


def test_a_push_that_the_forge_tells_of_becomes_a_version(scene: Scene) -> None:
    """The sweep is an hour away: only the webhook can have led to it."""
    configure(scene)
    scene.save("greeting", "Say hello.")
    bridge = scene.serve_swept()
    scene.github.hooks.register(f"{scene.address}/webhooks/github", FORGE_SECRET)
    scene.repository.merge(scene.pulls()[0].number, "squash")
    text = read_file(scene.repository.path, "main", PATH)

    commit = scene.repository.push("main", {PATH: text.replace(b"hello", b"good morning")})

    until(lambda: len(versions(scene)) == 2, "the push was not published", bridge)
    newest = versions(scene)[-1]
    assert newest.template["messages"][0]["content"][0]["text"] == "Say good morning."
    assert (newest.metadata or {})["promptlayer_bridge"]["commit"] == commit
    scene.until_settled()
    assert len(versions(scene)) == 2
    assert [pull.state for pull in scene.pulls()] == ["closed"]


def test_a_push_that_somebody_else_tells_of_is_not_followed(scene: Scene) -> None:
    configure(scene)
    scene.serve("--workers", "0")
    scene.github.hooks.register(f"{scene.address}/webhooks/github", "a guess")

    scene.repository.push("main", {"notes.txt": b"pushed by a person\n"})

    assert [each.status for each in scene.github.hooks.delivered] == [401]
    assert scene.deliveries() == []


def versions(scene: Scene) -> list[Version]:
    return scene.registry.entry_named("greeting").versions
