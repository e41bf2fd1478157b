"""GitHub's webhooks as the stand-in words them, in the shapes of its documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.forge.forge_webhooks import ForgeEvent, PullRequestAction, PullRequestEvent, PushEvent
from bridge.forge.github_webhooks import compute_signature
from bridge.sandbox.forge_event_diff import RepositoryState
from tests.standins.github_shapes import Shapes
from tests.standins.github_state import Credential, Pull, Repository

NOBODY = "0" * 40
SENDER = Credential("sam", "")
ACTIONS = {
    PullRequestAction.OPENED: "opened",
    PullRequestAction.SYNCHRONIZED: "synchronize",
    PullRequestAction.RETARGETED: "edited",
    PullRequestAction.MERGED: "closed",
    PullRequestAction.CLOSED: "closed",
    PullRequestAction.REOPENED: "reopened",
    PullRequestAction.EDITED: "edited",
}


def look(repository: Repository) -> RepositoryState:
    with repository.lock:
        repository.refresh()
        pulls = {number: _seen(repository, pull) for number, pull in repository.pulls.items()}
        return RepositoryState(repository.branches(), pulls)


def render(
    event: ForgeEvent,
    secret: str,
    name: str,
    repositories: Mapping[str, Repository],
    url: str,
) -> tuple[bytes, dict[str, str]]:
    shapes, repository = Shapes(url, url), repositories[event.repository]
    if isinstance(event, PushEvent):
        kind, payload = "push", _push(event, shapes, repository)
    else:
        kind, payload = "pull_request", _pull_request(event, shapes, repository)
    body = json.dumps(payload).encode()
    return body, {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0123456",
        "X-GitHub-Hook-ID": "1",
        "X-GitHub-Event": kind,
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": compute_signature(body, secret),
    }


def _push(event: PushEvent, shapes: Shapes, repository: Repository) -> dict[str, Any]:
    return {
        "ref": f"refs/heads/{event.branch}",
        "before": event.before or NOBODY,
        "after": event.after or NOBODY,
        "base_ref": None,
        "repository": shapes.repository(repository, SENDER),
        "pusher": {"name": "sam", "email": "sam@example.com"},
        "sender": shapes.user("sam"),
        "created": event.before is None,
        "deleted": event.after is None,
        "forced": False,
        "compare": f"{shapes.web}/{repository.full_name}/compare",
        "commits": [],
        "head_commit": None,
    }


def _pull_request(
    event: PullRequestEvent, shapes: Shapes, repository: Repository
) -> dict[str, Any]:
    pull = repository.pulls[event.number]
    action = ACTIONS.get(event.action)
    if action is None:  # its draft state changed
        action = "converted_to_draft" if pull.draft else "ready_for_review"
    changes = {"changes": {"base": {"ref": {"from": "main"}, "sha": {"from": NOBODY}}}}
    return {
        "action": action,
        **(changes if action == "edited" else {}),
        "number": event.number,
        "pull_request": shapes.full_pull(repository, pull, SENDER),
        "repository": shapes.repository(repository, SENDER),
        "sender": shapes.user("sam"),
    } | ({"changes": {"body": {"from": ""}}} if event.action is PullRequestAction.EDITED else {})


def _seen(repository: Repository, pull: Pull) -> PullRequest:
    return PullRequest(
        number=pull.number,
        url="",
        state=PullRequestState.MERGED if pull.merged_at else PullRequestState(pull.state),
        head_branch=pull.head,
        base_branch=pull.base,
        head_commit=pull.head_commit,
        title=pull.title,
        body=pull.body or "",
        is_draft=pull.draft,
        is_from_fork=pull.head_owner != repository.owner,
        author=pull.author,
    )
