"""Whatever the official description calls nullable or optional may be null or absent: each field
alone, and all of them together, for every answer and every delivery that is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.forge import github_webhooks
from bridge.forge.forge import PullRequestContent, PullRequestState
from bridge.forge.forge_webhooks import PullRequestEvent
from bridge.forge.github import GitHubForge
from bridge.sandbox.local_http_client import create_local_client
from tests.integration.forge.github.setting import proposed
from tests.standins.fault_injection import status
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository

FORGES = Path(__file__).parents[5] / "shared/forges"
NAME = "/repos/acme/support-bot"
DEPTH = 2  # fields below that are of things that the bridge does not look into
Way = tuple[str, ...]


@cache
def schemas() -> Mapping[str, Any]:
    path = FORGES / "github-openapi.json"
    if not path.exists():
        pytest.skip("the official description is not at hand")
    found: Mapping[str, Any] = json.loads(path.read_text())["components"]["schemas"]
    return found


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return schemas()[name] if name else schema


def ways(schema: Mapping[str, Any], value: object, way: Way = ()) -> Iterator[tuple[Way, str]]:
    """Every field of an answer that may be ``null``, and every one that may be ``absent``."""
    schema = resolved(schema)
    for branch in schema.get("allOf", ()):
        yield from ways(branch, value, way)
    if not isinstance(value, dict) or len(way) == DEPTH:
        return
    for name, inner in schema.get("properties", {}).items():
        if name not in value:
            continue
        if resolved(inner).get("nullable"):
            yield (*way, name), "null"
        if name not in schema.get("required", ()):
            yield (*way, name), "absent"
        yield from ways(inner, value[name], (*way, name))


def without(answer: Any, *gone: tuple[Way, str]) -> Any:
    changed = copy.deepcopy(answer)
    for way, how in sorted(gone, key=lambda each: len(each[0]), reverse=True):
        inner = changed
        for name in way[:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and way[-1] in inner:
            if how == "null":
                inner[way[-1]] = None
            else:
                del inner[way[-1]]
    return changed


def variants(schema: str, answer: Any) -> list[Any]:
    found = list(ways(schemas()[schema], answer))
    assert len(found) > 5
    nulls = [each for each in found if each[1] == "null"]
    return [
        *(without(answer, each) for each in found),
        without(answer, *nulls),
        without(answer, *found),
    ]


def answer_of(standin: GitHubStandIn, path: str) -> Any:
    headers = {"Authorization": f"token {standin.token('reader')}"}
    with create_local_client(base_url=standin.url, headers=headers) as client:
        found: httpx2.Response = client.get(f"/api/v3{path}")
    return found.json()


def test_the_ways_to_leave_out_are_seen(standin: GitHubStandIn, site: Repository) -> None:
    answer = {"user": {"login": "sam"}, "body": "x", "title": "y", "draft": False}
    found = set(ways(schemas()["pull-request-simple"], answer))

    assert {(("user",), "null"), (("body",), "null"), (("draft",), "absent")} <= found
    assert ("title",) not in {way for way, _ in found}


def test_every_pull_request_is_read(
    standin: GitHubStandIn, site: Repository, forge: GitHubForge
) -> None:
    made = proposed(forge, site)
    listed = answer_of(standin, f"{NAME}/pulls?state=all")
    for variant in variants("pull-request-simple", listed[0]):
        standin.faults.add(f"GET /api/v3{NAME}/pulls", status(200, json.dumps([variant])))
        (found,) = forge.list_pull_requests(made.head_branch)
        assert (found.number, found.head_branch, found.base_branch) == (
            made.number,
            made.head_branch,
            "main",
        )
        standin.faults.clear()

    one = answer_of(standin, f"{NAME}/pulls/{made.number}")
    for variant in variants("pull-request", one):
        standin.faults.add(f"GET /api/v3{NAME}/pulls/", status(200, json.dumps(variant)))
        read = forge.find_pull_request(made.number)
        assert read is not None
        assert (read.number, read.state) == (made.number, PullRequestState.OPEN)
        standin.faults.clear()


def test_a_pull_request_can_be_made_whatever_the_answer_leaves_out(
    standin: GitHubStandIn, site: Repository, forge: GitHubForge
) -> None:
    made = proposed(forge, site)
    one = answer_of(standin, f"{NAME}/pulls/{made.number}")
    for variant in variants("pull-request", one):
        standin.faults.add(f"POST /api/v3{NAME}/pulls", status(201, json.dumps(variant)))
        created = forge.create_pull_request("b/one", "main", PullRequestContent("Title", "Body"))
        assert created.number == made.number


def test_every_comment_is_read(
    standin: GitHubStandIn, site: Repository, forge: GitHubForge
) -> None:
    number = proposed(forge, site).number
    forge.upsert_comment(number, "conflict", "First")
    comments = f"{NAME}/issues/{number}/comments"
    (comment,) = answer_of(standin, comments)
    for variant in variants("issue-comment", comment):
        standin.faults.add(f"GET /api/v3{comments}", status(200, json.dumps([variant])))
        forge.upsert_comment(number, "conflict", "First")
        standin.faults.clear()


def test_every_repository_is_read(
    standin: GitHubStandIn, site: Repository, forge: GitHubForge
) -> None:
    answer = answer_of(standin, NAME)
    for variant in variants("full-repository", answer):
        standin.faults.add(f"GET /api/v3{NAME}", status(200, json.dumps(variant)), times=2)
        assert forge.check_access(statuses=True)
        standin.faults.clear()


def test_every_delivery_is_read(
    standin: GitHubStandIn, site: Repository, forge: GitHubForge
) -> None:
    made = proposed(forge, site)
    one = answer_of(standin, f"{NAME}/pulls/{made.number}")
    for variant in variants("pull-request", one):
        for action in ("opened", "synchronize", "closed"):
            payload = {
                "action": action,
                "number": made.number,
                "repository": {"full_name": "acme/support-bot"},
                "pull_request": variant,
            }
            headers = {"x-github-event": "pull_request"}
            event = github_webhooks.parse_webhook(headers, json.dumps(payload).encode())
            assert isinstance(event, PullRequestEvent)
            assert (event.number, event.head) == (made.number, made.head_branch)


def test_an_author_who_is_gone_is_nobody(
    standin: GitHubStandIn, site: Repository, forge: GitHubForge
) -> None:
    made = proposed(forge, site)
    one = answer_of(standin, f"{NAME}/pulls/{made.number}") | {"user": None}
    standin.faults.add(f"GET /api/v3{NAME}/pulls/", status(200, json.dumps(one)))

    found = forge.find_pull_request(made.number)

    assert found is not None
    assert found.author == ""
