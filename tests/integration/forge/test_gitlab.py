"""What is special to GitLab; what every forge promises is in tests/contract."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bridge import errors
from bridge.forge.forge import (
    AccessFindingSeverity,
    PullRequestContent,
    PullRequestState,
    RateLimitStatus,
)
from bridge.forge.gitlab import GitLabForge
from bridge.forge.gitlab_merge_requests import TITLE_LIMIT
from tests.contract.gitlab_case import GitLabCase, gitlab_case
from tests.standins.fault_injection import dead, status
from tests.standins.git_http import GIT_ENVIRONMENT, find_commit
from tests.standins.gitlab import READ_ONLY_TOKEN, TOKEN, GitLabStandIn
from tests.standins.gitlab_git_access import DEVELOPER
from tests.standins.serve_app import serve

HEAD = "promptlayer/support/reply"
CONTENT = PullRequestContent("Update support/reply", "One word changed.")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def case(tmp_path: Path) -> Iterator[GitLabCase]:
    with gitlab_case(tmp_path) as case:
        case.seed_branch(HEAD, {"prompts/reply.yaml": b"new"})
        yield case


def with_token(case: GitLabCase, token: str) -> GitLabForge:
    return GitLabForge(
        case.project.path, forge_name="gitlab", url=case.url, token=token, clock=lambda: NOW
    )


def problems(forge: GitLabForge) -> list[str]:
    return [
        each.message
        for each in forge.check_access()
        if each.severity is AccessFindingSeverity.PROBLEM
    ]


# Titles and drafts.


@pytest.mark.parametrize("marker", ["Draft: ", "draft:", "[Draft] ", "(DRAFT) ", "Draft: [draft] "])
def test_every_spelling_of_a_draft_is_read_as_one(case: GitLabCase, marker: str) -> None:
    case.project.open(HEAD, "main", f"{marker}Move prod")

    (found,) = case.forge.list_pull_requests(HEAD)

    assert (found.title, found.is_draft) == ("Move prod", True)


def test_a_draft_is_made_by_its_title(case: GitLabCase) -> None:
    case.forge.create_pull_request(HEAD, "main", PullRequestContent("Move prod", "", draft=True))

    assert case.project.find(1).title == "Draft: Move prod"


def test_a_title_that_looks_like_a_draft_makes_none(case: GitLabCase) -> None:
    opened = case.forge.create_pull_request(HEAD, "main", PullRequestContent("Draft: reply", ""))

    assert (opened.title, opened.is_draft) == ("reply", False)


def test_a_title_over_the_limit_is_shortened(case: GitLabCase) -> None:
    content = PullRequestContent("x" * 500, "", draft=True)

    opened = case.forge.create_pull_request(HEAD, "main", content)

    assert len(case.project.find(1).title) == TITLE_LIMIT
    assert opened.title.endswith("x…")


# Which pull requests are ours.


def test_one_from_a_fork_is_not_ours(case: GitLabCase) -> None:
    case.project.open(HEAD, "main", "From a fork", source_project_id=4711)

    assert case.forge.list_pull_requests(HEAD) == []
    assert case.forge.list_open_pull_requests("") == []
    assert case.forge.create_pull_request(HEAD, "main", CONTENT).number == 2


def test_one_that_is_being_merged_is_still_open(case: GitLabCase) -> None:
    case.project.open(HEAD, "main", "Change").state = "locked"

    assert case.forge.list_pull_requests(HEAD)[0].state is PullRequestState.OPEN


def test_one_whose_branch_was_deleted_is_closed(case: GitLabCase) -> None:
    case.forge.create_pull_request(HEAD, "main", CONTENT)

    case.delete_branch(HEAD)

    assert case.forge.list_pull_requests(HEAD)[0].state is PullRequestState.CLOSED


def test_a_description_that_was_never_written_is_empty(case: GitLabCase) -> None:
    case.project.open(HEAD, "main", "Change")

    assert case.forge.list_pull_requests(HEAD)[0].body == ""


# People.


def test_each_user_is_looked_up_once(case: GitLabCase) -> None:
    content = PullRequestContent("Update", "", reviewers=("alice", "@bob"), assignees=("alice",))
    first = case.forge.create_pull_request(HEAD, "main", content)
    case.seed_branch("promptlayer/other", {"prompts/other.yaml": b"new"})
    before = case.calls

    second = case.forge.create_pull_request("promptlayer/other", "main", content)

    assert case.calls - before == 1
    assert first.reviewers == second.reviewers == {"alice", "bob"}
    assert first.assignees == second.assignees == {"alice"}


def test_an_unknown_user_or_a_group_is_left_out(case: GitLabCase) -> None:
    content = PullRequestContent("Update", "", reviewers=("ghost", "acme/reviewers", "bob"))

    assert case.forge.create_pull_request(HEAD, "main", content).reviewers == {"bob"}


def test_users_that_may_not_be_looked_up_are_left_out(case: GitLabCase) -> None:
    case.standin.faults.add("/api/v4/users", status(403, {"message": "403 Forbidden"}))
    content = PullRequestContent("Update", "", assignees=("alice",))

    assert case.forge.create_pull_request(HEAD, "main", content).assignees == frozenset()


# Comments.


def test_a_copied_marker_in_another_persons_comment_is_left_alone(case: GitLabCase) -> None:
    case.forge.create_pull_request(HEAD, "main", CONTENT)
    case.project.comment(1, "<!-- conflict -->\nnot the bridge", case.project.person)

    case.forge.upsert_comment(1, "conflict", "Please merge by hand.")
    with_token(case, TOKEN).upsert_comment(1, "conflict", "Still in conflict.")

    assert [note.body for note in case.project.find(1).notes] == [
        "<!-- conflict -->\nnot the bridge",
        "<!-- conflict -->\nStill in conflict.",
    ]


def test_our_comment_is_found_behind_pages_of_others(case: GitLabCase) -> None:
    case.forge.create_pull_request(HEAD, "main", CONTENT)
    for number in range(45):
        case.project.comment(1, f"Remark {number}", case.project.person)
    case.forge.upsert_comment(1, "conflict", "Please merge by hand.")

    case.forge.upsert_comment(1, "conflict", "Still in conflict.")

    bodies = [note.body for note in case.project.find(1).notes]
    assert len(bodies) == 46
    assert bodies[-1] == "<!-- conflict -->\nStill in conflict."


# Addresses.


def test_gitlab_under_a_sub_path_in_a_nested_group_works(tmp_path: Path) -> None:
    standin = GitLabStandIn(tmp_path, prefix="/gitlab", page_limit=20)
    project = standin.repository("acme/bots/emea/support.v2", {"README.md": b""})

    with serve(standin.app) as host:
        case = GitLabCase.over(standin, project, f"{host}/gitlab/")
        case.many(25)
        case.seed_branch(HEAD, {"prompts/reply.yaml": b"new"})
        opened = case.forge.create_pull_request(HEAD, "main", CONTENT)
        listed = case.forge.list_open_pull_requests("")

    assert opened.url == f"{host}/gitlab/acme/bots/emea/support.v2/-/merge_requests/26"
    assert len(listed) == 26
    assert case.remote.url == f"{host}/gitlab/acme/bots/emea/support.v2.git"


def test_git_pushes_and_fetches_with_the_credential_in_the_environment(case: GitLabCase) -> None:
    remote = case.remote
    commit = find_commit(case.project.directory, HEAD)
    environment = GIT_ENVIRONMENT | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": '!f() { echo "username=$WHO"; echo "password=$KEY"; }; f',
        "WHO": remote.username or "",
        "KEY": remote.password or "",
    }

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(case.project.directory), *arguments]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    git("push", remote.url, f"{HEAD}:refs/heads/pushed")

    assert find_commit(case.project.directory, "pushed") == commit
    assert git("ls-remote", remote.url, "refs/heads/pushed").split()[0] == commit


def test_a_moved_project_is_not_followed_with_the_token(case: GitLabCase) -> None:
    elsewhere = {"Location": "https://elsewhere.example.com/api/v4/projects/1?private=yes"}
    case.standin.faults.add("GET /api/v4/", status(301, "", elsewhere))

    with pytest.raises(
        errors.RequestRefusedError, match=r"elsewhere\.example\.com/api/v4/projects/1\."
    ):
        case.forge.find_default_branch()


def test_an_empty_project_has_no_default_branch(case: GitLabCase) -> None:
    case.standin.faults.add("GET /api/v4/", status(200, {"id": 1, "default_branch": None}))

    with pytest.raises(errors.RequestRefusedError, match="no commit yet"):
        case.forge.find_default_branch()


# Access.


def test_a_missing_scope_is_named_in_gitlabs_words(case: GitLabCase) -> None:
    with pytest.raises(errors.ForbiddenError, match="lacks the scope api"):
        case.read_only_forge.create_pull_request(HEAD, "main", CONTENT)

    (problem,) = problems(case.read_only_forge)
    assert "read_api, read_repository and lacks api" in problem


def test_a_missing_role_is_named_in_gitlabs_words(case: GitLabCase) -> None:
    case.standin.token("glpat-reporter", case.standin.user("rita"), {"api"}, access_level=20)
    reporter = with_token(case, "glpat-reporter")

    with pytest.raises(errors.ForbiddenError, match="role Developer or higher"):
        reporter.create_pull_request(HEAD, "main", CONTENT)

    (problem,) = problems(reporter)
    assert "needs the role Developer" in problem


def test_a_developers_token_suffices(case: GitLabCase) -> None:
    dev = case.standin.user("dev")
    case.standin.token("glpat-dev", dev, {"api"}, access_level=DEVELOPER)

    assert problems(with_token(case, "glpat-dev")) == []


def test_a_token_that_expires_soon_is_told(case: GitLabCase) -> None:
    case.standin.token("glpat-old", case.standin.user("old"), {"api"}, expires_at=date(2099, 3, 10))
    soon = GitLabForge(
        case.project.path,
        forge_name="gitlab",
        url=case.url,
        token="glpat-old",
        clock=lambda: datetime(2099, 3, 1, tzinfo=UTC).timestamp(),
    )

    assert problems(soon) == ["The token expires on 2099-03-10, in 9 days: rotate it."]
    assert problems(with_token(case, "glpat-old")) == []


def test_an_archived_project_and_one_without_merge_requests_are_told(case: GitLabCase) -> None:
    case.project.archived = True
    case.project.merge_requests_enabled = False

    archived, disabled = problems(case.forge)

    assert "is archived" in archived
    assert "takes no merge requests" in disabled


def test_a_project_out_of_sight_is_told(case: GitLabCase) -> None:
    case.standin.token("glpat-guest", case.standin.user("guest"), {"api"}, access_level=0)

    (problem,) = problems(with_token(case, "glpat-guest"))

    assert "member of the project" in problem


def test_a_wrong_token_is_told_once(case: GitLabCase) -> None:
    (problem,) = problems(with_token(case, "glpat-wrong"))

    assert "wrong, revoked or expired" in problem


def test_an_older_gitlab_that_tells_no_scopes_is_no_problem(case: GitLabCase) -> None:
    missing = status(404, {"error": "404 Not Found"})
    case.standin.faults.add("/api/v4/personal_access_tokens", missing)

    assert problems(case.forge) == []


# Bad days.


def test_a_page_in_place_of_an_answer_is_an_outage(case: GitLabCase) -> None:
    case.standin.faults.add("/api/v4/", status(200, "<html>Sign in</html>"))

    with pytest.raises(errors.UnavailableError, match="did not answer as GitLab does"):
        case.forge.find_default_branch()


def test_a_connection_that_is_closed_without_a_word_is_an_outage(case: GitLabCase) -> None:
    case.standin.faults.add("/api/v4/", dead())

    with pytest.raises(errors.UnavailableError):
        case.forge.list_pull_requests(HEAD)


def test_a_server_that_is_not_there_is_an_outage() -> None:
    nowhere = GitLabForge("a/b", forge_name="gitlab", url="http://127.0.0.1:1", token=TOKEN)

    with pytest.raises(errors.UnavailableError, match="could not be reached"):
        nowhere.list_pull_requests(HEAD)


def test_a_token_that_is_echoed_is_not_repeated(case: GitLabCase) -> None:
    echoed = status(400, {"message": f"the header PRIVATE-TOKEN: {TOKEN} is odd"})
    case.standin.faults.add("/api/v4/", echoed)

    with pytest.raises(errors.RequestRefusedError) as refused:
        case.forge.list_pull_requests(HEAD)

    assert TOKEN not in str(refused.value) + repr(refused.value) + repr(case.forge)
    assert READ_ONLY_TOKEN not in repr(case.read_only_forge.create_git_remote())


# The budget.


def test_what_is_left_of_the_budget_is_told_after_an_answer(case: GitLabCase) -> None:
    told: list[RateLimitStatus] = []
    forge = GitLabForge(
        case.project.path, forge_name="gitlab", url=case.url, token=TOKEN, notice=told.append
    )

    forge.find_default_branch()
    forge.list_pull_requests(HEAD)

    assert told[1].remaining == told[0].remaining - 1 < told[0].limit
    assert told[0].resets_at.tzinfo is not None
