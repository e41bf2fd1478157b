"""A forge of bridge.yaml knocks at a real process."""

from __future__ import annotations

import httpx2

from bridge.sandbox.registry_entries import RegistryVersion
from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ProductEnvironment, mapping
from tests.standins.git_http import read_file

FORGE_SECRET = "the forge's own secret"
PATH = "prompts/greeting.yaml"


def configure(environment: ProductEnvironment, secret: str = FORGE_SECRET) -> None:
    """One mapping in both directions, whose forge may knock."""
    hub = {
        "type": "github",
        "url": environment.github.url,
        "token": "${GITHUB_TOKEN}",
        "webhook_secret": secret,
    }
    both_ways = mapping("one", "github:acme/support-bot", publish=True)
    environment.configure(both_ways, forges={"github": hub})


def test_a_forge_with_a_secret_in_the_configuration_is_let_in(
    environment: ProductEnvironment,
) -> None:
    configure(environment)
    bridge = environment.serve("--workers", "0")
    environment.github.hooks.register(f"{environment.address}/webhooks/github", FORGE_SECRET)

    environment.repository.push("main", {"notes.txt": b"pushed by a person\n"})

    assert [each.status for each in environment.github.hooks.delivered] == [202]
    assert [each.event_type for each in environment.deliveries()] == ["forge:github:pushed"]
    assert httpx2.post(f"{environment.address}/webhooks/github", content=b"{}").status_code == 401
    assert httpx2.post(f"{environment.address}/webhooks/local", content=b"{}").status_code == 404
    assert FORGE_SECRET not in bridge.said
    assert "Traceback" not in bridge.said


def test_a_push_that_the_forge_tells_of_becomes_a_version(environment: ProductEnvironment) -> None:
    """The sweep is an hour away: only the webhook can have led to it."""
    configure(environment)
    environment.save("greeting", "Say hello.")
    bridge = environment.serve_swept()
    environment.github.hooks.register(f"{environment.address}/webhooks/github", FORGE_SECRET)
    environment.repository.merge(environment.pulls()[0].number, "squash")
    text = read_file(environment.repository.path, "main", PATH)

    commit = environment.repository.push("main", {PATH: text.replace(b"hello", b"good morning")})

    until(lambda: len(versions(environment)) == 2, "the push was not published", bridge)
    newest = versions(environment)[-1]
    assert newest.template["messages"][0]["content"][0]["text"] == "Say good morning."
    assert (newest.metadata or {})["promptlayer_bridge"]["commit"] == commit
    environment.until_settled()
    assert len(versions(environment)) == 2
    assert [pull.state for pull in environment.pulls()] == ["closed"]


def test_a_push_that_somebody_else_tells_of_is_not_followed(
    environment: ProductEnvironment,
) -> None:
    configure(environment)
    environment.serve("--workers", "0")
    environment.github.hooks.register(f"{environment.address}/webhooks/github", "a guess")

    environment.repository.push("main", {"notes.txt": b"pushed by a person\n"})

    assert [each.status for each in environment.github.hooks.delivered] == [401]
    assert environment.deliveries() == []


def versions(environment: ProductEnvironment) -> list[RegistryVersion]:
    return environment.registry.find_entry_by_name("greeting").versions
