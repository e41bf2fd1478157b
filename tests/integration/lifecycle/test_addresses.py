"""Where the bridge connects to is said by its configuration, never by an event or a prompt."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from bridge.prompts.prompt import JsonObject
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.standins.serve_app import listening


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A port of this machine that nobody has any business with."""
    with listening() as listener:
        yield listener


def address_of(trap: socket.socket) -> str:
    return f"http://127.0.0.1:{trap.getsockname()[1]}"


def was_visited(trap: socket.socket) -> bool:
    readable, _, _ = select.select([trap], [], [], 0)
    return bool(readable)


def led_astray(payload: JsonObject, to: str) -> JsonObject:
    """The event, with addresses wherever another program might look for one."""
    names = ("repository", "clone_url", "url", "base_url", "api_url", "callback", "host")
    addresses = dict.fromkeys(names, f"{to}/acme/support-bot.git")
    return {**addresses, **payload, "details": {**addresses, **payload["details"]}}


def test_the_trap_would_be_found_sprung(trap: socket.socket) -> None:
    socket.create_connection(trap.getsockname()).close()

    assert was_visited(trap)


def test_an_event_that_names_addresses_leads_to_the_configured_repository_and_nowhere_else(
    environment: BridgeEnvironment, trap: socket.socket
) -> None:
    environment.save("Be kind.")

    environment.deliver(
        [led_astray(payload, address_of(trap)) for payload in environment.post.take()]
    )
    environment.settle()

    assert environment.proposed() == "Be kind."
    assert not was_visited(trap)


def test_an_address_in_a_prompt_is_text_that_nobody_visits(
    environment: BridgeEnvironment, trap: socket.socket
) -> None:
    text = f"![picture]({address_of(trap)}/a.png) <img src='{address_of(trap)}/b.png'>"
    environment.save(text)

    environment.settle()
    environment.sweep()

    assert environment.proposed() == text
    assert not was_visited(trap)
