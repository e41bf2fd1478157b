"""What the GitHub stand-in remembers: repositories, pull requests, comments, credentials.

Branches are not remembered here but read from the bare repository, so a push is seen at once.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.standins.branch_protection import GITHUB, protect
from tests.standins.git_http import (
    Files,
    MergeConflict,
    commit_files,
    delete_branch,
    git,
    merge_branches,
)

BODY_LIMIT = 65536  # characters


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Refusal(Exception):  # noqa: N818 - it is an answer more than an error
    """An answer GitHub gives instead of doing what was asked."""

    status: int
    message: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def invalid(message: str = "", **about: str) -> Refusal:
    """422 in GitHub's words; ``about`` holds resource, field, code, value."""
    error = {"resource": "PullRequest", "code": "custom"} | about
    return Refusal(422, "Validation Failed", [error | ({"message": message} if message else {})])


@dataclass
class Credential:
    """Somebody who may ask. ``scopes`` is set for a classic token, ``permissions`` for a
    fine-grained one or an App's installation."""

    login: str
    token: str
    may_push: bool = True
    scopes: str | None = None
    permissions: dict[str, str] | None = None
    expires_at: datetime | None = None
    is_app: bool = False

    def may(self, permission: str) -> bool:
        if self.permissions is not None:
            return self.permissions.get(permission) == "write"
        return self.may_push


@dataclass
class Comment:
    id: int
    author: str
    body: str
    at: datetime


@dataclass(frozen=True)
class CommitStatus:
    id: int
    commit: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    author: str
    at: datetime


@dataclass
class Pull:
    number: int
    head: str
    base: str
    title: str
    body: str | None
    draft: bool
    author: str
    at: datetime
    head_commit: str
    base_commit: str
    head_owner: str
    state: str = "open"
    closed_at: datetime | None = None
    events: list[tuple[str, str, datetime]] = field(default_factory=list)  # what, who, when
    merged_at: datetime | None = None
    merge_commit: str | None = None
    merged_onto: str | None = None  # the base's commit right before
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    editor: str | None = None  # who changed the body last

    def write(self, body: str | None, by: str) -> None:
        if body != self.body:
            self.body, self.editor = body, by

    def close(self, at: datetime, by: str = "sam") -> None:
        self.state, self.closed_at = "closed", at
        self.events.append(("closed", by, at))

    def reopen(self) -> None:
        if self.merged_at:
            raise invalid("state cannot be changed. The pull request cannot be reopened.")
        self.state, self.closed_at = "open", None


class Repository:
    """One repository as GitHub holds it, with its pull requests. Tests use it as a person would
    use the site: push, merge, close, reopen."""

    def __init__(
        self, owner: str, name: str, path: Path, number: int, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.owner = owner
        self.name = name
        self.path = path
        self.id = number
        self.now = now
        self.default_branch = "main"
        self.archived = False
        self.branch_rules: list[dict[str, Any]] = []  # as the API shows them
        self.drafts = True  # whether the plan has them
        self.notices_late = 0  # how often a new branch is asked for before it is noticed
        self.nulls = False  # whether what may be null is
        self._asked_for = Counter[str]()
        self.collaborators = {"alice", "bob", "sam"}
        self.teams = {"writers"}
        self.pulls: dict[int, Pull] = {}
        self.statuses: list[CommitStatus] = []  # oldest first
        self.changed: Callable[[], None] = lambda: None  # called after what is done by hand
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._comment_ids = itertools.count(1001)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def push(self, branch: str, files: Files, message: str = "Change by a person") -> str:
        """A person's commit on top of ``branch`` (of main where it is new); its object name."""
        commit = commit_files(self.path, branch, files, message=message)
        self.changed()
        return commit

    def delete_branch(self, branch: str) -> None:
        delete_branch(self.path, branch)
        self.changed()

    def protect(self, branch: str) -> None:
        """Decline every push there; merging still works."""
        protect(self.path, branch, GITHUB)

    def open_pull(
        self,
        head: str,
        base: str,
        *,
        title: str,
        body: str | None = None,
        draft: bool = False,
        author: str = "sam",
        head_owner: str | None = None,
    ) -> Pull:
        """Open a pull request, or refuse as GitHub does. With another ``head_owner`` it comes
        from that one's fork."""
        with self.lock:
            self.refresh()
            branches = self.branches()
            _require_text(title, body)
            if draft and not self.drafts:
                raise Refusal(422, "Draft pull requests are not supported in this repository.")
            self._asked_for[head] += 1
            unnoticed = head if self._asked_for[head] <= self.notices_late else None
            for field_name, branch in (("head", head), ("base", base)):
                if branch not in branches or branch == unnoticed:
                    raise invalid(field=field_name, code="invalid")
            owner = head_owner or self.owner
            self._refuse_second(head, base, owner)
            if branches[head] == branches[base] or self._is_merged(branches[head], branches[base]):
                raise invalid(f"No commits between {base} and {head}")
            pull = Pull(
                number=next(self._numbers),
                head=head,
                base=base,
                title=title,
                body=body,
                draft=draft,
                author=author,
                at=self.now(),
                head_commit=branches[head],
                base_commit=branches[base],
                head_owner=owner,
            )
            self.pulls[pull.number] = pull
            return pull

    def open_many(self, count: int, prefix: str = "many") -> None:
        """``count`` open pull requests at once, from branches ``prefix/1``, ``prefix/2`` …"""
        first = self.push(f"{prefix}/1", {f"{prefix}.txt": b"one\n"})
        refs = "".join(f"create refs/heads/{prefix}/{n} {first}\n" for n in range(2, count + 1))
        git(self.path, "update-ref", "--stdin", stdin=refs.encode())
        for n in range(1, count + 1):
            self.open_pull(f"{prefix}/{n}", self.default_branch, title=f"Number {n}")

    def pull(self, number: int) -> Pull:
        with self.lock:
            self.refresh()
            if number not in self.pulls:
                raise Refusal(404, "Not Found")
            return self.pulls[number]

    def merge(self, number: int, how: str = "merge") -> str:
        """Press the merge button: ``merge``, ``squash`` or ``rebase``; the base's new commit."""
        commit = self._merge(number, how)
        self.changed()
        return commit

    def _merge(self, number: int, how: str) -> str:
        with self.lock:
            pull = self.pull(number)
            if pull.state != "open" or pull.draft:
                raise Refusal(405, "Pull Request is not mergeable")
            message = f"{pull.title} (#{number})"
            pull.merged_onto = self.branches()[pull.base]
            try:
                pull.merge_commit = merge_branches(self.path, pull.head, pull.base, how, message)
            except MergeConflict:
                raise Refusal(405, "Pull Request is not mergeable") from None
            pull.merged_at = self.now()
            pull.close(pull.merged_at)
            return pull.merge_commit

    def close(self, number: int, by: str = "sam") -> None:
        self.pull(number).close(self.now(), by)
        self.changed()

    def reopen(self, number: int) -> None:
        self.pull(number).reopen()
        self.changed()

    def edit_body(self, number: int, body: str, by: str = "sam") -> None:
        self.pull(number).write(body, by)
        self.changed()

    def brings(self, pull: Pull, commit: str) -> bool:
        """Whether a commit is of the pull request's branch, or was made by its merge."""
        ranges = [f"{pull.base_commit}..{pull.head_commit}"]
        if pull.merged_onto and pull.merge_commit:
            ranges.append(f"{pull.merged_onto}..{pull.merge_commit}")
        return any(commit in git(self.path, "rev-list", each).split() for each in ranges)

    def retarget(self, pull: Pull, base: str) -> None:
        """Take an open pull request to another base, or refuse as GitHub does."""
        with self.lock:
            branches = self.branches()
            if base not in branches:
                raise invalid(field="base", code="invalid")
            if base == pull.base:
                return
            if pull.state != "open":
                raise invalid("Cannot change the base branch of a closed pull request.")
            self._refuse_second(pull.head, base, pull.head_owner)
            if self._is_merged(pull.head_commit, branches[base]):
                raise invalid(f"There are no new commits between {base} and {pull.head}")
            pull.base, pull.base_commit = base, branches[base]

    def rename_branch(self, old: str, new: str) -> None:
        """As the settings page does: the default branch and open pull requests go along."""
        with self.lock:
            commit = self.branches()[old]
            git(self.path, "update-ref", f"refs/heads/{new}", commit)
            git(self.path, "update-ref", "-d", f"refs/heads/{old}")
            if self.default_branch == old:
                self.set_default_branch(new)
            for pull in self.pulls.values():
                if pull.state == "open" and pull.base == old:
                    pull.base = new
        self.changed()

    def set_default_branch(self, branch: str) -> None:
        git(self.path, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        self.default_branch = branch

    def comment(self, number: int, author: str, body: str) -> Comment:
        with self.lock:
            comment = Comment(next(self._comment_ids), author, body, self.now())
            self.pull(number).comments.append(comment)
            return comment

    def find_comment(self, comment_id: int) -> tuple[Pull, Comment]:
        for pull in self.pulls.values():
            for comment in pull.comments:
                if comment.id == comment_id:
                    return pull, comment
        raise Refusal(404, "Not Found")

    def delete_comment(self, comment_id: int) -> None:
        pull, comment = self.find_comment(comment_id)
        pull.comments.remove(comment)

    def require_people(self, logins: list[str]) -> None:
        """Refuse all of them for one that cannot be assigned, as an edited issue does."""
        for login in logins:
            if login not in self.collaborators:
                raise invalid(resource="Issue", field="assignees", code="invalid", value=login)

    def request_reviews(self, pull: Pull, reviewers: list[str], teams: list[str]) -> None:
        if pull.author in reviewers:
            raise Refusal(422, "Review cannot be requested from pull request author.")
        if not (set(reviewers) <= self.collaborators and set(teams) <= self.teams):
            raise Refusal(
                422,
                "Reviews may only be requested from collaborators. One or more of the users or "
                f"teams you specified is not a collaborator of the {self.full_name} repository.",
            )
        pull.reviewers = list(dict.fromkeys([*pull.reviewers, *reviewers]))
        pull.teams = list(dict.fromkeys([*pull.teams, *teams]))

    def branches(self) -> dict[str, str]:
        lines = git(
            self.path, "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads"
        )
        pairs = (line.split(" ", 1) for line in lines.splitlines())
        return {branch: commit for commit, branch in pairs}

    def refresh(self) -> None:
        """Let open pull requests follow their branches; one whose branch is gone is closed."""
        branches = self.branches()
        for pull in self.pulls.values():
            if pull.state != "open" or pull.head_owner != self.owner:
                continue
            if pull.head in branches:
                pull.head_commit = branches[pull.head]
            else:
                pull.close(self.now())
                pull.events.append(("head_ref_deleted", "sam", self.now()))

    def _refuse_second(self, head: str, base: str, owner: str) -> None:
        for pull in self.pulls.values():
            if (pull.state, pull.head, pull.base, pull.head_owner) == ("open", head, base, owner):
                raise invalid(f"A pull request already exists for {owner}:{head}.")

    def _is_merged(self, head: str, base: str) -> bool:
        return git(self.path, "rev-list", "--count", f"{base}..{head}") == "0"


def _require_text(title: str, body: str | None) -> None:
    if not title:
        raise invalid(resource="Issue", field="title", code="missing_field")
    if len(body or "") > BODY_LIMIT:
        raise invalid(f"body is too long (maximum is {BODY_LIMIT} characters)", field="body")
