"""What is special to proposing on GitHub; what every forge does is in tests/contract."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import (
    AlreadyExistsError,
    ConfigError,
    NotFoundError,
    UnavailableError,
)
from bridge.forge.forge import GitRemote, RateLimitStatus
from bridge.forge.github import GitHubForge, GitHubToken
from bridge.forge.github_credentials import build_addresses
from tests.integration.forge.github.setting import CONTENT, Clock, posted, proposed
from tests.standins.fault_injection import after_the_work, dead, status
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository

# How many calls it takes.


def test_a_first_proposal_with_labels_takes_three_calls(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    assert forge.list_pull_requests("b/one") == []
    made = proposed(forge, site, replace(CONTENT, labels=("prompt",), assignees=("bob",)))
    assert standin.calls == 3
    assert made.labels == {"prompt"}
    assert made.assignees == {"bob"}


def test_reviewers_and_teams_take_one_call_more(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    made = proposed(forge, site, replace(CONTENT, reviewers=("alice", "acme/writers")))
    assert standin.calls == 2
    assert made.reviewers == {"alice", "acme/writers"}
    assert forge.list_pull_requests("b/one")[0].reviewers == made.reviewers


def test_a_newer_version_on_an_open_pull_request_takes_two_calls(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    proposed(forge, site)
    before = standin.calls
    (found,) = forge.list_pull_requests("b/one")
    forge.update_pull_request(found, replace(CONTENT, title="Newer"))
    assert standin.calls - before == 2


def test_only_a_changed_draft_state_takes_graphql(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    made = proposed(forge, site, replace(CONTENT, draft=True))
    ready = forge.update_pull_request(made, CONTENT)
    again = forge.update_pull_request(ready, CONTENT)
    back = forge.update_pull_request(again, replace(CONTENT, draft=True))
    assert [made.is_draft, ready.is_draft, again.is_draft, back.is_draft] == [
        True,
        False,
        False,
        True,
    ]
    assert site.pull(made.number).draft
    assert posted(standin, "/api/graphql") == 2


# Labels and people never undo a creation.


def test_an_unknown_assignee_is_left_out_and_the_labels_stay(
    forge: GitHubForge, site: Repository
) -> None:
    made = proposed(forge, site, replace(CONTENT, labels=("prompt",), assignees=("bob", "ghost")))
    assert made.labels == {"prompt"}
    assert made.assignees == {"bob"}
    assert site.pull(made.number).assignees == ["bob"]


def test_an_unknown_reviewer_is_left_out(forge: GitHubForge, site: Repository) -> None:
    wanted = replace(CONTENT, reviewers=("ghost", "alice", "bot", "acme/writers"))
    made = proposed(forge, site, wanted)
    assert made.reviewers == {"alice", "acme/writers"}
    assert site.pull(made.number).reviewers == ["alice"]


@pytest.mark.parametrize("ending", ["/issues/1", "/requested_reviewers"])
def test_a_failure_after_the_creation_does_not_hide_it(
    ending: str, standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    standin.faults.add(lambda _method, path: path.endswith(ending), status(502), times=5)
    with pytest.raises(UnavailableError):
        proposed(forge, site, replace(CONTENT, labels=("prompt",), reviewers=("alice",)))
    (made,) = forge.list_pull_requests("b/one")
    assert made.number == 1
    assert made.labels == set()
    assert made.reviewers == ({"alice"} if ending == "/issues/1" else set())


def test_a_reviewer_who_was_refused_is_not_asked_at_the_next_pull_request(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    wanted = replace(CONTENT, reviewers=("ghost", "alice"))
    proposed(forge, site, wanted)
    asked = posted(standin, "/requested_reviewers")
    site.push("b/two", {"two.txt": b"two"})
    second = forge.create_pull_request("b/two", "main", wanted)
    assert second.reviewers == {"alice"}
    assert posted(standin, "/requested_reviewers") - asked == 1


def test_a_draft_is_made_ready_before_its_body_says_so_and_made_a_draft_after(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    """The body is what the next look believes."""
    made = proposed(forge, site, replace(CONTENT, draft=True))
    standin.faults.add("/api/graphql", status(502))
    with pytest.raises(UnavailableError):
        forge.update_pull_request(made, replace(CONTENT, body="Ready"))
    assert site.pull(1).body == CONTENT.body
    ready = forge.update_pull_request(made, replace(CONTENT, body="Ready"))
    standin.faults.add("/api/graphql", status(502))
    with pytest.raises(UnavailableError):
        forge.update_pull_request(ready, replace(CONTENT, body="Asked for", draft=True))
    assert (site.pull(1).body, site.pull(1).draft) == ("Asked for", False)


def test_a_creation_whose_answer_was_lost_is_found_again(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    standin.faults.add("POST /api/v3/repos/", after_the_work(dead()))
    with pytest.raises(UnavailableError):
        proposed(forge, site)
    with pytest.raises(AlreadyExistsError, match="already exists for acme:b/one"):
        forge.create_pull_request("b/one", "main", CONTENT)
    assert forge.list_pull_requests("b/one")[0].title == "Title"


# Where it is.


@pytest.mark.parametrize(
    ("url", "api", "web"),
    [
        (None, "https://api.github.com", "https://github.com"),
        ("https://api.github.com", "https://api.github.com", "https://github.com"),
        ("https://github.com/", "https://api.github.com", "https://github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://git.acme.dev", "https://git.acme.dev/api/v3", "https://git.acme.dev"),
        ("https://git.acme.dev/api/v3/", "https://git.acme.dev/api/v3", "https://git.acme.dev"),
    ],
)
def test_every_kind_of_github_has_its_addresses(url: str | None, api: str, web: str) -> None:
    assert build_addresses(url) == (api, web)


def test_enterprise_server_is_asked_below_api_v3(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    proposed(forge, site)
    site.open_many(25)
    assert len(forge.list_open_pull_requests("many/")) == 25
    assert {request.path[:8] for request in standin.faults.requests} == {"/api/v3/"}


def test_a_name_that_is_no_repository_is_refused() -> None:
    for name in ("support-bot", "acme/", "acme/a/b"):
        with pytest.raises(ConfigError, match="owner/name"):
            GitHubForge(name, forge_name="github", auth=GitHubToken("t"))


def test_a_renamed_repository_is_told(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    moved = {"message": "Moved Permanently", "url": f"{standin.url}/api/v3/repositories/1/pulls"}
    standin.faults.add("POST /api/v3/", status(307, moved))
    with pytest.raises(NotFoundError, match="renamed"):
        proposed(forge, site)
    made = forge.create_pull_request("b/one", "main", CONTENT)
    moved["url"] += "/1"
    standin.faults.add("PATCH /api/v3/", status(307, moved))
    with pytest.raises(NotFoundError, match="renamed"):
        forge.update_pull_request(made, CONTENT)


def test_git_fetches_and_pushes_with_the_credential_from_the_environment(
    forge: GitHubForge, site: Repository, tmp_path: Path
) -> None:
    remote = forge.create_git_remote()
    git_with(remote, tmp_path, "clone", "--quiet", "--depth=1", remote.url, "clone")
    clone = tmp_path / "clone"
    git_with(remote, clone, "commit", "--quiet", "--allow-empty", "--message=Empty")
    git_with(remote, clone, "push", "--quiet", "origin", "HEAD:b/pushed")
    assert "b/pushed" in site.branches()
    with pytest.raises(subprocess.CalledProcessError):
        git_with(replace(remote, password="wrong"), clone, "fetch", "--quiet")


def git_with(remote: GitRemote, folder: Path, *arguments: str) -> None:
    helper = '!f() { echo "username=$GIT_USER"; echo "password=$GIT_SECRET"; }; f'
    config = {"credential.helper": helper, "user.name": "Sam", "user.email": "sam@example.com"}
    environment = dict(os.environ) | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_USER": remote.username or "",
        "GIT_SECRET": remote.password or "",
        "GIT_CONFIG_COUNT": str(len(config)),
    }
    for number, (key, value) in enumerate(config.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True
    )


# Pull requests of others.


def test_a_fork_with_the_same_branch_name_is_not_ours(forge: GitHubForge, site: Repository) -> None:
    site.push("b/one", {"a.txt": b"theirs"})
    site.open_pull("b/one", "main", title="From a fork", head_owner="stranger")
    assert forge.list_pull_requests("b/one") == []
    assert forge.list_open_pull_requests("b/") == []


def test_each_thread_has_a_connection_of_its_own(
    standin: GitHubStandIn, forge: GitHubForge, site: Repository
) -> None:
    # PyGithub keeps the request in hand in the connection: shared, two would be mixed up.
    def look() -> None:
        for _ in range(2):
            forge.list_pull_requests("b/one")

    for _ in range(2):  # one after the other, so that a shared connection would be used again
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    first, again, second, once_more = [request.client for request in standin.faults.requests]
    assert first == again
    assert second == once_more
    assert first != second


def test_a_quoted_comment_is_not_taken_for_ours(forge: GitHubForge, site: Repository) -> None:
    number = proposed(forge, site).number
    site.comment(number, "alice", "> <!-- conflict -->\n> Look at this")
    forge.upsert_comment(number, "conflict", "Please look")
    forge.upsert_comment(number, "conflict", "Please look again")
    bodies = [comment.body for comment in site.pull(number).comments]
    assert bodies[1:] == ["<!-- conflict -->\nPlease look again"]


# The budget.


def test_what_is_left_of_the_budget_is_told_after_an_answer(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    told: list[RateLimitStatus] = []
    forge = GitHubForge(
        "acme/support-bot",
        forge_name="github",
        url=standin.url,
        auth=GitHubToken(standin.token("bot")),
        clock=clock,
        notice=told.append,
    )

    forge.find_default_branch()
    forge.list_pull_requests("b/one")

    assert [each.limit for each in told] == [5000, 5000]
    assert told[1].remaining == told[0].remaining - 1
    assert told[0].resets_at.timestamp() == clock() + 3600


def test_a_refused_request_tells_what_is_left_too(standin: GitHubStandIn, site: Repository) -> None:
    told: list[RateLimitStatus] = []
    forge = GitHubForge(
        "acme/other",
        forge_name="github",
        url=standin.url,
        auth=GitHubToken(standin.token("bot")),
        notice=told.append,
    )

    with pytest.raises(NotFoundError):
        forge.find_default_branch()

    assert len(told) == 1
