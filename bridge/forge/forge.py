"""What the bridge asks of a forge: the port, and the values that pass through it.

A ``Forge`` is one repository on one forge. Every call is finished when it returns, returns frozen
values, and raises only errors of ``bridge.errors``. Nothing here may become optional: a method is
added only when the core needs it and every forge can serve it truthfully.
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
    """Where git finds the repository. The credential reaches git by environment only."""

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
    closed_by: str | None = None  # login, where the forge tells it along


@dataclass(frozen=True)
class PullRequestContent:
    """What a pull request should say. ``labels``, ``reviewers`` and ``assignees`` are those to
    add: what it has besides stays, and what is not named here belongs to the people who work
    with it."""

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

    by: str  # login; empty where the forge does not tell
    with_branch: bool = False  # by the forge itself, because the head branch was deleted


class StatusState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"  # what was checked is not good enough
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


class FindingSeverity(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class AccessFinding:
    """One line of ``check``: what was asked of the forge and what it said."""

    severity: FindingSeverity
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
        """Where to fetch from and push to, with a credential that is valid for at least five
        minutes (short-lived ones are minted here)."""

    def find_default_branch(self, *, fresh: bool = False) -> str:
        """The branch that pull requests go to when the mapping names none. It is remembered after
        the first request; ``fresh`` asks again, for it may be renamed or moved."""

    def list_pull_requests(self, head: str) -> Sequence[PullRequest]:
        """All pull requests from branch ``head_branch`` of this repository, whatever their base and
        state, newest (highest number) first. Those from forks are not among them. One request
        as long as there are no more than a page of them (at most 30 newest are returned)."""

    def list_open_pull_requests(self, head_prefix: str) -> Sequence[PullRequest]:
        """Every open pull request of this repository whose head branch starts so, all pages."""

    def find_pull_request(self, number: int) -> PullRequest | None:
        """The pull request of that number, from a fork too; None where there is none."""

    def read_closing(self, pull_request: PullRequest) -> PullRequestClosing:
        """Who closed a pull request without a merge, or what did. The answer is remembered: asking
        again about the same closing costs nothing."""

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
        """Make title, body and draft state of an open pull request what ``content`` says, add its
        labels and people (those the forge does not know are left out), take off its removed labels,
        and take the pull request to the branch ``base`` where one is named. The body is written
        after labels and people were changed, and after a draft was made ready; but before it is
        made a draft: so a body that tells of them can be believed when only a part was done. One
        request where only title, body and base differ. Raises RequestRefusedError where another
        pull request is open from this head to ``base``."""

    def close_pull_request(self, pull_request: PullRequest, body: str) -> PullRequest:
        """Close without merging and set the body, in one request; the branch stays."""

    def upsert_comment(self, number: int, marker: str, body: str) -> None:
        """Make the one comment that carries ``marker`` say ``body``: created the first time,
        edited in place after that, untouched when it says so already. The marker is a short
        ASCII word; the adapter hides it in the comment."""

    def set_commit_status(
        self, commit: str, name: str, state: StatusState, text: str, url: str | None
    ) -> None:
        """Say on a commit how the check ``name`` stands; what was said under that name before no
        longer counts. ``text`` is made one line of STATUS_LIMIT characters; ``url`` is where people
        read more. Saying the same again is no error. Raises NotFoundError or RequestRefusedError
        for a commit that the forge does not have."""

    def push_rules(self, branch: str) -> Sequence[PushRule]:
        """The rules for pushes to ``branch`` that the forge tells; empty where it has none, and
        where the credential or the forge's age keeps it from telling."""

    def status(self, commit: str, name: str) -> StatusState | None:
        """What was last said on a commit about the check ``name``; None for nothing. Forges that
        know no ERROR tell it as FAILURE. One request."""

    def check_access(
        self, *, statuses: bool = False, drafts: bool = False
    ) -> Sequence[AccessFinding]:
        """Ask whether the credential can do what the bridge needs: read, push a branch, open and
        comment on pull requests, with ``statuses`` say on a commit how a check stands, and with
        ``drafts`` whether there are drafts here. Never raises for a missing permission: it is a
        finding."""
