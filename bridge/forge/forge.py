"""The interface of a forge, and the values that pass through it.

A ``Forge`` is one repository on one forge. Every call is finished when it returns, returns frozen
values, and raises only errors of ``bridge.errors``. No method is optional: one is added only when
the core needs it and every forge can serve it truthfully.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bridge.forge.push_rules import PushRule


class PullRequestState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"  # without a merge


@dataclass(frozen=True)
class GitRemote:
    """The address of the repository for git. The credential reaches git by environment only."""

    url: str  # without credentials
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: str = field(default="", repr=False)  # certificates (PEM) besides the system's
    # Hears the HTTP status with which the credential was refused; whether another one may do.
    renew: Callable[[int], bool] = field(default=lambda _: False, repr=False, compare=False)


@dataclass(frozen=True)
class PullRequest:
    """A pull request as the forge holds it (GitLab calls it a merge request)."""

    number: int
    url: str  # for people
    state: PullRequestState
    head_branch: str  # branch name
    base_branch: str  # branch name
    head_commit: str  # full object name of the head's newest commit that the forge knows
    title: str  # without any marker the forge uses to say "draft"
    body: str
    is_draft: bool
    labels: frozenset[str] = frozenset()
    assignees: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    is_from_fork: bool = False  # whether ``head_branch`` is a branch of another repository
    author: str = ""  # login
    merge_commit: str | None = None  # what the base pointed at after the merge
    decided_at: datetime | None = None  # when it was merged or closed; aware
    closed_by: str | None = None  # login, where the forge's answer has it


@dataclass(frozen=True)
class PullRequestContent:
    """The wanted content of a pull request. ``labels``, ``reviewers`` and ``assignees`` are
    those to add: all others on it belong to the people who work with it, and stay."""

    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[
        str, ...
    ] = ()  # login names; "org/team" or "group/…" where the forge has teams
    assignees: tuple[str, ...] = ()
    removed_labels: tuple[str, ...] = ()
    """Labels to take off an open pull request; one that it does not have is no error."""
    unfinished_body: str | None = None
    """What the body says until labels and people were asked for, on a forge that takes several
    requests to create all of it; None says the same all the time."""

    @property
    def additions(self) -> tuple[tuple[str, str], ...]:
        """Everything to add: (what it is, its name)."""
        kinds = (
            ("label", self.labels),
            ("reviewer", self.reviewers),
            ("assignee", self.assignees),
        )
        return tuple((kind, name) for kind, names in kinds for name in names)


@dataclass(frozen=True)
class PullRequestClosing:
    """How a pull request came to be closed without a merge."""

    by: str  # login; empty where the forge does not give it
    with_branch: bool = False  # by the forge itself, because the head branch was deleted


class StatusState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"  # the check failed
    ERROR = "error"  # it could not be checked


STATUS_LIMIT = 140  # characters of a status's text: the least that a forge takes


def shorten_status_text(text: str) -> str:
    """On one line, and no longer than every forge takes."""
    line = " ".join(text.split())
    return line if len(line) <= STATUS_LIMIT else line[: STATUS_LIMIT - 1] + "…"


@dataclass(frozen=True)
class RateLimitStatus:
    """How many more requests a forge answers to one credential before it asks to wait."""

    limit: int  # in each window
    remaining: int
    resets_at: datetime  # aware; when ``limit`` is there again


RateLimitListener = Callable[
    [RateLimitStatus], None
]  # hears of it after answers; must be quick and never raise


def ignore_rate_limit(_: RateLimitStatus) -> None:
    """For those who do not want to know."""


class AccessFindingSeverity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class AccessFinding:
    """One line of ``check``: the result of one question to the forge."""

    severity: AccessFindingSeverity
    message: str  # names the missing scope or permission in the forge's own terms


class Forge(Protocol):
    """One repository on one forge."""

    @property
    def repository(self) -> str:
        """The mapping file's spelling, ``forge:owner/name``; used in messages."""

    @property
    def body_limit(self) -> int:
        """The most characters a pull request's body may have here."""

    @property
    def creation_limits(self) -> tuple[tuple[int, float], ...]:
        """How many pull requests one credential may create: (count, seconds), each window.
        Empty where the forge sets no such limit."""

    def build_file_url(self, path: str, branch: str | None = None) -> str | None:
        """The address of a file's page for people, on ``branch`` or the default branch; None where
        the forge has no such page. No request."""

    def create_git_remote(self) -> GitRemote:
        """Create the address to fetch from and push to, with a credential that is valid for at
        least five minutes (short-lived ones are minted here)."""

    def find_default_branch(self, *, fresh: bool = False) -> str:
        """Find the branch that pull requests go to when the mapping names none. It is cached
        after the first request; ``fresh`` requests it again, since it may be renamed or
        moved."""

    def list_pull_requests(self, head: str) -> Sequence[PullRequest]:
        """List all pull requests from branch ``head`` of this repository, whatever their base
        and state, newest (highest number) first; none from forks. One request as long as they
        fit one page; at most the 30 newest are returned."""

    def list_open_pull_requests(self, head_prefix: str) -> Sequence[PullRequest]:
        """List every open pull request of this repository whose head branch starts with the
        prefix, all pages."""

    def find_pull_request(self, number: int) -> PullRequest | None:
        """The pull request of that number, from a fork too; None where there is none."""

    def read_closing(self, pull_request: PullRequest) -> PullRequestClosing:
        """Read who or what closed a pull request without a merge. The answer is cached: reading
        the same closing again costs no request."""

    def find_body_editor(self, pull_request: PullRequest) -> str:
        """Find the login of the person who edited the body last; empty where the forge does not
        say it. One request."""

    def may_write(self, login: str) -> bool:
        """Whether this person may push to the repository; False for a login that the forge does
        not know."""

    def list_pull_requests_of_commit(self, commit: str) -> Sequence[PullRequest]:
        """The pull requests that brought a commit, or that would, newest first; those of forks
        too. Empty where there are none and where the forge does not know the commit."""

    def create_pull_request(self, head: str, base: str, content: PullRequestContent) -> PullRequest:
        """Open a pull request. Raises AlreadyExistsError when one is open for this head and base.
        A label, reviewer or assignee that the forge does not know never undoes the creation: it
        is left out and named in the returned ``PullRequest`` by its absence. Raises TransientError
        when it was opened and the rest could not be done yet: ``unfinished_body`` says so."""

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        """Update title, body and draft state of an open pull request to ``content``, add its
        labels and people (those the forge does not know are left out), remove its removed
        labels, and retarget the pull request to the branch ``base`` where one is named. The
        body is written after labels and people were changed, and after a draft was made
        ready; but before it is made a draft: so a body that lists them is true when only a
        part was done. One request where only title, body and base differ. Raises
        RequestRefusedError where another pull request is open from this head to ``base``."""

    def close_pull_request(self, pull_request: PullRequest, body: str) -> PullRequest:
        """Close without merging and set the body, in one request; the branch stays."""

    def upsert_comment(self, number: int, marker: str, body: str) -> None:
        """Write ``body`` into the one comment that carries ``marker``: created the first time,
        edited in place after that, untouched when it has that body already. The marker is a
        short ASCII word; the adapter hides it in the comment."""

    def set_commit_status(
        self, commit: str, name: str, state: StatusState, text: str, url: str | None
    ) -> None:
        """Set the status of the check ``name`` on a commit; it replaces the earlier status of
        that name. ``text`` is made one line of STATUS_LIMIT characters; ``url`` is a page
        with details. Setting the same status again is no error. Raises NotFoundError or
        RequestRefusedError for a commit that the forge does not have."""

    def push_rules(self, branch: str) -> Sequence[PushRule]:
        """The rules for pushes to ``branch``; empty where the forge has none, and where the
        credential or the forge's age does not let the bridge read them."""

    def read_status(self, commit: str, name: str) -> StatusState | None:
        """Read the last status of the check ``name`` on a commit; None where there is none. A
        forge without the state ERROR returns FAILURE for it. One request."""

    def check_access(
        self, *, statuses: bool = False, drafts: bool = False
    ) -> Sequence[AccessFinding]:
        """Ask whether the credential can do what the bridge needs: read, push a branch, open and
        comment on pull requests, with ``statuses`` say on a commit how a check stands, and with
        ``drafts`` whether there are drafts here. Never raises for a missing permission: it is a
        finding."""
