"""Compute the events between two states of a repository, in the order in which a forge sends them.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.forge.forge_webhooks import (
    ForgeEvent,
    PullRequestAction,
    PullRequestEvent,
    PushEvent,
    contains_checked_box,
)

_TURNS = {
    PullRequestState.OPEN: PullRequestAction.REOPENED,
    PullRequestState.MERGED: PullRequestAction.MERGED,
    PullRequestState.CLOSED: PullRequestAction.CLOSED,
}


@dataclass(frozen=True)
class RepositoryState:
    """The state of one repository at one instant."""

    branches: Mapping[str, str] = field(default_factory=dict)  # → commit
    pull_requests: Mapping[int, PullRequest] = field(default_factory=dict)


def diff_states(repository: str, old: RepositoryState, new: RepositoryState) -> list[ForgeEvent]:
    """The pushes, then the pull-request events. A change that was undone between the states has
    none."""
    return [*_pushes(repository, old, new), *_turns(repository, old, new)]


def _pushes(repository: str, old: RepositoryState, new: RepositoryState) -> Iterator[ForgeEvent]:
    for branch in sorted(old.branches.keys() | new.branches.keys()):
        before, after = old.branches.get(branch), new.branches.get(branch)
        if before != after:
            yield PushEvent(repository, branch, before, after)


def _turns(repository: str, old: RepositoryState, new: RepositoryState) -> Iterator[ForgeEvent]:
    for number, now in sorted(new.pull_requests.items()):
        for action in _actions(old.pull_requests.get(number), now):
            yield PullRequestEvent(
                repository=repository,
                number=number,
                action=action,
                head=now.head_branch,
                base=now.base_branch,
                head_commit=now.head_commit,
                from_fork=now.is_from_fork,
                author=now.author,
            )


def _actions(before: PullRequest | None, now: PullRequest) -> Iterator[PullRequestAction]:
    state = PullRequestState.OPEN if before is None else before.state
    if before is None:
        yield PullRequestAction.OPENED
    if state is not now.state:
        yield _TURNS[now.state]
    elif before is not None and now.state is PullRequestState.OPEN:
        if before.head_commit != now.head_commit:
            yield PullRequestAction.SYNCHRONIZED
        if before.base_branch != now.base_branch:
            yield PullRequestAction.RETARGETED
        if before.is_draft != now.is_draft:
            yield PullRequestAction.DRAFT_CHANGED
    if before is not None and before.body != now.body and contains_checked_box(now.body):
        yield PullRequestAction.EDITED
