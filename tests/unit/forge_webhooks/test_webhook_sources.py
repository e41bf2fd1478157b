"""Which forge comes in by which door, and which change of a pull request is which event."""

from __future__ import annotations

import pytest

from bridge.config.bridge_config import parse_config
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.forge.forge_webhooks import PullRequestEvent
from bridge.sandbox.forge_event_diff import RepositoryState, diff_states
from bridge.wiring import build_webhook_endpoints

CONFIG = """\
promptlayer: {api_key: key, webhook_secret: zero}
forges:
  hub: {type: github, token: t, webhook_secret: one}
  lab: {type: gitlab, token: t, webhook_secrets: [one, two]}
  here: {type: local, root: forge}
mappings:
  - {name: support, prompts: ["**"], repository: "hub:acme/support-bot"}
"""


def test_every_forge_has_the_door_of_its_type_and_its_own_secrets() -> None:
    doors = build_webhook_endpoints(parse_config(CONFIG, "bridge.yaml", {})).forges

    assert {name: (door.webhooks, door.secrets) for name, door in doors.items()} == {
        "hub": (github_webhooks, ("one",)),
        "lab": (gitlab_webhooks, ("one", "two")),
        "here": (local_webhooks, ()),
    }
    assert "one" not in repr(doors["hub"])


def test_doors_are_named_as_in_their_addresses_and_shut_ones_not_at_all() -> None:
    two = CONFIG.replace("promptlayer:", "workspaces:\n  care:", 1).replace(
        "name: support,", "name: support, workspace: care,"
    )

    assert build_webhook_endpoints(parse_config(CONFIG, "bridge.yaml", {})).open_names == (
        "promptlayer",
        "hub",
        "lab",
    )
    shut = CONFIG.replace(", webhook_secret: zero", "")
    assert build_webhook_endpoints(parse_config(shut, "bridge.yaml", {})).open_names == (
        "hub",
        "lab",
    )
    assert build_webhook_endpoints(parse_config(two, "bridge.yaml", {})).open_names == (
        "promptlayer/care",
        "hub",
        "lab",
    )


def seen(state: PullRequestState, commit: str = "a", *, draft: bool = False) -> PullRequest:
    return PullRequest(1, "", state, "work", "main", commit, "Title", "", draft)


OPEN, MERGED, CLOSED = PullRequestState.OPEN, PullRequestState.MERGED, PullRequestState.CLOSED
TURNS = [
    (None, seen(OPEN), ["opened"]),
    (None, seen(MERGED), ["opened", "merged"]),
    (seen(OPEN), seen(OPEN), []),
    (seen(OPEN), seen(OPEN, "b"), ["synchronized"]),
    (seen(OPEN, draft=True), seen(OPEN), ["draft changed"]),
    (seen(OPEN), seen(CLOSED, "b"), ["closed"]),
    (seen(CLOSED), seen(CLOSED, "b"), []),
    (seen(CLOSED), seen(OPEN), ["reopened"]),
    (seen(OPEN), seen(MERGED), ["merged"]),
]


@pytest.mark.parametrize(("before", "now", "actions"), TURNS)
def test_a_turn_of_a_pull_request_is_an_event(
    before: PullRequest | None, now: PullRequest, actions: list[str]
) -> None:
    old = RepositoryState({}, {} if before is None else {1: before})

    events = diff_states("acme/bot", old, RepositoryState({}, {1: now}))

    assert [each.action for each in events if isinstance(each, PullRequestEvent)] == actions
