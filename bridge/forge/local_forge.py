"""The local forge: bare repositories and pull requests on this disk.

For the demo, the tests and offline work. ``root/owner/name.git`` is a bare repository and
``root/owner/name.pulls/<number>.json`` one pull request; several processes may share them. The
port is what the bridge uses; ``merge``, ``close``, ``reopen``, ``diff`` and ``commits`` are what a
person does with a pull request, and what the page in ``bridge.sandbox.forge_page`` offers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bridge.errors import AlreadyExistsError, NotFoundError, RequestRefusedError
from bridge.forge.forge import (
    AccessFinding,
    AccessFindingSeverity,
    GitRemote,
    PullRequest,
    PullRequestClosing,
    PullRequestContent,
    PullRequestState,
    StatusState,
    shorten_status_text,
)
from bridge.forge.local_pull_request_commits import LocalPullRequestCommits, MergeMethod
from bridge.forge.local_pull_request_files import PullRequestRecord, PullRequestRecords
from bridge.forge.local_repository import BareRepository, LocalCommit, parse_person
from bridge.forge.local_statuses import CommitStatusFiles, LocalCommitStatus
from bridge.forge.push_rules import PushRule

__all__ = ["LocalForge", "MergeMethod", "list_repositories"]

BODY_LIMIT = 65_536  # as on GitHub, so that what works here works there
TITLE_LIMIT = 255
PAGE_SIZE = 30
BOT_LOGIN = "promptlayer-bridge"  # the login of whoever uses the port
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")


class LocalForge:
    """One repository under ``root``. ``page_url`` is where the page is served, without a slash
    at the end; ``people`` are the logins that exist, None is everybody."""

    def __init__(
        self,
        root: Path,
        repository: str,
        *,
        forge_name: str = "local",
        page_url: str | None = None,
        people: Collection[str] | None = None,
    ) -> None:
        self._name = _checked(repository)
        self._forge_name = forge_name
        self._page_url = page_url
        self._people = people
        self._default_branch: str | None = None
        self._git = BareRepository(root.resolve() / f"{repository}.git")
        self._pulls = PullRequestRecords(root.resolve() / f"{repository}.pulls")
        self._statuses = CommitStatusFiles(root.resolve() / f"{repository}.statuses")
        self._history = LocalPullRequestCommits(self._git, self.repository)

    @staticmethod
    def create_repository(
        root: Path, repository: str, files: Mapping[str, bytes], default_branch: str = "main"
    ) -> Path:
        """Make a repository with one commit of ``files`` and return its path. Raises
        AlreadyExistsError, or RequestRefusedError for a name that is not ``owner/name``."""
        path = root.resolve() / f"{_checked(repository)}.git"
        return BareRepository.create(path, files, default_branch).path

    # The port.

    @property
    def repository(self) -> str:
        return f"{self._forge_name}:{self._name}"

    @property
    def body_limit(self) -> int:
        return BODY_LIMIT

    @property
    def creation_limits(self) -> tuple[tuple[int, float], ...]:
        return ()

    def build_file_url(self, path: str, branch: str | None = None) -> str | None:  # noqa: ARG002 - no page
        return None

    def create_git_remote(self) -> GitRemote:
        return GitRemote(str(self._git.path))

    def find_default_branch(self, *, fresh: bool = False) -> str:
        if fresh or self._default_branch is None:
            self._default_branch = self._git.find_default_branch()
        return self._default_branch

    def list_pull_requests(self, head: str) -> Sequence[PullRequest]:
        mine = [pull for pull in self._own() if pull.head == head]
        return self._seen(mine[:PAGE_SIZE])

    def list_open_pull_requests(self, head_prefix: str) -> Sequence[PullRequest]:
        return self._seen(
            pull for pull in self._own() if pull.is_open and pull.head.startswith(head_prefix)
        )

    def find_pull_request(self, number: int) -> PullRequest | None:
        known = self._pulls.build_path(number).is_file()
        return next(iter(self._seen([self._pulls.read(number)] if known else [])), None)

    def read_closing(self, pull_request: PullRequest) -> PullRequestClosing:
        return PullRequestClosing(pull_request.closed_by or "")

    def find_body_editor(self, pull_request: PullRequest) -> str:
        return self._pulls.read(pull_request.number).edited_by or ""

    def may_write(self, login: str) -> bool:
        return self._people is None or login in self._people

    def list_pull_requests_of_commit(self, commit: str) -> Sequence[PullRequest]:
        return self._seen(self._history.find_pull_requests_with(self._pulls.read_all(), commit))

    def create_pull_request(self, head: str, base: str, content: PullRequestContent) -> PullRequest:
        self._check(content.title, content.body)
        with self._pulls.lock_for_writing():
            self._check_creatable(head, base)
            pull = PullRequestRecord(
                number=self._pulls.find_newest_number() + 1,
                state=PullRequestState.OPEN,
                head=head,
                base=base,
                title=content.title,
                body=content.body,
                draft=content.draft,
                labels=content.labels,
                assignees=self._known(content.assignees),
                reviewers=self._known(content.reviewers),
                author=BOT_LOGIN,
            )
            return self._kept(pull)

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        self._check(content.title, content.body)
        with self._pulls.lock_for_writing():
            pull = self._pulls.read(pull_request.number)
            if base not in (None, pull.base):
                self._check_creatable(pull.head, str(base))
            pull = replace(
                pull,
                base=base or pull.base,
                title=content.title,
                body=content.body,
                edited_by=pull.edited_by if content.body == pull.body else BOT_LOGIN,
                draft=content.draft,
                labels=_joined(pull.labels, content.labels, content.removed_labels),
                assignees=_joined(pull.assignees, self._known(content.assignees)),
                reviewers=_joined(pull.reviewers, self._known(content.reviewers)),
            )
            return self._kept(pull)

    def close_pull_request(self, pull_request: PullRequest, body: str) -> PullRequest:
        self._check(pull_request.title, body)
        with self._pulls.lock_for_writing():
            pull = replace(self._pulls.read(pull_request.number), body=body)
            if pull.is_open:
                pull = replace(pull, state=PullRequestState.CLOSED)
            return self._kept(pull)

    def upsert_comment(self, number: int, marker: str, body: str) -> None:
        self._check("A comment", body)
        with self._pulls.lock_for_writing():
            pull = self._pulls.read(number)
            if pull.comments.get(marker) != body:
                self._pulls.write(replace(pull, comments={**pull.comments, marker: body}))

    def set_commit_status(
        self, commit: str, name: str, state: StatusState, text: str, url: str | None
    ) -> None:
        if not self._git.has_commit(commit):
            raise NotFoundError(f"{self.repository} has no commit {commit!r}: push it first.")
        with self._pulls.lock_for_writing():
            self._statuses.write(
                commit, name, LocalCommitStatus(state, shorten_status_text(text), url)
            )

    def push_rules(self, branch: str) -> Sequence[PushRule]:  # noqa: ARG002 - hooks cannot be read
        return ()

    def read_status(self, commit: str, name: str) -> StatusState | None:
        said = self._statuses.read(commit).get(name)
        return said.state if said else None

    def check_access(
        self,
        *,
        statuses: bool = False,  # noqa: ARG002
        drafts: bool = False,  # noqa: ARG002
    ) -> Sequence[AccessFinding]:
        path = self._git.path
        if not path.is_dir():
            problem = f"{self.repository}: there is no repository at {path}: create it first."
        elif not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            problem = f"{self.repository}: {path.parent} is not writable for this user."
        else:
            return (
                AccessFinding(
                    AccessFindingSeverity.OK, f"{self.repository}: {path} can be read and written."
                ),
            )
        return (AccessFinding(AccessFindingSeverity.PROBLEM, problem),)

    # Actions of people.

    def list_all_pull_requests(self) -> Sequence[PullRequest]:
        """All pull requests, newest first."""
        return self._seen(self._pulls.read_all())

    def read_pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises NotFoundError."""
        return self._seen([self._pulls.read(number)])[0]

    def read_statuses(self, commit: str) -> Mapping[str, LocalCommitStatus]:
        """Read the statuses of a commit: check → status."""
        return self._statuses.read(commit)

    def read_comments(self, number: int) -> Mapping[str, str]:
        """The comments of a pull request: marker → body."""
        return self._pulls.read(number).comments

    def diff(self, number: int) -> str:
        """Show the changes that merging would make, as ``git diff`` prints them."""
        return self._history.diff(self._pulls.read(number))

    def list_commits(self, number: int) -> Sequence[LocalCommit]:
        """The pull request's commits, oldest first."""
        return self._history.list_commits(self._pulls.read(number))

    def merge(
        self, number: int, how: MergeMethod = "merge", author: str = "Reviewer <reviewer@localhost>"
    ) -> PullRequest:
        """Merge into the base branch (``how`` is merge, squash or rebase). Raises
        RequestRefusedError for a conflict, a draft, or a pull request that is not open."""
        with self._pulls.lock_for_writing():
            pull = self._pulls.read(number)
            if not pull.is_open or pull.draft:
                state = "a draft" if pull.draft else pull.state.value
                raise RequestRefusedError(
                    f"Pull request {number} is {state}, so it cannot be merged."
                )
            return self._kept(self._history.merge(pull, how, parse_person(author)))

    def edit_body(self, number: int, body: str, by: str) -> PullRequest:
        """Write another body, as the login ``by``."""
        self._check("A body", body)
        with self._pulls.lock_for_writing():
            return self._kept(replace(self._pulls.read(number), body=body, edited_by=by))

    def open_from_fork(self, owner: str, head: str, commit: str, base: str, title: str) -> int:
        """Open a pull request from branch ``head`` of ``owner``'s fork, which is at ``commit``
        (an object of this repository, as on the big forges); its number."""
        self._check(title, "")
        with self._pulls.lock_for_writing():
            number = self._pulls.find_newest_number() + 1
            self._history.store_head_ref(number, commit)
            pull = PullRequestRecord(
                number,
                PullRequestState.OPEN,
                head,
                base,
                title,
                "",
                False,
                fork=owner,
                author=owner,
            )
            return self._kept(pull).number

    def close(self, number: int, by: str | None = None) -> PullRequest:
        """Close without merging, as the login ``by``. Raises RequestRefusedError when it is not
        open."""
        return self._turn(number, PullRequestState.OPEN, PullRequestState.CLOSED, by)

    def reopen(self, number: int) -> PullRequest:
        """Open a closed one again. Raises RequestRefusedError when it is not closed, its branch is
        gone, or another one is open for the same branches."""
        return self._turn(number, PullRequestState.CLOSED, PullRequestState.OPEN)

    def _turn(
        self, number: int, old: PullRequestState, new: PullRequestState, by: str | None = None
    ) -> PullRequest:
        with self._pulls.lock_for_writing():
            pull = self._pulls.read(number)
            if pull.state is not old:
                raise RequestRefusedError(f"Pull request {number} is {pull.state}, not {old}.")
            if new is PullRequestState.OPEN and not pull.fork:
                self._check_creatable(pull.head, pull.base)
            return self._kept(replace(pull, state=new, closed_by=by))

    # Values and rules.

    def _kept(self, pull: PullRequestRecord) -> PullRequest:
        decided_at = None if pull.is_open else pull.decided_at or datetime.now(UTC).isoformat()
        pull = replace(pull, decided_at=decided_at)
        self._pulls.write(pull)
        return self._seen([pull])[0]

    def _seen(self, pulls: Iterable[PullRequestRecord]) -> list[PullRequest]:
        refs = self._git.list_refs()
        return [
            pull.build_pull_request(
                self._url(pull.number), self._history.find_head_commit(pull, refs)
            )
            for pull in pulls
        ]

    def _own(self) -> Iterable[PullRequestRecord]:
        """Leave out those from forks, whose branches may have the same names."""
        return (pull for pull in self._pulls.read_all() if not pull.fork)

    def _url(self, number: int) -> str:
        if self._page_url is None:
            return self._pulls.build_path(number).as_uri()
        return f"{self._page_url}/{self._name}/pull/{number}"

    def _known(self, logins: Sequence[str]) -> tuple[str, ...]:
        return tuple(login for login in logins if self._people is None or login in self._people)

    def _check(self, title: str, body: str) -> None:
        if not title.strip() or len(title) > TITLE_LIMIT:
            raise RequestRefusedError(
                f"A title has 1 to {TITLE_LIMIT} characters; this one has {len(title)}."
            )
        if len(body) > BODY_LIMIT:
            raise RequestRefusedError(
                f"A body has at most {BODY_LIMIT} characters; this has {len(body)}."
            )

    def _check_creatable(self, head: str, base: str) -> None:
        branches = self._git.list_branches()
        for branch in (head, base):
            if branch not in branches:
                raise RequestRefusedError(
                    f"{self.repository} has no branch {branch!r}: push it first."
                )
        if branches[head] == branches[base]:
            raise RequestRefusedError(f"There are no commits between {base!r} and {head!r}.")
        for pull in self._own():
            if pull.is_open and (pull.head, pull.base) == (head, base):
                raise AlreadyExistsError(
                    f"Pull request {pull.number} is open from {head!r} to {base!r} already."
                )


def _joined(there: Sequence[str], more: Sequence[str], less: Sequence[str] = ()) -> tuple[str, ...]:
    return tuple(each for each in dict.fromkeys([*there, *more]) if each not in less)


def list_repositories(root: Path) -> list[str]:
    """Every repository under ``root``, as ``owner/name``, sorted."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in root.glob("*/*.git"))


def _checked(repository: str) -> str:
    if _NAME.fullmatch(repository) is None:
        raise RequestRefusedError(
            f"{repository!r} is not a repository of the local forge: write owner/name with "
            "letters, digits, '.', '_' and '-'."
        )
    return repository
