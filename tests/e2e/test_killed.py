"""Killed with SIGKILL, anywhere: after the restart nothing is lost and nothing is doubled."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from itertools import count

import pytest

from bridge.forge.base import PullRequest, PullRequestState
from bridge.storage.inbox import DeliveryState
from tests.e2e.gate import Gate
from tests.e2e.processes import PATIENCE, Bridge, until
from tests.e2e.scene import ON_DISK, ON_GITHUB, UNFINISHED, Scene
from tests.integration.lifecycle.world import template

pytestmark = pytest.mark.kill

LANES = 2  # the requests of an event are shared among so many tests, which can run side by side
STARTS_KILLED_AT = (2, 5, 9, 13)  # requests
BURST, PROMPTS, KILLS = 40, 12, 4


@pytest.mark.parametrize("lane", range(LANES))
def test_a_bridge_killed_at_any_request_of_an_event_completes_it_once(
    scene: Scene, lane: int
) -> None:
    bridge = scene.serve_swept()

    for number in count(lane + 1, LANES):
        gate = Gate(*scene.faults, number=number)
        name, prompt_id = _saved(scene, number)
        if not _reached(gate, scene, bridge):
            break
        bridge.kill()
        gate.open()
        bridge = scene.serve_swept()
        _proposed_once(scene, name, prompt_id)

    gate.open()
    _proposed_once(scene, name, prompt_id)
    assert number > len(gate.seen) > LANES
    assert gate.seen[-1] == "POST /api/v3/repos/acme/support-bot/pulls"


@pytest.mark.parametrize("written", ["/git-receive-pack", "/pulls"])
def test_a_write_that_the_killed_bridge_never_heard_of_is_found_again(
    scene: Scene, written: str
) -> None:
    """After the push and before the pull request; after the pull request and before the books."""
    bridge = scene.serve_swept()
    gate = Gate(
        *scene.faults,
        wanted=lambda method, path: method == "POST" and path.endswith(written),
        after_the_work=True,
    )
    name, prompt_id = _saved(scene, 1)

    assert _reached(gate, scene, bridge)
    bridge.kill()
    gate.open()
    pushed = scene.repository.branches()
    scene.serve_swept()

    _proposed_once(scene, name, prompt_id)
    assert scene.repository.branches() == pushed, "the second look made another commit"


@pytest.mark.parametrize(
    ("method", "written"),
    [
        ("POST", "/statuses/"),
        ("POST", "/pulls"),
        ("POST", "/requested_reviewers"),
        ("PATCH", "/issues/"),
    ],
)
def test_a_bridge_killed_while_it_completes_a_pull_request_completes_it_later(
    scene: Scene, method: str, written: str
) -> None:
    """Before the status, the pull request, its reviewers, its labels: each was asked for, and
    nobody lived to hear of it."""
    people = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
    scene.configure({**ON_GITHUB, "pull_request": people, "evals": {"required": True}})
    bridge = scene.serve_swept()
    gate = Gate(*scene.faults, wanted=lambda verb, path: verb == method and written in path)
    name, prompt_id = _saved(scene, 1)

    assert _reached(gate, scene, bridge)
    bridge.kill()
    gate.open()
    scene.serve_swept()

    _proposed_once(scene, name, prompt_id)
    (pull,) = scene.pulls()
    assert (pull.labels, pull.reviewers, pull.assignees) == (["prompt"], ["alice"], ["bob"])
    assert {
        said.state for said in scene.repository.statuses if said.commit == pull.head_commit
    } == {"pending"}


@pytest.mark.parametrize("written", ["/graphql", "/pulls/2"])
@pytest.mark.parametrize("after_the_work", [False, True])
def test_a_bridge_killed_while_it_follows_an_approval_leaves_no_draft(
    scene: Scene, written: str, after_the_work: bool
) -> None:
    scene.configure({**ON_GITHUB, "track": ["prod"]})
    scene.registry.save("reply", template("Text 1"), labels=["prod"])
    scene.webhooks.drop()
    bridge = scene.serve_swept()
    scene.repository.merge(1)
    scene.registry.protect("prod")
    scene.save("reply", "Text 2")
    scene.registry.request_label(1, "prod")
    scene.until_settled()
    assert [pull.draft for pull in scene.pulls() if pull.state == "open"] == [True]
    gate = Gate(
        *scene.faults,
        wanted=lambda verb, path: verb in ("POST", "PATCH") and written in path,
        after_the_work=after_the_work,
    )

    scene.registry.approve_label(1, "prod")
    assert _reached(gate, scene, bridge)
    bridge.kill()
    gate.open()
    scene.serve_swept()

    assert [pull.draft for pull in scene.pulls() if pull.state == "open"] == [False]


def test_a_bridge_killed_before_it_looked_at_what_it_acknowledged_looks_later(scene: Scene) -> None:
    """Right after the 202, and during the quiet period."""
    scene.configure(ON_DISK, quiet="2s")
    bridge = scene.serve_swept()
    waiting: list[tuple[str, int]] = []

    for states in (UNFINISHED, {DeliveryState.DISPATCHED}):
        waiting.append(_saved(scene, len(waiting) + 1))
        assert scene.webhooks.wait_until_sent()
        until(partial(_newest_is_in, scene, states), "the delivery was not kept", bridge)
        bridge.kill()
        assert scene.webhooks.sent[-1].status == 202
        assert not scene.local.every_pull_request()
        bridge = scene.serve()
    scene.until_settled()

    assert _states(scene) == {DeliveryState.DONE}
    for name, prompt_id in waiting:
        _proposed_once_on_disk(scene, name, prompt_id)


def test_a_bridge_killed_again_and_again_while_it_starts_gets_there(scene: Scene) -> None:
    """From an empty disk, and with nobody but the sweep to tell what there is to do."""
    scene.webhooks.drop()
    name, prompt_id = _saved(scene, 1)

    for number in STARTS_KILLED_AT:
        gate = Gate(*scene.faults, number=number)
        bridge = scene.serve()
        until(gate.reached.is_set, "the bridge did not come that far", bridge)
        bridge.kill()
        gate.open()
    scene.serve_swept()

    _proposed_once(scene, name, prompt_id)


def test_a_burst_survives_kills_at_random_times(scene: Scene) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    scene.configure(ON_DISK, quiet="500ms")
    bridge = scene.serve()
    ids: dict[str, int] = {}

    for event in range(BURST):
        name = f"prompt-{chance.randrange(PROMPTS)}"
        ids[name] = scene.save(name, f"Event {event}").prompt_id
    assert scene.webhooks.wait_until_sent(PATIENCE)
    for _ in range(KILLS):
        asked = len(scene.platform_faults.requests) + chance.randrange(8)
        until(partial(_has_come_to, scene, asked), "nothing happened", bridge)
        bridge.kill()
        bridge = scene.serve()
    scene.until_settled()

    assert _states(scene) == {DeliveryState.DONE}
    assert len(scene.deliveries()) == BURST
    for name, prompt_id in ids.items():
        _proposed_once_on_disk(scene, name, prompt_id)


def _saved(scene: Scene, number: int) -> tuple[str, int]:
    name = f"prompt-{number}"
    return name, scene.save(name, f"Text {number}").prompt_id


def _reached(gate: Gate, scene: Scene, bridge: Bridge) -> bool:
    """Whether the run came to the gate, rather than to its end."""
    assert scene.webhooks.wait_until_sent()
    until(lambda: gate.reached.is_set() or scene.settled(), "nothing happened", bridge)
    return gate.reached.is_set()


def _has_come_to(scene: Scene, requests: int) -> bool:
    """Whether PromptLayer was asked so often, or there is nothing left to ask."""
    return len(scene.platform_faults.requests) >= requests or scene.settled()


def _newest_is_in(scene: Scene, states: Collection[DeliveryState]) -> bool:
    return scene.deliveries()[0].state in states


def _states(scene: Scene) -> set[DeliveryState]:
    return {delivery.state for delivery in scene.deliveries()}


def _proposed_once(scene: Scene, name: str, prompt_id: int) -> None:
    """One pull request for the prompt, with the file that PromptLayer holds."""
    about = [pull for pull in scene.pulls() if pull.head.endswith(f"/{prompt_id}")]
    assert [pull.state for pull in about] == ["open"]
    assert scene.file_on_github(about[0], name).digest == scene.held(prompt_id).digest


def _proposed_once_on_disk(scene: Scene, name: str, prompt_id: int) -> None:
    (found,) = _about(scene, prompt_id)
    assert found.state is PullRequestState.OPEN
    assert scene.file_on_disk(found, name).digest == scene.held(prompt_id).digest


def _about(scene: Scene, prompt_id: int) -> list[PullRequest]:
    every = scene.local.every_pull_request()
    return [pull for pull in every if pull.head.endswith(f"/{prompt_id}")]
