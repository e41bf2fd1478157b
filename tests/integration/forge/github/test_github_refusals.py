"""GitHub's refusals and a credential's shortcomings, in words a person can act on."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from bridge.errors import (
    BridgeError,
    ForbiddenError,
    RateLimitedError,
    RequestRefusedError,
)
from bridge.forge.forge import AccessFinding, AccessFindingSeverity
from bridge.forge.github import GitHubApp, GitHubForge, GitHubToken
from bridge.forge.github_errors import GitHubErrorResponse, GitHubRequestAttempt, build_error
from tests.integration.forge.github.setting import (
    APP,
    CONTENT,
    Clock,
    connected,
    private_key,
    proposed,
)
from tests.standins.fault_injection import status
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository

ATTEMPT = GitHubRequestAttempt(
    "github:acme/support-bot", "open a pull request", "more", "forges.github.token"
)


# Refusals, in GitHub's words.


def test_the_primary_rate_limit_waits_for_its_reset(
    standin: GitHubStandIn, forge: GitHubForge, clock: Clock
) -> None:
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(clock.seconds) + 90)}
    message = {"message": "API rate limit exceeded for user ID 1."}
    for code in (403, 429):
        standin.faults.add("/api/v3/", status(code, message, spent))
        with pytest.raises(RateLimitedError, match="in 90 seconds") as limited:
            forge.find_default_branch()
        assert limited.value.retry_after == 90


@pytest.mark.parametrize(("headers", "pause"), [({}, 60), ({"Retry-After": "17"}, 17)])
@pytest.mark.parametrize("code", [403, 429])
def test_the_secondary_rate_limit_waits_as_asked(
    code: int, headers: dict[str, str], pause: float, standin: GitHubStandIn, forge: GitHubForge
) -> None:
    message = {"message": "You have exceeded a secondary rate limit. Please retry your request."}
    standin.faults.add("/api/v3/", status(code, message, headers))
    with pytest.raises(RateLimitedError, match="secondary") as limited:
        forge.find_default_branch()
    assert limited.value.retry_after == pause
    assert standin.calls == 1  # PyGithub did not try again by itself


def test_a_missing_permission_is_named_as_the_settings_page_names_it(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    reading = {"contents": "read", "pull_requests": "read", "metadata": "read"}
    standin.install_app(APP, "acme", reading)
    for auth in (GitHubToken(standin.token(permissions=reading)), GitHubApp(APP, private_key()[0])):
        forge = connected(standin, auth, clock)
        forge.find_default_branch()
        clock.seconds += 60  # an App's token is known everywhere by now
        with pytest.raises(
            ForbiddenError, match=r"Resource not accessible.*“Pull requests: write”"
        ):
            proposed(forge, site)


def test_a_draft_state_that_may_not_be_changed_is_forbidden(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    made = proposed(forge, site)
    refusal = {"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}
    standin.faults.add("POST /api/graphql", status(200, refusal))
    with pytest.raises(ForbiddenError, match="Resource not accessible"):
        forge.update_pull_request(made, replace(CONTENT, draft=True))


def test_a_plan_without_drafts_refuses_them(forge: GitHubForge, site: Repository) -> None:
    site.drafts = False
    with pytest.raises(RequestRefusedError, match="Draft pull requests are not supported"):
        proposed(forge, site, replace(CONTENT, draft=True))


@pytest.mark.parametrize(
    ("accepted", "named"),
    [
        ("contents=write", "“Contents: write”"),
        ("pull_requests=write,contents=read", "“Pull requests: write” and “Contents: read”"),
        ("issues=write; pull_requests=write", "“Issues: write” or “Pull requests: write”"),
    ],
)
def test_accepted_permissions_are_translated(accepted: str, named: str) -> None:
    headers = {"x-accepted-github-permissions": accepted}
    error = build_error(GitHubErrorResponse(403, {"message": "No"}, headers), ATTEMPT, 0.0)
    assert named in str(error)


def test_a_page_of_a_proxy_never_reaches_a_message(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    page = "<html><body>Corporate proxy</body></html>"
    for code in (200, 403, 404, 407, 502):
        for ask in (forge.find_default_branch, lambda: forge.list_pull_requests("b/one")):
            standin.faults.add("/api/v3/", status(code, page))
            with pytest.raises(BridgeError) as told:
                ask()
            assert "proxy" not in str(told.value)
            assert told.value.__suppress_context__


def test_no_token_is_ever_told(
    standin: GitHubStandIn, site: Repository, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    standin.install_app(APP, "acme")
    for auth in (GitHubToken(standin.token()), GitHubApp(APP, private_key()[0])):
        forge = connected(standin, auth, clock)
        told = [
            repr(auth),
            repr(forge),
            repr(forge.create_git_remote()),
            forge.create_git_remote().url,
        ]
        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="github"):
            for code in (401, 403, 404, 422, 500):
                standin.faults.add("GET /api/v3/repos/acme/support-bot", status(code, b"{}"))
                with pytest.raises(BridgeError) as refused:
                    forge.find_default_branch()
                told.append(str(refused.value))
            connected(standin, auth, clock).create_git_remote()
        secrets = [*standin.credentials, private_key()[0]]
        assert not [s for s in secrets if s in caplog.text or s in "\n".join(told)]


# Access.


def problems(findings: object) -> str:
    assert isinstance(findings, list)
    assert all(isinstance(finding, AccessFinding) for finding in findings)
    return "\n".join(
        found.message for found in findings if found.severity is AccessFindingSeverity.PROBLEM
    )


def test_a_sufficient_credential_has_no_problem(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    fine = standin.token(permissions={"contents": "write", "pull_requests": "write"})
    for auth in (GitHubToken(standin.token()), GitHubToken(fine), GitHubApp(APP, private_key()[0])):
        assert problems(connected(standin, auth, clock).check_access()) == ""


def test_what_an_app_lacks_is_named(standin: GitHubStandIn, site: Repository, clock: Clock) -> None:
    standin.install_app(APP, "acme", {"contents": "read", "metadata": "read"})
    told = problems(connected(standin, GitHubApp(APP, private_key()[0]), clock).check_access())
    assert "“Contents: write” and “Pull requests: write”" in told


def test_commit_statuses_are_asked_about_where_they_are_needed(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(
        APP, "acme", {"contents": "write", "pull_requests": "write", "metadata": "read"}
    )
    app = connected(standin, GitHubApp(APP, private_key()[0]), clock)
    fine = connected(standin, GitHubToken(standin.token(permissions={"contents": "write"})), clock)

    assert "lacks “Commit statuses: write”:" in problems(app.check_access(statuses=True))
    assert problems(app.check_access()) == ""
    hints = [finding.message for finding in fine.check_access(statuses=True)]
    assert any("“Pull requests: write” and “Commit statuses: write”" in hint for hint in hints)


def test_what_a_token_lacks_is_named(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    site.archived = True
    without_scope = connected(standin, GitHubToken(standin.token(scopes="gist")), clock)
    assert "cannot see that repository" in problems(without_scope.check_access())
    reader = connected(standin, GitHubToken(standin.token("guest", may_push=False)), clock)
    told = problems(reader.check_access())
    assert "role Write" in told
    assert "archived" in told
    revoked = connected(standin, GitHubToken("ghp_gone"), clock)
    assert "forges.github.token" in problems(revoked.check_access())
