"""The GitHub stand-in against GitHub's official description and recorded traffic."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bridge.sandbox.local_http_client import create_local_client
from tests.standins.fault_injection import after_the_work, cut, dead, slow, status, time_out
from tests.standins.git_http import git, read_file
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository

FORGES = Path(__file__).parents[4] / "shared" / "forges"
REPO = "/repos/{owner}/{repo}"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubStandIn]:
    with GitHubStandIn(tmp_path).serving() as standin:
        yield standin


@pytest.fixture
def site(github: GitHubStandIn) -> Repository:
    return github.repository("acme/support-bot", {"README.md": b"Hello\n"})


@pytest.fixture
def client(github: GitHubStandIn) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"token {github.token('bot')}"}
    with create_local_client(base_url=github.url, headers=headers) as client:
        yield client


@cache
def shared(name: str) -> Any:
    if not (FORGES / name).exists():
        pytest.skip(f"{name} is not at hand")
    return json.loads((FORGES / name).read_text())


def as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says ``nullable`` where JSON Schema offers null as another type."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: as_json_schema(value) for key, value in node.items() if key != "nullable"}
    if isinstance(plain.get("$ref"), str):
        plain["$ref"] = "urn:github" + plain["$ref"]
    return {"anyOf": [{"type": "null"}, plain]} if node.get("nullable") is True else plain


@cache
def official() -> tuple[Any, Registry[Any]]:
    description = as_json_schema(shared("github-openapi.json"))
    resource = Resource.from_contents(description, default_specification=DRAFT202012)
    return description, Registry().with_resource("urn:github", resource)


def assert_official(response: httpx2.Response, path: str) -> None:
    """The answer is one that the official description has for this method, path and status."""
    description, registry = official()
    answers = description["paths"][path][response.request.method.lower()]["responses"]
    answer = answers[str(response.status_code)]
    if "$ref" in answer:
        answer = description["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer["content"]["application/json"]["schema"]
    validator = Draft202012Validator(schema, registry=registry)
    assert [error.message for error in validator.iter_errors(response.json())] == []


def open_pull(client: httpx2.Client, site: Repository, branch: str = "b/one") -> httpx2.Response:
    site.push(branch, {"a.txt": branch.encode()})
    body = {"head": branch, "base": "main", "title": "Title", "body": "Body", "draft": True}
    return client.post("/repos/acme/support-bot/pulls", json=body)


def test_every_answer_is_one_of_the_official_description(
    site: Repository, client: httpx2.Client
) -> None:
    opened = open_pull(client, site)
    assert opened.status_code == 201
    assert_official(opened, f"{REPO}/pulls")
    at = "/repos/acme/support-bot"
    people = {"labels": ["prompt"], "assignees": ["bob"]}
    reviews = {"reviewers": ["alice"], "team_reviewers": ["writers"]}
    asked = [
        (client.patch(f"{at}/issues/1", json=people), f"{REPO}/issues/{{issue_number}}"),
        (
            client.post(f"{at}/pulls/1/requested_reviewers", json=reviews),
            f"{REPO}/pulls/{{pull_number}}/requested_reviewers",
        ),
        (
            client.post(f"{at}/issues/1/labels", json={"labels": ["more"]}),
            f"{REPO}/issues/{{issue_number}}/labels",
        ),
        (
            client.post(f"{at}/issues/1/assignees", json={"assignees": ["nobody"]}),
            f"{REPO}/issues/{{issue_number}}/assignees",
        ),
        (
            client.post(f"{at}/issues/1/comments", json={"body": "Hello"}),
            f"{REPO}/issues/{{issue_number}}/comments",
        ),
        (client.get(f"{at}/issues/1/comments"), f"{REPO}/issues/{{issue_number}}/comments"),
        (
            client.patch(f"{at}/issues/comments/1001", json={"body": "Bye"}),
            f"{REPO}/issues/comments/{{comment_id}}",
        ),
        (client.get(at), REPO),
        (client.get(f"{at}/pulls"), f"{REPO}/pulls"),
        (client.get(f"{at}/pulls/1"), f"{REPO}/pulls/{{pull_number}}"),
        (client.patch(f"{at}/pulls/1", json={"title": "New"}), f"{REPO}/pulls/{{pull_number}}"),
        (
            client.post(f"{at}/statuses/{site.branches()['main']}", json={"state": "pending"}),
            f"{REPO}/statuses/{{sha}}",
        ),
        (
            client.get(f"{at}/commits/{site.branches()['b/one']}/pulls"),
            f"{REPO}/commits/{{commit_sha}}/pulls",
        ),
        (client.get("/user"), "/user"),
        (client.get("/rate_limit"), "/rate_limit"),
    ]
    for response, path in asked:
        assert response.is_success, response.text
        assert_official(response, path)


def test_refusals_are_those_of_the_official_description(
    github: GitHubStandIn, site: Repository, client: httpx2.Client
) -> None:
    open_pull(client, site)
    pulls = "/repos/acme/support-bot/pulls"
    guest = {"Authorization": f"token {github.token('guest', may_push=False)}"}
    missing = {"head": "not/there", "base": "main", "title": "Title"}
    refused = [
        (open_pull(client, site), 422, f"{REPO}/pulls"),
        (client.post(pulls, json=missing), 422, f"{REPO}/pulls"),
        (client.get(f"{pulls}/99"), 404, f"{REPO}/pulls/{{pull_number}}"),
        (client.get("/repos/acme/other"), 404, REPO),
        (client.post(pulls, json=missing, headers=guest), 403, f"{REPO}/pulls"),
        (client.get("/user", headers={"Authorization": "token wrong"}), 401, "/user"),
    ]
    for response, code, path in refused:
        assert response.status_code == code, response.text
        assert_official(response, path)


RECORDED = {
    ("POST", "/pulls"): ("test_pr_create_upstream_upstream", 201),
    ("PATCH", "/pulls/1"): ("test_update_pr_info", 200),
    ("GET", "/pulls?state=open"): ("test_pr_create_upstream_upstream", 200),
    ("GET", ""): ("test_pr_close", 200),
}
USED = {
    "pull": [
        "number html_url url node_id state title body draft merged_at labels assignees",
        "requested_reviewers requested_teams head.ref head.sha head.repo.id head.label base.ref",
        "base.repo.id base.repo.full_name user.login",
    ],
    "repository": ["default_branch archived private permissions.push url full_name"],
}


def recorded(method: str, path: str, code: int) -> Any:
    wanted = "https://api.github.com:443/repos/user-12/hello-world" + path.partition("?")[0]
    for exchange in shared("github-recorded.json"):
        url = exchange["url"].partition("?")[0]
        ours = url.rstrip("0123456789") == wanted.rstrip("0123456789")
        if ours and (exchange["method"], exchange["status"]) == (method, code):
            return exchange["body"]
    raise AssertionError(f"{method} {path} was not recorded")


def kinds(body: Any, used: list[str]) -> dict[str, str]:
    found = {}
    for field in " ".join(used).split():
        value = body
        for part in field.split("."):
            value = value[part]
        found[field] = type(value).__name__
    return found


@pytest.mark.parametrize(("method", "path"), RECORDED)
def test_answers_have_the_fields_and_types_of_the_recorded_traffic(
    method: str, path: str, site: Repository, client: httpx2.Client
) -> None:
    theirs = recorded(method, path, RECORDED[method, path][1])
    ours = open_pull(client, site).json()
    if method != "POST":
        ours = client.request(method, f"/repos/acme/support-bot{path}", json={}).json()
    if isinstance(theirs, list):
        theirs, ours = theirs[0], ours[0]
    used = USED["pull" if "pulls" in path else "repository"]
    assert kinds(ours, used) == kinds(theirs, used)
    if "pulls" in path:
        assert set(theirs) <= set(ours)


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_merging_really_merges(how: str, site: Repository, client: httpx2.Client) -> None:
    open_pull(client, site)
    site.push("main", {"other.txt": b"meanwhile\n"})
    client.patch("/repos/acme/support-bot/pulls/1", json={"title": "Now ready"})
    site.pull(1).draft = False

    merged = client.put("/repos/acme/support-bot/pulls/1/merge", json={"merge_method": how})

    assert merged.json()["merged"] is True
    assert_official(merged, f"{REPO}/pulls/{{pull_number}}/merge")
    assert read_file(site.path, "main", "a.txt") == b"b/one"
    assert read_file(site.path, "main", "other.txt") == b"meanwhile\n"
    parents = git(site.path, "rev-list", "--parents", "-1", "main").split()[1:]
    assert len(parents) == (2 if how == "merge" else 1)


def test_a_conflict_cannot_be_merged(site: Repository, client: httpx2.Client) -> None:
    open_pull(client, site)
    site.pull(1).draft = False
    site.push("main", {"a.txt": b"something else"})

    refused = client.put("/repos/acme/support-bot/pulls/1/merge", json={})

    assert refused.status_code == 405
    assert site.pull(1).state == "open"


def test_a_pull_request_follows_its_branch_and_closes_with_it(
    site: Repository, client: httpx2.Client
) -> None:
    open_pull(client, site)
    newer = site.push("b/one", {"a.txt": b"newer"})
    assert client.get("/repos/acme/support-bot/pulls/1").json()["head"]["sha"] == newer
    site.delete_branch("b/one")
    assert client.get("/repos/acme/support-bot/pulls/1").json()["state"] == "closed"


def test_lists_come_in_pages_with_links(
    github: GitHubStandIn, site: Repository, client: httpx2.Client
) -> None:
    github.page_cap = 20
    site.open_many(45)
    numbers, url = [], "/repos/acme/support-bot/pulls?per_page=100"
    while url:
        page = client.get(url)
        numbers.append([pull["number"] for pull in page.json()])
        url = page.links.get("next", {}).get("url", "")
    assert [len(page) for page in numbers] == [20, 20, 5]
    assert numbers[0][0] == 45


def test_git_needs_a_credential_and_pushes_with_it(
    github: GitHubStandIn, site: Repository, tmp_path: Path
) -> None:
    address = github.url.replace("http://", f"http://x:{github.token('bot')}@")
    url = f"{address}/acme/support-bot.git"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--filter=blob:none", url, "clone")
    (tmp_path / "clone" / "big.txt").write_bytes(b"x" * 2_000_000)
    git(tmp_path / "clone", "add", ".")
    git(tmp_path / "clone", "commit", "--quiet", "--message=Big")
    git(tmp_path / "clone", "push", "--quiet", "origin", "HEAD:big")
    assert len(read_file(site.path, "big", "big.txt")) == 2_000_000

    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path, "ls-remote", f"{github.url}/acme/support-bot.git")
    assert github.calls == 0


def app_token(key: rsa.RSAPrivateKey, app_id: int) -> str:
    now = int(datetime.now(UTC).timestamp())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return jwt.encode({"iat": now, "exp": now + 300, "iss": str(app_id)}, pem, "RS256")


def test_an_app_mints_tokens_that_expire(github: GitHubStandIn, site: Repository) -> None:
    key, stranger = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    github.register_app(7, public.decode())
    installation = github.install_app(7, "acme")
    tokens = f"{github.url}/app/installations/{installation.id}/access_tokens"

    forged = {"Authorization": f"Bearer {app_token(stranger, 7)}"}
    assert httpx2.post(tokens, headers=forged).status_code == 401

    signed = {"Authorization": f"Bearer {app_token(key, 7)}"}
    found = httpx2.get(f"{github.url}/repos/acme/support-bot/installation", headers=signed)
    assert_official(found, f"{REPO}/installation")
    minted = httpx2.post(tokens, headers=signed)
    assert_official(minted, "/app/installations/{installation_id}/access_tokens")

    bearer = {"Authorization": f"token {minted.json()['token']}"}
    repository = f"{github.url}/repos/acme/support-bot"
    assert httpx2.get(repository, headers=bearer).status_code == 200
    github.now = lambda: datetime.now(UTC) + timedelta(hours=2)
    assert httpx2.get(repository, headers=bearer).status_code == 401


def test_drafts_are_changed_by_graphql(site: Repository, client: httpx2.Client) -> None:
    node = open_pull(client, site).json()["node_id"]
    mutation = "mutation M($input: X!) { markPullRequestReadyForReview(input: $input) { x } }"
    body = {"query": mutation, "variables": {"input": {"pullRequestId": node}}}
    client.post("/graphql", json=body)
    assert not site.pull(1).draft
    body["query"] = "mutation { deleteEverything(input: $input) { x } }"
    assert client.post("/graphql", json=body).json()["errors"]


def test_faults_happen_as_often_as_asked_and_requests_are_written_down(
    github: GitHubStandIn, site: Repository, client: httpx2.Client
) -> None:
    github.faults.add("GET /user", status(502, "Bad gateway"), times=2)
    assert [client.get("/user").status_code for _ in range(3)] == [502, 502, 200]
    for fault, error in (
        (cut(), httpx2.RemoteProtocolError),
        (dead(), httpx2.RemoteProtocolError),
        (time_out(), httpx2.ReadTimeout),
    ):
        github.faults.add(lambda _method, path: path == "/user", fault)
        with pytest.raises(error):
            client.get("/user", timeout=0.5)
    github.faults.add("/user", slow(chunk=100))
    assert client.get("/user").json()["login"] == "bot"
    assert github.calls == 7
    assert github.faults.requests[0].path == "/user"


def test_a_fault_may_come_after_the_work(
    github: GitHubStandIn, site: Repository, client: httpx2.Client
) -> None:
    github.faults.add("POST /repos/", after_the_work(dead()))
    with pytest.raises(httpx2.RemoteProtocolError):
        open_pull(client, site)
    assert site.pull(1).title == "Title"

    github.faults.add("POST /repos/", after_the_work(status(502)))
    assert open_pull(client, site, "b/two").status_code == 502
    assert site.pull(2).head == "b/two"
    assert github.faults.requests[0].json["title"] == "Title"
