"""What each side's refusals mean: what may pass by itself is tried again, what a person has to mend
is not. One table for each adapter, and one for git's messages."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from bridge.errors import (
    AlreadyExistsError,
    BridgeError,
    DraftsUnavailableError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    StaleStateError,
    TransientRefusalError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.forge.forge import GitRemote
from bridge.forge.github_errors import GitHubErrorResponse, GitHubRequestAttempt, build_error
from bridge.forge.gitlab_errors import build_refusal_error
from bridge.repo.git_errors import translate_git_error, translate_push_error

FORGES = Path(__file__).parents[3] / "shared/forges"
READ = GitHubRequestAttempt("github:acme/bot", "read it", "more", "forges.github.token")
AFTER_PUSH = GitHubRequestAttempt(
    "github:acme/bot", "open one", "more", "forges.github.token", after_push=True
)
AFTER_MINT = GitHubRequestAttempt(
    "github:acme/bot", "read it", "more", "forges.github.app_id", after_mint=True
)
REMOTE = GitRemote("https://git.example/acme/bot.git", "bridge", "secret")

# Every status that the official description has for what the adapter asks.
BY_STATUS: dict[int, type[BridgeError]] = {
    301: RequestRefusedError,
    307: RequestRefusedError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    406: RequestRefusedError,
    409: RequestRefusedError,
    410: NotFoundError,
    422: RequestRefusedError,
    500: UnavailableError,
    503: UnavailableError,
}
ASKED = (
    ("/app/installations/{installation_id}/access_tokens", "post"),
    ("/repos/{owner}/{repo}", "get"),
    ("/repos/{owner}/{repo}/commits/{commit_sha}/pulls", "get"),
    ("/repos/{owner}/{repo}/installation", "get"),
    ("/repos/{owner}/{repo}/issues/{issue_number}", "patch"),
    ("/repos/{owner}/{repo}/issues/{issue_number}/assignees", "post"),
    ("/repos/{owner}/{repo}/issues/{issue_number}/comments", "get"),
    ("/repos/{owner}/{repo}/issues/{issue_number}/comments", "post"),
    ("/repos/{owner}/{repo}/issues/{issue_number}/labels", "post"),
    ("/repos/{owner}/{repo}/pulls", "get"),
    ("/repos/{owner}/{repo}/pulls", "post"),
    ("/repos/{owner}/{repo}/pulls/{pull_number}", "get"),
    ("/repos/{owner}/{repo}/pulls/{pull_number}", "patch"),
    ("/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers", "post"),
    ("/repos/{owner}/{repo}/statuses/{sha}", "post"),
    ("/user", "get"),
)


def test_every_status_of_the_official_description_has_its_error() -> None:
    if not (FORGES / "github-openapi.json").exists():
        pytest.skip("the official description is not at hand")
    paths = json.loads((FORGES / "github-openapi.json").read_text())["paths"]
    codes = {
        int(code)
        for path, method in ASKED
        for code in paths[path][method]["responses"]
        if int(code) >= 300 and code != "304"  # which answers a question that is never asked
    }

    assert codes <= BY_STATUS.keys()
    for code in codes:
        error = build_error(GitHubErrorResponse(code, {"message": "No"}), READ, 0.0)
        assert type(error) is BY_STATUS[code], code


def validation(**about: str) -> dict[str, object]:
    return {"message": "Validation Failed", "errors": [about]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (validation(resource="PullRequest", field="head", code="invalid"), TransientRefusalError),
        (validation(message="No commits between main and b/one"), TransientRefusalError),
        ({"message": "Something new"}, TransientRefusalError),
        (None, TransientRefusalError),
        (validation(message="A pull request already exists for acme:b/one."), AlreadyExistsError),
        (
            {"message": "Draft pull requests are not supported in this repository."},
            DraftsUnavailableError,
        ),
        (validation(message="body is too long (maximum is 65536 characters)"), RequestRefusedError),
        (validation(resource="Issue", field="title", code="missing_field"), RequestRefusedError),
        ({"message": "Repository was archived so is read-only."}, RequestRefusedError),
    ],
)
def test_right_after_a_push_github_refuses_for_good_only_what_is_known(
    body: object, kind: type[BridgeError]
) -> None:
    assert type(build_error(GitHubErrorResponse(422, body), AFTER_PUSH, 0.0)) is kind
    later = build_error(GitHubErrorResponse(422, body), READ, 0.0)
    assert type(later) is (RequestRefusedError if kind is TransientRefusalError else kind)


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_token_that_was_just_minted_may_not_be_known_yet(code: int) -> None:
    answer = GitHubErrorResponse(code, {"message": "Bad credentials"})

    assert type(build_error(answer, AFTER_MINT, 0.0)) is TransientRefusalError
    assert type(build_error(answer, READ, 0.0)) is BY_STATUS[code]


def test_a_rate_limit_stays_one_right_after_a_push() -> None:
    limited = GitHubErrorResponse(429, {"message": "Slow down"}, {"retry-after": "7"})
    for attempt in (READ, AFTER_PUSH, AFTER_MINT):
        assert type(build_error(limited, attempt, 0.0)) is RateLimitedError


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, 'Source branch "b" does not exist', TransientRefusalError),
        (400, "source_branch does not exist", TransientRefusalError),
        (409, "409 Conflict: resource lock", TransientRefusalError),
        (422, "Something new", TransientRefusalError),
        (400, "", TransientRefusalError),
        (
            409,
            "Another open merge request already exists for this source branch: !1",
            AlreadyExistsError,
        ),
        (400, "title is missing", RequestRefusedError),
        (422, "Title is too long (maximum is 255 characters)", RequestRefusedError),
        (422, "You can't use same project/branch for source and target", RequestRefusedError),
        (403, "403 Forbidden", ForbiddenError),
        (500, "500 Internal Server Error", UnavailableError),
    ],
)
def test_right_after_a_push_gitlab_refuses_for_good_only_what_is_known(
    status: int, message: str, kind: type[BridgeError]
) -> None:
    body = json.dumps({"message": [message]}).encode()

    assert type(build_refusal_error("could not open", status, body, after_push=True)) is kind


PASSING = [
    "(failure)",
    "remote: Internal Server Error",
    "remote: GitLab: Internal API unreachable",
    "remote: Deadline Exceeded",
    "remote: fatal error in commit_refs",
    "remote: GitLab: You can't push to a read-only GitLab instance.",
    "remote: error: unable to migrate objects to permanent storage",
    "remote: This repository is currently read-only, please try again later.",
    "remote: 502 Bad Gateway",
]
RULES = [
    "remote: error: GH006: Protected branch update failed for refs/heads/b.",
    "remote: error: GH013: Repository rule violations found for refs/heads/b.",
    "remote: GitLab: You are not allowed to push code to protected branches on this project.",
    "remote: GitLab: Commit message does not follow the pattern '^[A-Z]+-[0-9]+ '",
    "remote: GitLab: Author 'ada@example.com' is not a member of team",
    "remote: This repository was archived so it is read-only.",
    "remote: error: File big.bin is 120.00 MB; this exceeds the file size limit",
]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        *((each, UnavailableError) for each in PASSING),
        *((each, RequestRefusedError) for each in RULES),
        ("remote: quux", TransientRefusalError),
    ],
)
def test_a_push_is_refused_for_good_only_because_of_a_rule(
    said: str, kind: type[BridgeError]
) -> None:
    reason = said if said.startswith("(") else "(pre-receive hook declined)"
    if kind is TransientRefusalError:
        reason = "(quux)"
    output = f"!\tabc:refs/heads/b\t[remote rejected] {reason}\nDone"
    complaint = "" if said.startswith("(") else f"{said}\nerror: failed to push some refs"

    assert type(translate_push_error(output, complaint, "b", REMOTE)) is kind


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ("fatal: unable to access 'x': The requested URL returned error: 503", UnavailableError),
        ("fatal: remote error: Internal Server Error", UnavailableError),
        ("fatal: remote error: GitLab: Internal API unreachable", UnavailableError),
        ("fatal: unable to access 'x': The requested URL returned error: 401", UnauthorizedError),
        ("fatal: unable to access 'x': The requested URL returned error: 403", ForbiddenError),
        ("remote: Write access to repository not granted.", ForbiddenError),
        ("remote: Repository not found.", NotFoundError),
        ("fatal: the remote end: not our ref 1234", StaleStateError),
        ("error: Server does not allow request for unadvertised object abc", TransientRefusalError),
        (f"fatal: remote error: want {'a' * 40} not valid", TransientRefusalError),
        ("fatal: mismatched algorithms: client sha1; server sha256", RequestRefusedError),
    ],
)
def test_each_complaint_of_git_has_its_error(complaint: str, kind: type[BridgeError]) -> None:
    assert type(translate_git_error(complaint, REMOTE)) is kind


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_minted_credential_that_git_is_refused_is_made_anew(code: int) -> None:
    refused: list[int] = []

    def renew(status: int) -> bool:
        refused.append(status)
        return True

    minted = GitRemote(REMOTE.url, "bridge", "old", renew=renew)
    complaint = f"fatal: unable to access 'x': The requested URL returned error: {code}"

    error = translate_git_error(complaint, minted)

    assert type(error) is TransientRefusalError
    assert "new credential" in str(error)
    assert refused == [code]


_PROMISE = re.compile(r"(tried|tries|looked at|looks) again|again by itself|again later", re.I)
_EDGES = ("forge", "network", "promptlayer", "repo", "storage")


def find_promises(source: str) -> list[str]:
    """The texts of a module that promise another attempt, without its docstrings."""
    tree = ast.parse(source)
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {id(value) for value in statements}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings and _PROMISE.search(node.value)
    ]


def test_no_error_of_the_edges_promises_another_attempt() -> None:
    """A command that ends makes none: who shows the error says whether and when one follows."""
    assert find_promises('raise Error(f"{what} failed. It is tried again later.")')
    bridge = Path(__file__).parents[2] / "bridge"
    modules = [path for edge in _EDGES for path in (bridge / edge).rglob("*.py")]

    found = {path.name: find_promises(path.read_text("utf-8")) for path in modules}

    assert len(modules) > 40
    assert {name: texts for name, texts in found.items() if texts} == {
        "group_commit.py": [" deliveries are waiting for the disk. Send it again later."],
    }
