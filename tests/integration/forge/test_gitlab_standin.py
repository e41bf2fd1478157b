"""The GitLab stand-in answers as GitLab was recorded to, and does with git what GitLab does."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.sandbox.local_http_client import create_local_client
from tests.standins.git_http import (
    GIT_ENVIRONMENT,
    commit_files,
    delete_branch,
    find_commit,
    git,
    read_file,
)
from tests.standins.gitlab import READ_ONLY_TOKEN, TOKEN, GitLabStandIn
from tests.standins.gitlab_project import Project, Refusal
from tests.standins.serve_app import serve

RECORDED = Path(__file__).parents[4] / "shared/forges/gitlab-recorded.json"
PROJECT = "acme/bots/support"
LATER_FIELDS = {"draft", "reviewers", "detailed_merge_status"}  # came after the recording


@pytest.fixture
def standin(tmp_path: Path) -> GitLabStandIn:
    return GitLabStandIn(tmp_path, page_limit=20)


@pytest.fixture
def project(standin: GitLabStandIn) -> Project:
    return standin.repository(PROJECT, {"README.md": b"Prompts.\n", "reply.yaml": b"old\n"})


@pytest.fixture
def url(standin: GitLabStandIn, project: Project) -> Iterator[str]:
    with serve(standin.app) as url:
        yield url


@pytest.fixture
def api(url: str) -> Iterator[httpx2.Client]:
    headers = {"PRIVATE-TOKEN": TOKEN}
    with create_local_client(base_url=f"{url}/api/v4", headers=headers) as api:
        yield api


def requests_here() -> dict[str, tuple[str, str, Mapping[str, Any]]]:
    """What to ask the stand-in, by what was asked when GitLab was recorded."""
    here = "/projects/acme%2Fbots%2Fsupport"
    branches = {"source_branch": "other", "target_branch": "main"}
    return {
        "GET /user": ("GET", "/user", {}),
        "GET /projects/_": ("GET", here, {}),
        "GET /projects/_/merge_requests": ("GET", f"{here}/merge_requests", {}),
        "GET /projects/_/merge_requests/_": ("GET", f"{here}/merge_requests/1", {}),
        "POST /projects/_/merge_requests": (
            "POST",
            f"{here}/merge_requests",
            {"title": "Other", "description": "", **branches},
        ),
        "PUT /projects/_/merge_requests/_": (
            "PUT",
            f"{here}/merge_requests/1",
            {"state_event": "close"},
        ),
        "404": ("GET", f"{here}/merge_requests/4711", {}),
    }


def recorded(kind: str) -> list[Any]:
    """The bodies GitLab answered with, one recorded object each."""
    if not RECORDED.exists():
        pytest.skip("the recorded traffic is not at hand")
    bodies: list[Any] = []
    for answer in json.loads(RECORDED.read_text()):
        path = answer["url"].split("/api/v4")[1].partition("?")[0]
        path = re.sub(r"(?<=projects/)[^/]+|(?<=requests/)\d+", "_", path)
        name = "404" if answer["status"] == 404 else f"{answer['method']} {path}"
        if name == kind:
            bodies += answer["body"] if isinstance(answer["body"], list) else [answer["body"]]
    return [body for body in bodies if not is_from_fork(body)]


def is_from_fork(body: Mapping[str, Any]) -> bool:
    return body.get("source_project_id") != body.get("target_project_id")


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Fields that GitLab has and we lack, and those of another type."""
    if ours is None or theirs is None:
        return []
    if type(ours) is not type(theirs):
        return [f"{where}: {type(ours).__name__} for {type(theirs).__name__}"]
    if isinstance(theirs, dict):
        missing = [f"{where}.{name} is missing" for name in theirs.keys() - ours.keys()]
        shared = theirs.keys() & ours.keys()
        inner = [differences(ours[name], theirs[name], f"{where}.{name}") for name in shared]
        return missing + [each for found in inner for each in found]
    if isinstance(theirs, list) and ours:
        return [each for item in theirs for each in differences(ours[0], item, f"{where}[]")]
    return []


@pytest.mark.parametrize("kind", requests_here())
def test_an_answer_has_the_fields_and_types_that_gitlab_was_recorded_with(
    kind: str, api: httpx2.Client, project: Project
) -> None:
    theirs = recorded(kind)
    for branch in ("ours", "other"):
        commit_files(project.directory, branch, {"reply.yaml": branch.encode()})
    project.open("ours", "main", "Ours", description="d", labels=["prompt"], reviewer_ids=[2])
    method, path, fields = requests_here()[kind]

    answer = api.request(method, path, json=fields or None)

    assert answer.is_success == (kind != "404"), answer.text
    ours = answer.json()[0] if isinstance(answer.json(), list) else answer.json()
    assert theirs
    assert [found for body in theirs for found in differences(ours, body)] == []
    assert ours.keys() - {name for body in theirs for name in body} <= LATER_FIELDS


def test_a_path_with_plain_slashes_is_no_project(api: httpx2.Client) -> None:
    assert api.get(f"/projects/{PROJECT}").status_code == 404
    assert api.get("/projects/acme%2Fbots%2Fsupport").status_code == 200


def test_a_project_is_found_by_its_number_too(api: httpx2.Client, project: Project) -> None:
    assert api.get(f"/projects/{project.id}").json()["path_with_namespace"] == PROJECT


def test_pages_are_small_and_lead_to_each_other(api: httpx2.Client, project: Project) -> None:
    commit = commit_files(project.directory, "b0", {"reply.yaml": b"new"})
    for number in range(45):
        git(project.directory, "update-ref", f"refs/heads/b{number}", commit)
        project.open(f"b{number}", "main", f"Change {number}")

    pages, following = [], f"/projects/{project.id}/merge_requests?per_page=100&state=opened"
    while following:
        pages.append(api.get(following))
        following = pages[-1].links.get("next", {}).get("url", "")

    assert [len(page.json()) for page in pages] == [20, 20, 5]
    assert [page.headers["X-Next-Page"] for page in pages] == ["2", "3", ""]
    assert pages[0].headers["X-Total-Pages"] == "3"
    assert [each["iid"] for page in pages for each in page.json()] == list(range(45, 0, -1))


def test_a_call_without_a_known_token_is_unauthorized(url: str) -> None:
    for headers in ({}, {"PRIVATE-TOKEN": "glpat-wrong"}):
        assert httpx2.get(f"{url}/api/v4/user", headers=headers).status_code == 401


def test_a_token_that_may_only_read_is_told_which_scope_it_lacks(
    api: httpx2.Client, project: Project
) -> None:
    headers = {"PRIVATE-TOKEN": READ_ONLY_TOKEN}
    path = f"/projects/{project.id}/merge_requests"

    assert api.get(path, headers=headers).status_code == 200
    refused = api.post(path, headers=headers, json={"title": "No"})

    assert refused.status_code == 403
    assert refused.json()["error"] == "insufficient_scope"
    assert refused.json()["scope"] == "api"


def test_answers_tell_the_rate_limit(api: httpx2.Client) -> None:
    assert int(api.get("/user").headers["RateLimit-Remaining"]) > 0


def test_two_open_ones_for_the_same_branches_are_a_conflict(project: Project) -> None:
    commit_files(project.directory, "reply", {"reply.yaml": b"new"})
    project.open("reply", "main", "First")

    with pytest.raises(Refusal) as refusal:
        project.open("reply", "main", "Second")

    assert refusal.value.status == 409
    assert refusal.value.body["message"] == [
        "Another open merge request already exists for this source branch: !1"
    ]


def test_a_deleted_branch_closes_what_was_open(project: Project) -> None:
    commit = commit_files(project.directory, "reply", {"reply.yaml": b"new"})
    project.open("reply", "main", "Change")

    delete_branch(project.directory, "reply")

    assert (project.find(1).state, project.find(1).sha) == ("closed", commit)


def test_commits_pushed_to_the_target_merge_what_was_open(project: Project) -> None:
    commit = commit_files(project.directory, "reply", {"reply.yaml": b"new"})
    project.open("reply", "main", "Change")

    git(project.directory, "update-ref", "refs/heads/main", commit)

    assert project.find(1).state == "merged"


@pytest.mark.parametrize(("how", "commits"), [("merge", 3), ("squash", 2), ("rebase", 2)])
def test_a_merge_really_happens_in_the_repository(project: Project, how: str, commits: int) -> None:
    commit_files(project.directory, "reply", {"reply.yaml": b"new"})
    commit_files(project.directory, "main", {"elsewhere.txt": b"moved on"})
    project.open("reply", "main", "Change")

    project.merge(1, how)

    assert project.find(1).state == "merged"
    assert read_file(project.directory, "main", "reply.yaml") == b"new"
    assert read_file(project.directory, "main", "elsewhere.txt") == b"moved on"
    assert int(git(project.directory, "rev-list", "--count", "main")) == 1 + commits


def test_a_draft_and_a_conflict_are_not_merged(project: Project) -> None:
    commit_files(project.directory, "reply", {"reply.yaml": b"theirs"})
    commit_files(project.directory, "main", {"reply.yaml": b"ours"})
    project.open("reply", "main", "Draft: Change")
    before = find_commit(project.directory, "main")

    with pytest.raises(Refusal, match="405"):
        project.merge(1)
    project.change(1, {"title": "Change"}, project.person)
    with pytest.raises(Refusal, match="cannot be merged"):
        project.merge(1)

    assert find_commit(project.directory, "main") == before


@pytest.mark.parametrize(
    ("token", "succeeds"), [(TOKEN, True), (READ_ONLY_TOKEN, False), ("glpat-wrong", False)]
)
def test_only_a_token_that_may_write_can_push(
    url: str, project: Project, token: str, succeeds: bool
) -> None:
    commit = commit_files(project.directory, "reply", {"reply.yaml": b"new"})
    address = url.replace("http://", f"http://oauth2:{token}@")

    pushed = subprocess.run(
        ["git", "push", f"{address}/{PROJECT}.git", f"{commit}:refs/heads/pushed"],
        cwd=project.directory,
        env=GIT_ENVIRONMENT | {"GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        check=False,
    )

    assert (pushed.returncode == 0) == succeeds, pushed.stderr
    assert (find_commit(project.directory, "pushed") == commit) == succeeds
