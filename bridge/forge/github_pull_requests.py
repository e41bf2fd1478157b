"""GitHub's pull requests as values. Every field that the official description calls nullable may be
null: https://docs.github.com/en/rest/pulls/pulls"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from github.GithubException import BadAttributeException
from github.Issue import Issue
from github.IssueEvent import IssueEvent
from github.PullRequest import PullRequest as GitHubPull

from bridge.errors import NotFoundError
from bridge.forge.forge import PullRequest, PullRequestClosing, PullRequestState

GivenContent = TypeVar("GivenContent")

_AT_ONCE = timedelta(seconds=1)  # GitHub's times are whole seconds


def read_pull_request(pull: GitHubPull, repository: str, owner: str) -> PullRequest:
    """Convert GitHub's answer into a PullRequest; ``owner`` is the organization whose teams it
    names. Raises NotFoundError where the answer is about a repository that moved."""
    if pull.html_url is None:
        # PyGithub takes the redirect that answers a write for the written thing.
        raise NotFoundError(f"{repository} was renamed or moved: write its new name.")
    teams = (f"{owner}/{team.slug}" for team in _each(lambda: pull.requested_teams))
    return PullRequest(
        number=pull.number,
        url=pull.html_url,
        state=PullRequestState.MERGED if pull.merged_at else PullRequestState(pull.state),
        head_branch=pull.head.ref,
        base_branch=pull.base.ref,
        head_commit=pull.head.sha,
        title=pull.title or "",
        body=pull.body or "",
        is_draft=bool(pull.draft),
        labels=frozenset(label.name for label in _each(lambda: pull.labels)),
        assignees=frozenset(user.login for user in _each(lambda: pull.assignees)),
        reviewers=frozenset(user.login for user in _each(lambda: pull.requested_reviewers))
        | set(teams),
        is_from_fork=not is_from_repository(pull),
        author=pull.user.login if pull.user else "",  # whose account is gone has none
        # Before the merge it is the commit of an attempt.
        merge_commit=pull.merge_commit_sha if pull.merged_at else None,
        decided_at=pull.merged_at or pull.closed_at,
    )


def find_closing(events: Iterable[IssueEvent]) -> PullRequestClosing:
    """How a pull request was closed the last time, from its events, oldest first. Whoever deletes
    the branch of an open one closes it in the same moment; after a closing of its own, deleting the
    branch takes another press of a button.
    https://docs.github.com/en/rest/using-the-rest-api/issue-event-types"""
    closed = deleted = None
    for event in events:
        if event.event == "closed":
            closed = event
        elif event.event == "head_ref_deleted":
            deleted = event
    if closed is None:
        return PullRequestClosing("")
    together = deleted is not None and abs(deleted.created_at - closed.created_at) <= _AT_ONCE
    return PullRequestClosing(closed.actor.login if closed.actor else "", with_branch=together)


def is_from_repository(pull: GitHubPull) -> bool:
    """Whether the head branch is in the repository itself; a deleted fork's is nowhere."""
    home = pull.head.repo
    return home is not None and home.id == pull.base.repo.id


def with_marks(pull_request: PullRequest, issue: Issue) -> PullRequest:
    """The pull request with the labels and assignees of its issue."""
    return replace(
        pull_request,
        labels=frozenset(label.name for label in _each(lambda: issue.labels)),
        assignees=frozenset(user.login for user in _each(lambda: issue.assignees)),
    )


def require_value(value: GivenContent) -> GivenContent:
    """Return a value that GitHub always sends: PyGithub reads None from a page that is not
    GitHub's. Raises TypeError for None."""
    if value is None:
        raise TypeError
    return value


def _each(listed: Callable[[], Iterable[GivenContent]]) -> Iterable[GivenContent]:
    """A list that may be null: PyGithub takes that for a mistake."""
    try:
        return listed() or ()
    except BadAttributeException as odd:
        if odd.actual_value is not None:
            raise
        return ()
