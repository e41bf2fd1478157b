"""GitLab's webhooks as the stand-in words them, in the shapes of its documentation."""

from __future__ import annotations

import json
from typing import Any

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.forge.forge_webhooks import ForgeEvent, PullRequestAction, PullRequestEvent, PushEvent
from bridge.sandbox.forge_event_diff import RepositoryState
from tests.standins.git_http import git
from tests.standins.gitlab_project import MergeRequest, Project

NOBODY = "0" * 40
STATES = {
    "opened": PullRequestState.OPEN,
    "merged": PullRequestState.MERGED,
    "closed": PullRequestState.CLOSED,
}
ACTIONS = {
    PullRequestAction.OPENED: "open",
    PullRequestAction.SYNCHRONIZED: "update",
    PullRequestAction.RETARGETED: "update",
    PullRequestAction.DRAFT_CHANGED: "update",
    PullRequestAction.MERGED: "merge",
    PullRequestAction.CLOSED: "close",
    PullRequestAction.REOPENED: "reopen",
    PullRequestAction.EDITED: "update",
}


def look(project: Project) -> RepositoryState:
    project.refresh()
    seen = {each.iid: _seen(each, project) for each in project.merge_requests}
    return RepositoryState(project.heads(), seen)


def render(
    event: ForgeEvent, secret: str, name: str, project: Project
) -> tuple[bytes, dict[str, str]]:
    if isinstance(event, PushEvent):
        kind, payload = "Push Hook", _push(event, project)
    else:
        kind, payload = "Merge Request Hook", _merge_request(event, project)
    return json.dumps(payload).encode(), {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/18.4.0",
        "X-Gitlab-Event": kind,
        "X-Gitlab-Instance": "https://gitlab.example.com",
        "X-Gitlab-Webhook-UUID": "6e1f4b3a-0b60-4a4b-9f6c-3f1f2a5b7c8d",
        "X-Gitlab-Event-UUID": name,
        "Idempotency-Key": name,
        "X-Gitlab-Token": secret,
    }


def _push(event: PushEvent, project: Project) -> dict[str, Any]:
    person = project.person
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": event.before or NOBODY,
        "after": event.after or NOBODY,
        "ref": f"refs/heads/{event.branch}",
        "ref_protected": False,
        "checkout_sha": event.after,
        "user_id": person.id,
        "user_name": person.username.title(),
        "user_username": person.username,
        "user_email": None,
        "project_id": project.id,
        "project": _project(project),
        "commits": [],
        "total_commits_count": 0,
    }


def _merge_request(event: PullRequestEvent, project: Project) -> dict[str, Any]:
    of = project.merge_requests[event.number - 1]
    actor = of.author if event.action is PullRequestAction.OPENED else project.person
    attributes: dict[str, Any] = {
        "id": of.id,
        "iid": of.iid,
        "action": ACTIONS[event.action],
        "author_id": of.author.id,
        "source_branch": of.source_branch,
        "source_project_id": of.source_project_id,
        "target_branch": of.target_branch,
        "target_project_id": project.id,
        "title": of.title,
        "description": of.description,
        "state": of.state,
        "draft": of.draft,
        "merge_commit_sha": of.merge_commit_sha,
        "last_commit": {"id": of.sha, "message": "Change by a person"},
    }
    changes: dict[str, Any] = {}
    if event.action is PullRequestAction.RETARGETED:
        changes = {"target_branch": {"previous": "main", "current": of.target_branch}}
    if event.action is PullRequestAction.DRAFT_CHANGED:
        changes = {"draft": {"previous": not of.draft, "current": of.draft}}
    if event.action is PullRequestAction.SYNCHRONIZED:
        attributes["oldrev"] = git(project.directory, "rev-parse", f"{of.sha}^")
    is_edit = event.action is PullRequestAction.EDITED
    changes = {"description": {"previous": "", "current": of.description}} if is_edit else {}
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": actor.id, "name": actor.username.title(), "username": actor.username},
        "project": _project(project),
        "object_attributes": attributes,
        "labels": [],
        "changes": changes,
    }


def _project(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "description": None,
        "namespace": project.path.rpartition("/")[0],
        "path_with_namespace": project.path,
        "default_branch": "main",
    }


def _seen(of: MergeRequest, project: Project) -> PullRequest:
    return PullRequest(
        number=of.iid,
        url="",
        state=STATES[of.state],
        head_branch=of.source_branch,
        base_branch=of.target_branch,
        head_commit=of.sha,
        title=of.title,
        body=of.description or "",
        is_draft=of.draft,
        is_from_fork=of.source_project_id != project.id,
        author=of.author.username,
    )
