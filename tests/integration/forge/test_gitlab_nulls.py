"""Whatever GitLab's pages do not promise may be null or absent in an answer or a delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.forge import gitlab_webhooks
from bridge.forge.forge import PullRequest, PullRequestContent
from bridge.forge.forge_webhooks import PullRequestEvent
from tests.contract.gitlab_case import GitLabCase, gitlab_case
from tests.standins import gitlab_bodies as bodies
from tests.standins.fault_injection import status
from tests.unit.forge_webhooks.test_reading import pull_request_of

# What every merge request has: https://docs.gitlab.com/api/merge_requests/#response
PROMISED = {
    "iid",
    "web_url",
    "state",
    "source_branch",
    "target_branch",
    "target_project_id",
}
OF_A_DELIVERY = {"iid", "action", "source_branch", "target_branch", "target_project_id"}
ONE = "/api/v4/projects/acme%2Fbots%2Fsupport/merge_requests"


@pytest.fixture
def case(tmp_path: Path) -> Iterator[GitLabCase]:
    with gitlab_case(tmp_path) as case:
        yield case


@pytest.fixture
def made(case: GitLabCase) -> PullRequest:
    case.seed_branch("promptlayer/reply", {"a.txt": b"a"})
    return case.forge.create_pull_request(
        "promptlayer/reply", "main", PullRequestContent("Title", "Body")
    )


def variants(answer: dict[str, Any], promised: set[str]) -> Iterator[dict[str, Any]]:
    """One field null or absent, then all that are not promised."""
    left = answer.keys() - promised
    assert left
    for name in sorted(left):
        yield answer | {name: None}
        yield {key: value for key, value in answer.items() if key != name}
    yield answer | dict.fromkeys(left)
    yield {key: value for key, value in answer.items() if key in promised}


def test_every_merge_request_is_read(case: GitLabCase, made: PullRequest) -> None:
    held = case.project.find(made.number)
    answer = bodies.whole_merge_request(held, case.project, case.url)
    for variant in variants(answer, PROMISED):
        case.standin.faults.add(f"GET {ONE}/", status(200, variant))
        read = case.forge.find_pull_request(made.number)
        assert read is not None
        assert (read.number, read.head_branch, read.base_branch) == (
            made.number,
            made.head_branch,
            "main",
        )
        case.standin.faults.clear()


def test_every_note_is_read(case: GitLabCase, made: PullRequest) -> None:
    case.forge.upsert_comment(made.number, "conflict", "First")
    held = case.project.find(made.number)
    note = bodies.note(held.notes[0], held, case.project, case.url)
    for variant in variants(note, {"id"}):
        case.standin.faults.add(
            f"GET {ONE}/{made.number}/notes", status(200, json.dumps([variant]))
        )
        case.forge.upsert_comment(made.number, "conflict", "First")
        case.standin.faults.clear()


def test_every_project_is_read(case: GitLabCase) -> None:
    answer = bodies.project(case.project, 40, case.url)
    for variant in variants(answer, {"id"}):
        case.standin.faults.add("GET /api/v4/projects/", status(200, variant))
        assert case.forge.check_access()
        case.standin.faults.clear()


def test_every_delivery_is_read() -> None:
    payload = pull_request_of("gitlab")
    told = payload["object_attributes"]
    for attributes in variants(told, OF_A_DELIVERY):
        for user in (payload["user"], None, {}, {"id": 5, "username": None}):
            delivery = payload | {"object_attributes": attributes, "user": user, "changes": None}
            event = gitlab_webhooks.parse_webhook({}, json.dumps(delivery).encode())
            assert isinstance(event, PullRequestEvent)
            assert (event.number, event.head, event.base) == (7, "feature", "main")


def test_a_stranger_who_copies_our_comment_does_not_stop_ours(
    case: GitLabCase, made: PullRequest
) -> None:
    alice = case.standin.user("alice-too")
    case.project.comment(made.number, "<!-- conflict -->\nFirst", alice)

    case.forge.upsert_comment(made.number, "conflict", "First")
    case.forge.upsert_comment(made.number, "conflict", "Second")

    said = [(note.author.username, note.body) for note in case.project.find(made.number).notes]
    assert said == [
        ("alice-too", "<!-- conflict -->\nFirst"),
        ("bridge-bot", "<!-- conflict -->\nSecond"),
    ]
