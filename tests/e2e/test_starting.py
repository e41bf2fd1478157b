"""Starting: mistakes are told in one clear line, and several processes share the work."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest

from bridge.engine.inbox import DeliveryState
from tests.e2e.scene import ON_GITHUB, SECRET, Scene

PROMPTS, VERSIONS = 10, 2


def _without_a_secret(scene: Scene) -> str:
    scene.configure(ON_GITHUB, promptlayer={"webhook_secret": None})
    return r"No webhook secret is configured.* Set promptlayer\.webhook_secret"


def _with_a_wrong_config(scene: Scene) -> str:
    scene.configure({**ON_GITHUB, "track": "prod"})
    return r"bridge\.yaml:\d+: mappings\[0\]\.track: .*tuple|list"


def _with_an_unset_variable(scene: Scene) -> str:
    scene.configure(ON_GITHUB, promptlayer={"webhook_secret": "${NOT_SET_ANYWHERE}"})
    return r"bridge\.yaml:\d+: promptlayer\.webhook_secret: .*NOT_SET_ANYWHERE is not set"


@pytest.mark.parametrize(
    "mistaken", [_without_a_secret, _with_a_wrong_config, _with_an_unset_variable]
)
def test_a_bridge_that_cannot_start_says_why_in_one_line(
    scene: Scene, mistaken: Callable[[Scene], str]
) -> None:
    expected = mistaken(scene)

    ended = scene.run("serve", "--port", str(scene.port))

    _told_in_one_line(ended.returncode, ended.stdout + ended.stderr, expected)


def test_a_port_that_is_taken_is_told_in_one_line(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = scene.run("serve", "--port", str(port))

    said = ended.stdout + ended.stderr
    expected = rf"Cannot listen on 127\.0\.0\.1:{port}: .*Choose another --host or --port"
    _told_in_one_line(ended.returncode, said, expected)


def _told_in_one_line(status: int, said: str, expected: str) -> None:
    assert status == 1
    assert len(said.splitlines()) == 1, said
    assert re.search(expected, said), said
    assert SECRET not in said


@pytest.mark.kill
def test_two_workers_share_what_one_front_door_takes_in(scene: Scene) -> None:
    """The second worker starts in the middle of the burst, under the first one's name."""
    door = scene.serve("--workers", "0")
    first = scene.start("work")
    first.until_it_says("sweep of ")

    for version in range(VERSIONS):
        for number in range(PROMPTS):
            scene.save(f"prompt-{number}", f"Version {version} of {number}")
        if not version:
            second = scene.start("work")
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
