"""Servers that are not quite as they should be: moved, behind an alias, without drafts, odd."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import BridgeError, RequestRefusedError, TransientRefusalError, UnavailableError
from bridge.forge.draft_fallback import NOTE
from bridge.forge.ensure_pull_request import ensure_pull_request
from bridge.forge.forge import AccessFinding, AccessFindingSeverity, PullRequestState
from bridge.forge.github import GitHubApp, GitHubForge, GitHubToken
from bridge.sandbox.local_http_client import create_local_client
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

NAME = "/api/v3/repos/acme/support-bot"
DRAFT = replace(CONTENT, draft=True)


def problems(found: object) -> list[str]:
    assert isinstance(found, list)
    assert all(isinstance(each, AccessFinding) for each in found)
    return [each.message for each in found if each.severity is AccessFindingSeverity.PROBLEM]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_server_that_moved_is_named_and_not_followed(
    code: int, standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    place = {"Location": "https://git.acme.example/api/v3/repositories/1"}
    standin.faults.add(NAME, status(code, {"message": "Moved"}, place), times=9)

    with pytest.raises(RequestRefusedError, match=r"sent us to https://git\.acme\.example"):
        forge.find_default_branch()
    assert any("git.acme.example" in each for each in problems(forge.check_access()))


def test_an_alias_that_the_servers_links_do_not_use_is_found(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    alias = standin.url.replace("127.0.0.1", "localhost")
    forge = GitHubForge(
        "acme/support-bot",
        forge_name="github",
        url=alias,
        auth=GitHubToken(standin.token()),
        clock=clock,
    )
    own = standin.url.removeprefix("http://")
    standin.faults.add(f"GET {NAME}", status(200, json.dumps(shown(standin, NAME))))
    (problem,) = problems(forge.check_access())
    assert f"calls itself {own}" in problem

    proposed(connected(standin, GitHubToken(standin.token()), clock), site)
    page = json.dumps(shown(standin, f"{NAME}/pulls"))
    standin.faults.add(f"GET {NAME}/pulls", status(200, page, next_page(standin.url)), times=2)
    with pytest.raises(RequestRefusedError, match="link to another address") as told:
        forge.list_open_pull_requests("b/")
    assert "localhost" in str(told.value)


def shown(standin: GitHubStandIn, path: str) -> Any:
    """What the server shows under its own name."""
    headers = {"Authorization": f"token {standin.token('reader')}"}
    with create_local_client(base_url=standin.url, headers=headers) as client:
        return client.get(path).json()


def next_page(url: str) -> dict[str, str]:
    return {"Link": f'<{url}{NAME}/pulls?page=2>; rel="next"', "Content-Type": "application/json"}


@pytest.mark.parametrize("body", ["502", '"Bad gateway"', "[502]", "null", "true"])
@pytest.mark.parametrize("code", [502, 422, 404, 403, 200])
def test_json_that_is_no_object_is_an_error_of_ours(
    code: int, body: str, standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    number = proposed(forge, site).number
    as_json = {"Content-Type": "application/json"}
    asked = (
        forge.find_default_branch,
        lambda: forge.list_open_pull_requests("b/"),
        lambda: forge.find_pull_request(number),
        lambda: forge.upsert_comment(number, "conflict", "Look"),
    )
    for ask in asked:
        standin.faults.add("/api/v3/", status(code, body, as_json), times=9)
        if code == 200 and body == "null":
            standin.faults.clear()
            continue  # an empty list, as far as anybody can tell
        with pytest.raises(BridgeError):
            ask()
        standin.faults.clear()


def test_a_draft_that_the_plan_has_not_is_an_ordinary_pull_request_that_says_so(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    site.drafts = False
    site.push("b/one", {"a.txt": b"a"})

    made = ensure_pull_request(forge, None, "b/one", "main", DRAFT).pull_request

    assert (made.is_draft, made.state) == (False, PullRequestState.OPEN)
    assert made.body.startswith(NOTE)
    calls = standin.calls
    again = ensure_pull_request(forge, made, "b/one", "main", DRAFT)
    assert (again.action, standin.calls) == ("unchanged", calls)
    changed = ensure_pull_request(forge, made, "b/one", "main", replace(DRAFT, body="More"))
    assert changed.pull_request.body == f"{NOTE}More"


def test_check_tells_of_drafts_where_they_are_wanted(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    wanted = [each.message for each in forge.check_access(drafts=True)]
    unwanted = [each.message for each in forge.check_access()]

    assert any("an ordinary pull request is opened" in each for each in wanted)
    assert not any("ordinary" in each for each in unwanted)


def test_a_comment_that_a_stranger_marked_like_ours_is_not_ours(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    for auth in (GitHubToken(standin.token("bot")), GitHubApp(APP, private_key()[0])):
        forge = connected(standin, auth, clock)
        branch = f"b/{type(auth).__name__}"
        number = proposed(forge, site, branch=branch).number
        site.comment(number, "mallory", "<!-- conflict -->\nOurs?")
        forge.upsert_comment(number, "conflict", "First")
        connected(standin, auth, clock).upsert_comment(number, "conflict", "Second")

        bodies = [comment.body for comment in site.pull(number).comments]
        assert bodies == ["<!-- conflict -->\nOurs?", "<!-- conflict -->\nSecond"]


def test_a_refused_app_token_is_dropped_and_minted_anew(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    forge = connected(standin, GitHubApp(APP, private_key()[0]), clock)
    old = forge.create_git_remote()
    clock.seconds += 600
    for revoked in (True, False):
        standin.revoke(str(forge.create_git_remote().password))
        if revoked:
            with pytest.raises(TransientRefusalError, match="present token"):
                forge.list_pull_requests("b/one")
        else:
            assert forge.create_git_remote().renew(401)
        assert forge.list_pull_requests("b/one") == []
    assert forge.create_git_remote().password != old.password
    assert not forge.create_git_remote().renew(500)


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_new_app_token_that_is_not_known_yet_is_tried_again(
    code: int, standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    forge = connected(standin, GitHubApp(APP, private_key()[0]), clock)
    unknown = status(code, {"message": "Bad credentials"})
    standin.faults.add(f"GET {NAME}/pulls", unknown)
    with pytest.raises(TransientRefusalError):
        forge.list_pull_requests("b/one")
    assert forge.list_pull_requests("b/one") == []

    clock.seconds += 600
    standin.faults.add(f"GET {NAME}/pulls", unknown)
    with pytest.raises(BridgeError) as later:
        forge.list_pull_requests("b/one")
    assert isinstance(later.value, TransientRefusalError) is (code == 401)


def test_a_branch_that_github_has_not_noticed_yet_is_tried_again(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    unseen = {"resource": "PullRequest", "field": "head", "code": "invalid"}
    refusal = status(422, {"message": "Validation Failed", "errors": [unseen]})
    standin.faults.add(f"POST {NAME}/pulls", refusal)
    with pytest.raises(TransientRefusalError, match="head invalid"):
        proposed(forge, site)
    assert proposed(forge, site, branch="b/one").state is PullRequestState.OPEN


def test_no_answer_of_an_app_that_may_nothing_is_a_traceback(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    forge = connected(
        standin, GitHubApp(APP, private_key()[0]), clock
    )  # which is installed nowhere
    with pytest.raises(BridgeError) as told:
        forge.find_default_branch()
    assert not isinstance(told.value, UnavailableError)
