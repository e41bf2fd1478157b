"""What every forge adapter promises: one suite, run on all of them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.errors import (
    AlreadyExistsError,
    BridgeError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    RequestRefusedError,
    TransientRefusalError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.forge.ensure_pull_request import ensure_pull_request
from bridge.forge.forge import (
    AccessFindingSeverity,
    GitRemote,
    PullRequest,
    PullRequestContent,
    PullRequestState,
)
from tests.contract.forge_case import Failure, ForgeCase, HostedCase, MergeMethod

HEAD = "promptlayer/support/reply"
CONTENT = PullRequestContent("Update support/reply", "One word *changed*.\n")
MERGES: list[MergeMethod] = ["merge", "squash", "rebase"]


def opened(case: ForgeCase, head: str = HEAD, content: PullRequestContent = CONTENT) -> PullRequest:
    """A pull request from ``head_branch`` with one commit, whose text is the branch's name."""
    case.seed_branch(head, {"prompts/reply.yaml": head.encode()})
    return case.forge.create_pull_request(head, "main", content)


def found(case: ForgeCase, head: str = HEAD) -> PullRequest:
    """The only pull request from ``head_branch``."""
    (pull_request,) = case.forge.list_pull_requests(head)
    return pull_request


def test_the_address_of_a_file_costs_no_request_and_is_escaped(case: ForgeCase) -> None:
    name = case.forge.repository.partition(":")[2]

    url = case.forge.build_file_url("prompts/a b#?.yaml", "release/1")
    default = case.forge.build_file_url("prompts/reply.yaml")

    assert url is None or url.startswith(("http://", "https://"))
    assert url is None or url.endswith("/blob/release/1/prompts/a%20b%23%3F.yaml")
    assert default is None or f"/{name}/" in default
    assert default is None or default.endswith("/blob/HEAD/prompts/reply.yaml")


# Opening and finding.


def test_a_created_pull_request_says_what_was_asked(case: ForgeCase) -> None:
    commit = case.seed_branch(HEAD, {"prompts/reply.yaml": b"text"})

    created = case.forge.create_pull_request(HEAD, "main", CONTENT)

    assert created.state is PullRequestState.OPEN
    assert (created.head_branch, created.base_branch, created.head_commit) == (HEAD, "main", commit)
    assert created.title == CONTENT.title
    assert created.body.strip() == CONTENT.body.strip()
    assert not created.is_draft
    assert str(created.number) in created.url


def test_a_created_pull_request_is_found_as_it_was_returned(case: ForgeCase) -> None:
    created = opened(case)

    assert found(case) == created


def test_nothing_is_found_for_another_branch(case: ForgeCase) -> None:
    opened(case)

    assert list(case.forge.list_pull_requests("promptlayer/other")) == []


def test_a_pull_request_is_found_by_its_head_whatever_its_base(case: ForgeCase) -> None:
    case.seed_branch("release", {"release.txt": b"1.0"})
    to_main = opened(case)
    to_release = case.forge.create_pull_request(HEAD, "release", CONTENT)

    found = case.forge.list_pull_requests(HEAD)

    assert [(each.number, each.base_branch) for each in found] == [
        (to_release.number, "release"),
        (to_main.number, "main"),
    ]


def test_pull_requests_of_one_branch_come_newest_first(case: ForgeCase) -> None:
    first = opened(case)
    case.close(first.number)
    second = case.forge.create_pull_request(HEAD, "main", CONTENT)

    history = case.forge.list_pull_requests(HEAD)

    assert [(each.number, each.state) for each in history] == [
        (second.number, PullRequestState.OPEN),
        (first.number, PullRequestState.CLOSED),
    ]


def test_creating_twice_says_it_exists(case: ForgeCase) -> None:
    first = opened(case)

    with pytest.raises(AlreadyExistsError):
        case.forge.create_pull_request(HEAD, "main", CONTENT)

    assert found(case) == first


def test_a_branch_that_was_never_pushed_is_refused_perhaps_for_now(case: ForgeCase) -> None:
    with pytest.raises((PermanentError, TransientRefusalError)):
        case.forge.create_pull_request("promptlayer/never-pushed", "main", CONTENT)


def test_the_head_commit_follows_the_branch(case: ForgeCase) -> None:
    opened(case)

    newer = case.seed_branch(HEAD, {"prompts/reply.yaml": b"newer"})

    assert found(case).head_commit == newer


def test_a_pull_request_outlives_its_branch(case: ForgeCase) -> None:
    created = opened(case)

    case.delete_branch(HEAD)

    assert found(case).number == created.number
    assert found(case).head_commit == created.head_commit


# Drafts, people, labels.


def test_a_draft_is_opened_as_a_draft_with_a_clean_title(case: ForgeCase) -> None:
    draft = opened(case, content=PullRequestContent("Ask for prod", "", draft=True))

    assert (draft.is_draft, draft.title) == (True, "Ask for prod")
    assert found(case) == draft


def test_a_draft_becomes_ready_and_a_draft_again(case: ForgeCase) -> None:
    draft = opened(case, content=PullRequestContent("Ask for prod", "", draft=True))

    ready = case.forge.update_pull_request(draft, PullRequestContent("Move prod", ""))
    assert (ready.is_draft, ready.title) == (False, "Move prod")
    assert found(case) == ready

    again = case.forge.update_pull_request(
        ready, PullRequestContent("Ask for prod", "", draft=True)
    )
    assert (again.is_draft, again.title) == (True, "Ask for prod")
    assert found(case) == again


def test_labels_reviewers_and_assignees_are_set(case: ForgeCase) -> None:
    content = PullRequestContent(
        "Update", "", labels=("prompt", "needs review"), reviewers=("alice",), assignees=("bob",)
    )

    created = opened(case, content=content)

    assert created.labels == {"prompt", "needs review"}
    assert created.reviewers == {"alice"}
    assert created.assignees == {"bob"}
    assert found(case) == created


def just_now(at: datetime | None) -> bool:
    return at is not None and abs(datetime.now(UTC) - at) < timedelta(hours=1)


def test_an_unknown_person_does_not_undo_the_pull_request(case: ForgeCase) -> None:
    content = PullRequestContent(
        "Update", "", reviewers=("nobody-at-all",), assignees=("nobody-at-all", "bob")
    )

    created = opened(case, content=content)

    assert created.reviewers == frozenset()
    assert created.assignees == {"bob"}
    assert found(case).number == created.number


@pytest.mark.parametrize("unknown", ["reviewers", "assignees"])
def test_an_unknown_person_does_not_keep_the_body_from_being_finished(
    case: ForgeCase, unknown: str
) -> None:
    nobody = ("nobody-at-all",)
    content = PullRequestContent(
        "Update",
        "All of it.",
        labels=("prompt",),
        reviewers=nobody if unknown == "reviewers" else (),
        assignees=nobody if unknown == "assignees" else (),
        unfinished_body="Not yet.",
    )

    created = opened(case, content=content)

    assert created.body.strip() == "All of it."
    assert created.labels == {"prompt"}
    assert found(case) == created


def test_labels_and_people_are_added_to_those_that_are_there(case: ForgeCase) -> None:
    there = PullRequestContent("Update", "", labels=("prompt",), assignees=("bob",))
    created = opened(case, content=there)
    more = PullRequestContent(
        "Update", "", labels=("urgent",), assignees=("alice",), reviewers=("alice", "nobody-at-all")
    )

    updated = case.forge.update_pull_request(created, more)

    assert updated.labels == {"prompt", "urgent"}
    assert updated.assignees >= {"alice"}  # GitLab's smaller plans keep one alone
    assert updated.reviewers == {"alice"}
    assert found(case) == updated


def test_a_label_is_taken_off_and_the_others_stay(case: ForgeCase) -> None:
    there = PullRequestContent("Update", "", labels=("prompt", "state/conflict"))
    created = opened(case, content=there)
    less = PullRequestContent("Update", "", removed_labels=("state/conflict", "never there"))

    updated = case.forge.update_pull_request(created, less)

    assert updated.labels == {"prompt"}
    assert found(case) == updated


@pytest.mark.parametrize("failing", range(1, 7))
def test_a_creation_that_fails_half_way_does_not_say_that_it_is_finished(
    hosted_case: HostedCase, failing: int
) -> None:
    case = hosted_case
    case.seed_branch(HEAD, {"prompts/reply.yaml": b"text"})
    content = PullRequestContent(
        "Update",
        "All of it.",
        labels=("prompt",),
        reviewers=("alice",),
        assignees=("bob",),
        unfinished_body="Not yet.",
    )
    case.fail_nth(failing, "502")

    with suppress(UnavailableError):
        case.forge.create_pull_request(HEAD, "main", content)
    case.stop_failing()

    for left in case.forge.list_pull_requests(HEAD):
        got = {*left.labels, *left.reviewers, *left.assignees}
        assert got == {"prompt", "alice", "bob"} or left.body.strip() == "Not yet."


# Another base.


def test_a_pull_request_is_taken_to_another_base_with_its_text_in_one_request(
    case: ForgeCase,
) -> None:
    created = opened(case)
    case.seed_branch("develop", {"develop.txt": b"next"})
    before = case.calls

    moved = case.forge.update_pull_request(
        created, PullRequestContent("To develop", "Merging writes to develop."), base="develop"
    )

    assert case.calls - before <= 1
    assert (moved.base_branch, moved.title, moved.number) == (
        "develop",
        "To develop",
        created.number,
    )
    assert moved.head_commit == created.head_commit
    assert found(case) == moved


def test_a_base_that_is_taken_or_not_there_is_refused(case: ForgeCase) -> None:
    created = opened(case)
    case.seed_branch("develop", {"develop.txt": b"next"})
    other = case.forge.create_pull_request(HEAD, "develop", CONTENT)

    for base in ("develop", "nowhere"):
        with pytest.raises(RequestRefusedError):
            case.forge.update_pull_request(created, CONTENT, base=base)

    assert [each.base_branch for each in case.forge.list_pull_requests(HEAD)] == ["develop", "main"]
    assert other.number > created.number


# Updating and closing.


def test_an_update_changes_title_and_body_and_leaves_people_alone(case: ForgeCase) -> None:
    created = opened(
        case, content=PullRequestContent("Old", "old", labels=("prompt",), assignees=("bob",))
    )

    updated = case.forge.update_pull_request(created, PullRequestContent("New", "new"))

    assert (updated.number, updated.title, updated.body.strip()) == (created.number, "New", "new")
    assert (updated.labels, updated.assignees) == (created.labels, created.assignees)
    assert found(case) == updated


def test_closing_sets_the_body_and_keeps_the_branch(case: ForgeCase) -> None:
    created = opened(case)

    closed = case.forge.close_pull_request(created, "In step again.")

    assert closed.state is PullRequestState.CLOSED
    assert closed.body.strip() == "In step again."
    assert found(case) == closed
    assert HEAD in remote_branches(case.remote)


def test_a_pull_request_a_person_closed_is_seen_as_closed(case: ForgeCase) -> None:
    created = opened(case)

    case.close(created.number)

    assert created.decided_at is None
    assert found(case).state is PullRequestState.CLOSED
    assert just_now(found(case).decided_at)


def test_a_persons_closing_is_a_decision(case: ForgeCase) -> None:
    case.close(opened(case).number)

    assert not case.forge.read_closing(found(case)).with_branch


def test_a_closing_by_deleting_the_branch_is_none_and_is_read_once(case: ForgeCase) -> None:
    opened(case)
    case.delete_branch(HEAD)

    after = found(case)
    if after.state is PullRequestState.OPEN:
        return  # this forge leaves it open
    assert case.forge.read_closing(after).with_branch
    assert requests(case, lambda: case.forge.read_closing(after)) == 0


def test_a_reopened_pull_request_is_open_again(case: ForgeCase) -> None:
    created = opened(case)
    case.close(created.number)

    case.reopen(created.number)

    assert found(case) == created


@pytest.mark.parametrize("how", MERGES)
def test_a_merge_of_any_kind_is_seen_and_lands_on_the_base(
    case: ForgeCase, how: MergeMethod
) -> None:
    created = opened(case)

    case.merge(created.number, how)

    assert found(case).state is PullRequestState.MERGED
    assert just_now(found(case).decided_at)
    assert found(case).head_commit == created.head_commit
    assert file_on(case.remote, "main", "prompts/reply.yaml") == HEAD.encode()


def test_ensure_creates_then_leaves_alone_then_updates(case: ForgeCase) -> None:
    case.seed_branch(HEAD, {"prompts/reply.yaml": b"text"})

    first = ensure_pull_request(case.forge, None, HEAD, "main", CONTENT)
    same = ensure_pull_request(case.forge, found(case), HEAD, "main", CONTENT)
    changed = ensure_pull_request(
        case.forge, found(case), HEAD, "main", PullRequestContent("New", "new")
    )

    assert [each.action for each in (first, same, changed)] == ["created", "unchanged", "updated"]


def test_ensure_finds_the_pull_request_somebody_else_just_opened(case: ForgeCase) -> None:
    theirs = opened(case)

    ensured = ensure_pull_request(case.forge, None, HEAD, "main", PullRequestContent("New", "new"))

    assert (ensured.action, ensured.pull_request.number) == ("updated", theirs.number)


# Text.


@pytest.mark.parametrize(
    "body",
    [
        "<!-- promptlayer-bridge: abc123 -->\nText after a hidden marker.",
        "Four bytes: 🎈 and 𝔘𝔫𝔦𝔠𝔬𝔡𝔢, right-to-left: שלום",
        "one\r\ntwo\r\n",
        "| a | b |\n|---|---|\n| `x` | y |\n\n<details><summary>More</summary>\n\n```diff\n-a\n+b\n```\n\n</details>\n",
        "",
    ],
    ids=["hidden marker", "four-byte unicode", "crlf", "table and details", "empty"],
)
def test_a_body_comes_back_so_that_nothing_needs_updating(case: ForgeCase, body: str) -> None:
    content = PullRequestContent("Update 🎈", body)
    opened(case, content=content)

    again = ensure_pull_request(case.forge, found(case), HEAD, "main", content)

    assert again.action == "unchanged"


def test_a_body_at_the_limit_is_kept_whole(case: ForgeCase) -> None:
    content = PullRequestContent("Update", "é" * case.forge.body_limit)

    opened(case, content=content)

    assert found(case).body == content.body


# Many.


def test_open_pull_requests_are_found_by_prefix_over_all_pages(case: ForgeCase) -> None:
    case.many(65)
    closed = opened(case, "promptlayer/support/closed")
    case.close(closed.number)
    mine = {
        opened(case, f"promptlayer/support/{name}").number for name in ("reply", "refund", "greet")
    }

    ours = case.forge.list_open_pull_requests("promptlayer/support/")

    assert {each.number for each in ours} == mine
    assert len({each.number for each in case.forge.list_open_pull_requests("")}) == 65 + len(mine)


def test_finding_by_branch_takes_one_request_among_many(case: ForgeCase) -> None:
    case.many(65)
    created = opened(case)
    before = case.calls

    assert found(case) == created
    assert case.calls - before <= 1


# Comments.


def test_a_comment_is_made_once_and_edited_in_place(hosted_case: HostedCase) -> None:
    forge, number = hosted_case.forge, opened(hosted_case).number

    assert [
        requests(
            hosted_case, lambda: forge.upsert_comment(number, "conflict", "Please merge by hand.")
        ),
        requests(
            hosted_case, lambda: forge.upsert_comment(number, "conflict", "Please merge by hand.")
        ),
        requests(
            hosted_case, lambda: forge.upsert_comment(number, "conflict", "Still in conflict.")
        ),
        requests(
            hosted_case, lambda: forge.upsert_comment(number, "conflict", "Still in conflict.")
        ),
        requests(hosted_case, lambda: forge.upsert_comment(number, "results", "All good.")),
    ] == [2, 1, 2, 1, 2]


def test_commenting_on_what_is_not_there_is_not_found(case: ForgeCase) -> None:
    with pytest.raises(NotFoundError):
        case.forge.upsert_comment(4711, "conflict", "Hello?")


# The repository.


def test_the_default_branch_is_asked_for_once(case: ForgeCase) -> None:
    assert case.forge.find_default_branch() == "main"
    before = case.calls

    assert case.forge.find_default_branch() == "main"
    assert case.calls == before


def test_a_default_branch_that_moved_is_known_once_it_is_asked_for_again(case: ForgeCase) -> None:
    assert case.forge.find_default_branch() == "main"
    case.seed_branch("develop", {"develop.txt": b"next"})

    case.set_default_branch("develop")

    assert case.forge.find_default_branch() == "main"
    assert case.forge.find_default_branch(fresh=True) == "develop"
    assert case.forge.find_default_branch() == "develop"


def test_the_remote_can_be_fetched_from_and_pushed_to(case: ForgeCase, tmp_path: Path) -> None:
    remote = case.remote
    work = tmp_path / "work"
    git(remote, "clone", "--quiet", remote.url, str(work))
    (work / "pushed.txt").write_text("pushed")
    git(remote, "-C", str(work), "add", "pushed.txt")
    git(remote, "-C", str(work), "commit", "--quiet", "-m", "Push something")

    git(remote, "-C", str(work), "push", "--quiet", "origin", "HEAD:refs/heads/promptlayer/pushed")

    head = git(remote, "-C", str(work), "rev-parse", "HEAD").decode().strip()
    created = case.forge.create_pull_request("promptlayer/pushed", "main", CONTENT)
    assert created.head_commit == head


def test_the_remote_answers_a_shallow_fetch_without_blobs(case: ForgeCase, tmp_path: Path) -> None:
    remote = case.remote
    mirror = str(tmp_path / "mirror.git")
    git(remote, "init", "--quiet", "--bare", mirror)
    git(remote, "-C", mirror, "remote", "add", "origin", remote.url)

    git(
        remote, "-C", mirror, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin",
        "refs/heads/main",
    )  # fmt: skip

    missing = git(remote, "-C", mirror, "rev-list", "--objects", "--missing=print", "FETCH_HEAD")
    assert any(line.startswith(b"?") for line in missing.splitlines())


def test_the_remote_names_no_credential_in_its_url_or_text(case: ForgeCase) -> None:
    remote = case.remote

    assert "@" not in remote.url
    for secret in secrets(case):
        assert secret not in remote.url + repr(remote) + repr(case.forge)


# Credentials and bad days.


def test_access_that_suffices_is_all_right(case: ForgeCase) -> None:
    findings = case.forge.check_access(statuses=True)

    assert findings
    assert [each for each in findings if each.severity is not AccessFindingSeverity.OK] == []


def test_a_credential_that_may_only_read_is_told_what_it_lacks(hosted_case: HostedCase) -> None:
    findings = hosted_case.read_only_forge.check_access()

    problems = [each.message for each in findings if each.severity is AccessFindingSeverity.PROBLEM]
    assert problems
    assert all(secret not in message for message in problems for secret in secrets(hosted_case))


def test_a_credential_that_may_only_read_cannot_open_pull_requests(
    hosted_case: HostedCase,
) -> None:
    hosted_case.seed_branch(HEAD, {"prompts/reply.yaml": b"text"})

    with pytest.raises((ForbiddenError, NotFoundError)):
        hosted_case.read_only_forge.create_pull_request(HEAD, "main", CONTENT)


FAILURES: dict[Failure, type[BridgeError]] = {
    "401": UnauthorizedError,
    "403": ForbiddenError,
    "secondary": RateLimitedError,
    "404": NotFoundError,
    "409": RequestRefusedError,
    "422": RequestRefusedError,
    "429": RateLimitedError,
    "429-retry-after": RateLimitedError,
    "500": UnavailableError,
    "502": UnavailableError,
    "timeout": UnavailableError,
    "cut": UnavailableError,
}


@pytest.mark.parametrize(("kind", "family"), FAILURES.items(), ids=FAILURES)
def test_a_failure_while_reading_becomes_the_right_error(
    hosted_case: HostedCase, kind: Failure, family: type[BridgeError]
) -> None:
    forge = hosted_case.short_timeout_forge
    hosted_case.fail_next(kind)

    with pytest.raises(family) as failure:
        forge.list_pull_requests(HEAD)

    check_message(hosted_case, failure.value)


@pytest.mark.parametrize(("kind", "family"), FAILURES.items(), ids=FAILURES)
def test_a_failure_while_writing_becomes_the_right_error(
    hosted_case: HostedCase, kind: Failure, family: type[BridgeError]
) -> None:
    created = opened(hosted_case)
    forge = hosted_case.short_timeout_forge
    hosted_case.fail_next(kind)

    with pytest.raises(family) as failure:
        forge.update_pull_request(created, PullRequestContent("New", "new"))

    check_message(hosted_case, failure.value)


def test_the_pause_a_forge_asks_for_is_passed_on(hosted_case: HostedCase) -> None:
    hosted_case.fail_next("429-retry-after")

    with pytest.raises(RateLimitedError) as failure:
        hosted_case.forge.list_pull_requests(HEAD)

    assert failure.value.retry_after is not None
    assert failure.value.retry_after > 0


def test_one_failure_is_one_request_and_the_next_call_works(hosted_case: HostedCase) -> None:
    created = opened(hosted_case)
    hosted_case.fail_next("500")
    before = hosted_case.calls

    with pytest.raises(UnavailableError):
        hosted_case.forge.list_pull_requests(HEAD)

    assert hosted_case.calls - before == 1  # no silent retry: the engine waits
    assert found(hosted_case) == created


def test_a_slow_answer_is_an_answer(hosted_case: HostedCase) -> None:
    created = opened(hosted_case)
    hosted_case.fail_next("slow")

    assert found(hosted_case) == created


# Budgets: REST requests for what happens most.


def test_a_first_proposal_stays_within_its_requests(hosted_case: HostedCase) -> None:
    case = hosted_case
    case.seed_branch(HEAD, {"prompts/reply.yaml": b"text"})
    content = PullRequestContent("Update", "", labels=("prompt",))

    def propose() -> None:
        assert list(case.forge.list_pull_requests(HEAD)) == []
        ensure_pull_request(case.forge, None, HEAD, "main", content)

    assert requests(case, propose) <= {"github": 3, "gitlab": 2}[case.name]


def test_a_newer_version_stays_within_its_requests(hosted_case: HostedCase) -> None:
    case = hosted_case
    opened(case)

    def propose() -> None:
        open_ = found(case)
        ensure_pull_request(case.forge, open_, HEAD, "main", PullRequestContent("New", "new"))

    assert requests(case, propose) <= 2


def test_closing_takes_one_request(hosted_case: HostedCase) -> None:
    created = opened(hosted_case)

    assert (
        requests(hosted_case, lambda: hosted_case.forge.close_pull_request(created, "In step."))
        <= 1
    )


# Hands.


def requests(case: ForgeCase, act: Callable[[], object]) -> int:
    """How many REST requests ``act`` takes."""
    before = case.calls
    act()
    return case.calls - before


def secrets(case: ForgeCase) -> list[str]:
    password = case.remote.password
    return [password] if password else []


def check_message(case: ForgeCase, error: BridgeError) -> None:
    """For a person: a sentence, without the credential and without the forge's HTML."""
    assert len(str(error)) > 20
    assert "<html" not in str(error).lower()
    for secret in secrets(case):
        assert secret not in str(error) + repr(error) + repr(error.__cause__)


def git(remote: GitRemote, *arguments: str) -> bytes:
    """Run git with the credential in its environment only."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": '!f() { echo "username=$U"; echo "password=$P"; }; f',
        "U": remote.username or "",
        "P": remote.password or "",
        "GIT_AUTHOR_NAME": "Ann",
        "GIT_AUTHOR_EMAIL": "ann@example.com",
        "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "ann@example.com",
    }
    return subprocess.run(
        ["git", *arguments], env=environment, check=True, capture_output=True, timeout=60
    ).stdout


def remote_branches(remote: GitRemote) -> set[str]:
    listing = git(remote, "ls-remote", remote.url, "refs/heads/*").decode()
    return {line.partition("refs/heads/")[2] for line in listing.splitlines()}


def file_on(remote: GitRemote, branch: str, path: str) -> bytes:
    """The content of a file at the tip of a branch, fetched as anybody would."""
    with tempfile.TemporaryDirectory() as folder:
        git(remote, "clone", "--quiet", "--branch", branch, remote.url, folder)
        return (Path(folder) / path).read_bytes()


# People who edit the body.


def test_the_person_who_edited_the_body_last_is_found(case: ForgeCase) -> None:
    pull_request = opened(case)
    case.edit_body(pull_request.number, "- [x] Checked by a person", "mallory")
    case.edit_body(pull_request.number, "- [x] Checked by another one", "sam")

    assert case.forge.find_body_editor(pull_request) == "sam"


def test_only_people_who_may_push_may_write(case: ForgeCase) -> None:
    pull_request = opened(case)
    case.edit_body(pull_request.number, "Edited", "mallory")

    assert case.forge.may_write("sam")
    assert not case.forge.may_write("mallory")
    assert not case.forge.may_write("nobody")
