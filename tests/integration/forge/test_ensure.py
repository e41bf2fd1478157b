"""Making a pull request exist: against a forge that is real enough to lose a race on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import AlreadyExistsError, StaleStateError
from bridge.forge.ensure_pull_request import ensure_pull_request, has_content
from bridge.forge.forge import PullRequest, PullRequestContent, PullRequestState
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_repository import BareRepository

HEAD = "promptlayer/reply"
CONTENT = PullRequestContent("Update reply", "What changed.")


class WatchedForge(LocalForge):
    """The local forge, remembering what was asked of it."""

    asked: list[str]

    def create_pull_request(self, head: str, base: str, content: PullRequestContent) -> PullRequest:
        self.asked.append("create")
        return super().create_pull_request(head, base, content)

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        self.asked.append("update")
        return super().update_pull_request(pull_request, content, base=base)


class ForgetfulForge(LocalForge):
    """A forge whose list lags behind: it says a pull request exists and shows none."""

    def create_pull_request(self, head: str, base: str, content: PullRequestContent) -> PullRequest:
        raise AlreadyExistsError(f"{content.title!r} from {head!r} to {base!r} is open already.")

    def list_pull_requests(self, head: str) -> Sequence[PullRequest]:
        return super().list_pull_requests(f"not-yet-listed/{head}")


@pytest.fixture
def forge(tmp_path: Path) -> WatchedForge:
    path = LocalForge.create_repository(tmp_path, "acme/bot", {"README.md": b"# Bot\n"})
    repository = BareRepository(path)
    repository.commit_files(HEAD, repository.list_branches()["main"], {"reply.yaml": b"Hello\n"})
    forge = WatchedForge(tmp_path, "acme/bot")
    forge.asked = []
    return forge


def test_a_missing_pull_request_is_created(forge: WatchedForge) -> None:
    ensured = ensure_pull_request(forge, None, HEAD, "main", CONTENT)

    assert ensured.action == "created"
    assert list(forge.list_pull_requests(HEAD)) == [ensured.pull_request]


def test_a_pull_request_that_says_so_already_costs_no_request(forge: WatchedForge) -> None:
    there = ensure_pull_request(forge, None, HEAD, "main", CONTENT).pull_request
    forge.asked.clear()

    ensured = ensure_pull_request(forge, there, HEAD, "main", CONTENT)

    assert (ensured.action, ensured.pull_request) == ("unchanged", there)
    assert forge.asked == []


@pytest.mark.parametrize(
    "content",
    [
        PullRequestContent("Another title", CONTENT.body),
        PullRequestContent(CONTENT.title, "Another body."),
        PullRequestContent(CONTENT.title, CONTENT.body, draft=True),
    ],
    ids=["title", "body", "draft"],
)
def test_a_pull_request_that_says_something_else_is_updated(
    forge: WatchedForge, content: PullRequestContent
) -> None:
    there = ensure_pull_request(forge, None, HEAD, "main", CONTENT).pull_request

    ensured = ensure_pull_request(forge, there, HEAD, "main", content)

    assert (ensured.action, forge.asked) == ("updated", ["create", "update"])
    assert has_content(forge.read_pull_request(there.number), content)


def test_labels_and_people_that_are_missing_are_added_and_cost_nothing_after_that(
    forge: WatchedForge,
) -> None:
    there = ensure_pull_request(forge, None, HEAD, "main", CONTENT).pull_request
    more = PullRequestContent(
        CONTENT.title, CONTENT.body, labels=("prompt",), reviewers=("@Alice",), assignees=("bob",)
    )

    added = ensure_pull_request(forge, there, HEAD, "main", more)
    same = replace(added.pull_request, reviewers=frozenset({"alice"}))

    assert added.action == "updated"
    assert ensure_pull_request(forge, same, HEAD, "main", more).action == "unchanged"


def test_what_the_forge_did_not_take_is_told(tmp_path: Path, forge: WatchedForge) -> None:
    known = LocalForge(tmp_path, "acme/bot", people={"alice"})
    content = replace(CONTENT, labels=("prompt",), reviewers=("alice", "ghost"))

    ensured = ensure_pull_request(known, None, HEAD, "main", content)

    assert ensured.refused == (("reviewer", "ghost"),)


def test_a_pull_request_to_another_base_is_taken_to_the_base(
    tmp_path: Path, forge: WatchedForge
) -> None:
    repository = BareRepository(tmp_path / "acme/bot.git")
    repository.commit_files(
        "develop", repository.list_branches()["main"], {"develop.txt": b"Hello\n"}
    )
    there = ensure_pull_request(forge, None, HEAD, "main", CONTENT).pull_request

    moved = ensure_pull_request(forge, there, HEAD, "develop", CONTENT)

    assert (moved.action, moved.pull_request.base_branch) == ("updated", "develop")
    assert moved.pull_request.number == there.number


@pytest.mark.parametrize("stored", ["one\ntwo", "one\r\ntwo\r\n", "one\ntwo\n\n", "\none\ntwo  "])
def test_what_a_forge_does_to_line_ends_is_no_difference(stored: str) -> None:
    held = PullRequest(
        1, "", PullRequestState.OPEN, HEAD, "main", "0" * 40, "Update reply", stored, False
    )

    assert has_content(held, PullRequestContent("Update reply ", "one\ntwo\n"))
    assert not has_content(held, PullRequestContent("Update reply", "one two"))


def test_a_lost_race_ends_in_the_one_pull_request(forge: WatchedForge) -> None:
    theirs = forge.create_pull_request(HEAD, "main", PullRequestContent("Theirs", ""))

    ensured = ensure_pull_request(forge, None, HEAD, "main", CONTENT)

    assert (ensured.action, ensured.pull_request.number) == ("updated", theirs.number)
    assert [each.title for each in forge.list_all_pull_requests()] == [CONTENT.title]


def test_a_closed_pull_request_is_not_taken_for_the_open_one(forge: WatchedForge) -> None:
    rejected = forge.create_pull_request(HEAD, "main", CONTENT)
    forge.close(rejected.number)

    ensured = ensure_pull_request(forge, None, HEAD, "main", CONTENT)

    assert (ensured.action, ensured.pull_request.number) == ("created", rejected.number + 1)


def test_a_lost_race_finds_the_open_one_behind_a_newer_closed_one(forge: WatchedForge) -> None:
    older = forge.create_pull_request(HEAD, "main", CONTENT)
    forge.close(older.number)
    forge.close(forge.create_pull_request(HEAD, "main", CONTENT).number)
    forge.reopen(older.number)

    ensured = ensure_pull_request(forge, None, HEAD, "main", CONTENT)

    assert (ensured.action, ensured.pull_request) == ("unchanged", older)


@pytest.mark.usefixtures("forge")
def test_one_that_exists_and_is_not_shown_is_looked_at_again_later(tmp_path: Path) -> None:
    forge = ForgetfulForge(tmp_path, "acme/bot")

    with pytest.raises(StaleStateError, match="acme/bot"):
        ensure_pull_request(forge, None, HEAD, "main", CONTENT)
