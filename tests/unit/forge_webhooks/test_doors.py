"""Which forge comes in by which door, and which change of a pull request is which event."""

from __future__ import annotations

import pytest

from bridge.config.whole import parse
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.base import PullRequest, PullRequestState
from bridge.forge.webhooks import PullRequestChanged
from bridge.sandbox.forge_changes import Look, events_between
from bridge.wiring import doors_of

CONFIG = """\
promptlayer: {api_key: key}
forges:
  hub: {type: github, token: t, webhook_secret: one}
  lab: {type: gitlab, token: t, webhook_secrets: [one, two]}
  here: {type: local, root: forge}
mappings:
  - {name: support, prompts: ["**"], repository: "hub:acme/support-bot"}
"""


def test_every_forge_has_the_door_of_its_type_and_its_own_secrets() -> None:
    doors = doors_of(parse(CONFIG, "bridge.yaml", {})).forges

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

    assert doors_of(parse(CONFIG, "bridge.yaml", {})).names == ("promptlayer", "hub", "lab")
    assert doors_of(parse(two, "bridge.yaml", {})).names == ("promptlayer/care", "hub", "lab")


def seen(state: PullRequestState, commit: str = "a", *, draft: bool = False) -> PullRequest:
    return PullRequest(1, "", state, "work", "main", commit, "Title", "", draft)


OPEN, MERGED, CLOSED = PullRequestState.OPEN, PullRequestState.MERGED, PullRequestState.CLOSED
TURNS = [
    (None, seen(OPEN), ["opened"]),
    (None, seen(MERGED), ["opened", "merged"]),
    (seen(OPEN), seen(OPEN), []),
    (seen(OPEN), seen(OPEN, "b"), ["updated"]),
    (seen(OPEN, draft=True), seen(OPEN), ["updated"]),
    (seen(OPEN), seen(CLOSED, "b"), ["closed"]),
    (seen(CLOSED), seen(CLOSED, "b"), []),
    (seen(CLOSED), seen(OPEN), ["reopened"]),
    (seen(OPEN), seen(MERGED), ["merged"]),
]


@pytest.mark.parametrize(("before", "now", "actions"), TURNS)
def test_a_turn_of_a_pull_request_is_an_event(
    before: PullRequest | None, now: PullRequest, actions: list[str]
) -> None:
    old = Look({}, {} if before is None else {1: before})

    events = events_between("acme/bot", old, Look({}, {1: now}))

    assert [each.action for each in events if isinstance(each, PullRequestChanged)] == actions
