"""Killed with SIGKILL, anywhere: after the restart nothing is lost and nothing is doubled."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from itertools import count

import pytest

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.storage.inbox import DeliveryState
from tests.e2e.bridge_process import PATIENCE, BridgeProcess, until
from tests.e2e.product_environment import ON_DISK, ON_GITHUB, UNFINISHED, ProductEnvironment
from tests.e2e.request_gate import RequestGate
from tests.integration.lifecycle.bridge_environment import template

pytestmark = pytest.mark.kill

LANES = 2  # the requests of an event are shared among so many tests, which can run side by side
STARTS_KILLED_AT = (2, 5, 9, 13)  # requests
BURST, PROMPTS, KILLS = 40, 12, 4


@pytest.mark.parametrize("lane", range(LANES))
def test_a_bridge_killed_at_any_request_of_an_event_completes_it_once(
    environment: ProductEnvironment, lane: int
) -> None:
    bridge = environment.serve_swept()

    for number in count(lane + 1, LANES):
        gate = RequestGate(*environment.faults, number=number)
        name, prompt_id = _saved(environment, number)
        if not _reached(gate, environment, bridge):
            break
        bridge.kill()
        gate.open()
        bridge = environment.serve_swept()
        _proposed_once(environment, name, prompt_id)

    gate.open()
    _proposed_once(environment, name, prompt_id)
    assert number > len(gate.seen) > LANES
    assert gate.seen[-1] == "POST /api/v3/repos/acme/support-bot/pulls"


@pytest.mark.parametrize("written", ["/git-receive-pack", "/pulls"])
def test_a_write_that_the_killed_bridge_never_heard_of_is_found_again(
    environment: ProductEnvironment, written: str
) -> None:
    """After the push and before the pull request; after the pull request and before the books."""
    bridge = environment.serve_swept()
    gate = RequestGate(
        *environment.faults,
        wanted=lambda method, path: method == "POST" and path.endswith(written),
        after_the_work=True,
    )
    name, prompt_id = _saved(environment, 1)

    assert _reached(gate, environment, bridge)
    bridge.kill()
    gate.open()
    pushed = environment.repository.branches()
    environment.serve_swept()

    _proposed_once(environment, name, prompt_id)
    assert environment.repository.branches() == pushed, "the second look made another commit"


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
    environment: ProductEnvironment, method: str, written: str
) -> None:
    """Before the status, the pull request, its reviewers, its labels: each was asked for, and
    nobody lived to hear of it."""
    people = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
    environment.configure({**ON_GITHUB, "pull_request": people, "evals": {"required": True}})
    bridge = environment.serve_swept()
    gate = RequestGate(
        *environment.faults, wanted=lambda verb, path: verb == method and written in path
    )
    name, prompt_id = _saved(environment, 1)

    assert _reached(gate, environment, bridge)
    bridge.kill()
    gate.open()
    environment.serve_swept()

    _proposed_once(environment, name, prompt_id)
    (pull,) = environment.pulls()
    assert (pull.labels, pull.reviewers, pull.assignees) == (["prompt"], ["alice"], ["bob"])
    assert {
        said.state for said in environment.repository.statuses if said.commit == pull.head_commit
    } == {"pending"}


@pytest.mark.parametrize("written", ["/graphql", "/pulls/2"])
@pytest.mark.parametrize("after_the_work", [False, True])
def test_a_bridge_killed_while_it_follows_an_approval_leaves_no_draft(
    environment: ProductEnvironment, written: str, after_the_work: bool
) -> None:
    environment.configure({**ON_GITHUB, "track": ["prod"]})
    environment.registry.save_version("reply", template("Text 1"), labels=["prod"])
    environment.webhooks.drop_next()
    bridge = environment.serve_swept()
    environment.repository.merge(1)
    environment.registry.protect_label("prod")
    environment.save("reply", "Text 2")
    environment.registry.request_label(1, "prod")
    environment.until_settled()
    assert [pull.draft for pull in environment.pulls() if pull.state == "open"] == [True]
    gate = RequestGate(
        *environment.faults,
        wanted=lambda verb, path: verb in ("POST", "PATCH") and written in path,
        after_the_work=after_the_work,
    )

    environment.registry.approve_label(1, "prod")
    assert _reached(gate, environment, bridge)
    bridge.kill()
    gate.open()
    environment.serve_swept()

    assert [pull.draft for pull in environment.pulls() if pull.state == "open"] == [False]


def test_a_bridge_killed_before_it_looked_at_what_it_acknowledged_looks_later(
    environment: ProductEnvironment,
) -> None:
    """Right after the 202, and during the quiet period."""
    environment.configure(ON_DISK, quiet="2s")
    bridge = environment.serve_swept()
    waiting: list[tuple[str, int]] = []

    for states in (UNFINISHED, {DeliveryState.DISPATCHED}):
        waiting.append(_saved(environment, len(waiting) + 1))
        assert environment.webhooks.wait_until_sent()
        until(partial(_newest_is_in, environment, states), "the delivery was not kept", bridge)
        bridge.kill()
        assert environment.webhooks.sent[-1].status == 202
        assert not environment.local.list_all_pull_requests()
        bridge = environment.serve()
    environment.until_settled()

    assert _states(environment) == {DeliveryState.DONE}
    for name, prompt_id in waiting:
        _proposed_once_on_disk(environment, name, prompt_id)


def test_a_bridge_killed_again_and_again_while_it_starts_gets_there(
    environment: ProductEnvironment,
) -> None:
    """From an empty disk, and with nobody but the sweep to tell what there is to do."""
    environment.webhooks.drop_next()
    name, prompt_id = _saved(environment, 1)

    for number in STARTS_KILLED_AT:
        gate = RequestGate(*environment.faults, number=number)
        bridge = environment.serve()
        until(gate.reached.is_set, "the bridge did not come that far", bridge)
        bridge.kill()
        gate.open()
    environment.serve_swept()

    _proposed_once(environment, name, prompt_id)


def test_a_burst_survives_kills_at_random_times(environment: ProductEnvironment) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    environment.configure(ON_DISK, quiet="500ms")
    bridge = environment.serve()
    ids: dict[str, int] = {}

    for event in range(BURST):
        name = f"prompt-{chance.randrange(PROMPTS)}"
        ids[name] = environment.save(name, f"Event {event}").prompt_id
    assert environment.webhooks.wait_until_sent(PATIENCE)
    for _ in range(KILLS):
        asked = len(environment.platform_faults.requests) + chance.randrange(8)
        until(partial(_has_come_to, environment, asked), "nothing happened", bridge)
        bridge.kill()
        bridge = environment.serve()
    environment.until_settled()

    assert _states(environment) == {DeliveryState.DONE}
    assert len(environment.deliveries()) == BURST
    for name, prompt_id in ids.items():
        _proposed_once_on_disk(environment, name, prompt_id)


def _saved(environment: ProductEnvironment, number: int) -> tuple[str, int]:
    name = f"prompt-{number}"
    return name, environment.save(name, f"Text {number}").prompt_id


def _reached(gate: RequestGate, environment: ProductEnvironment, bridge: BridgeProcess) -> bool:
    """Whether the run came to the gate, rather than to its end."""
    assert environment.webhooks.wait_until_sent()
    until(lambda: gate.reached.is_set() or environment.settled(), "nothing happened", bridge)
    return gate.reached.is_set()


def _has_come_to(environment: ProductEnvironment, requests: int) -> bool:
    """Whether PromptLayer was asked so often, or there is nothing left to ask."""
    return len(environment.platform_faults.requests) >= requests or environment.settled()


def _newest_is_in(environment: ProductEnvironment, states: Collection[DeliveryState]) -> bool:
    return environment.deliveries()[0].state in states


def _states(environment: ProductEnvironment) -> set[DeliveryState]:
    return {delivery.state for delivery in environment.deliveries()}


def _proposed_once(environment: ProductEnvironment, name: str, prompt_id: int) -> None:
    """One pull request for the prompt, with the file that PromptLayer holds."""
    about = [pull for pull in environment.pulls() if pull.head.endswith(f"/{prompt_id}")]
    assert [pull.state for pull in about] == ["open"]
    assert environment.file_on_github(about[0], name).digest == environment.held(prompt_id).digest


def _proposed_once_on_disk(environment: ProductEnvironment, name: str, prompt_id: int) -> None:
    (found,) = _about(environment, prompt_id)
    assert found.state is PullRequestState.OPEN
    assert environment.file_on_disk(found, name).digest == environment.held(prompt_id).digest


def _about(environment: ProductEnvironment, prompt_id: int) -> list[PullRequest]:
    every = environment.local.list_all_pull_requests()
    return [pull for pull in every if pull.head_branch.endswith(f"/{prompt_id}")]
