"""What the GitLab stand-in knows of single commits: statuses, and the merge requests they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.standins.git_http import git, git_says
from tests.standins.gitlab_project import MergeRequest, Project, Refusal, User

STATES = {"pending", "running", "success", "failed", "canceled", "skipped"}
UNFINISHED = {"pending", "running"}
DESCRIPTION_LIMIT = 255


@dataclass
class CommitStatus:
    id: int
    sha: str
    name: str
    status: str
    description: str | None
    target_url: str | None
    author: User


def require_commit(project: Project, sha: str) -> None:
    if git_says(project.directory, "cat-file", "-t", sha) != "commit":
        raise Refusal(404, {"message": "404 Commit Not Found"})


def set_status(project: Project, sha: str, fields: Mapping[str, Any], author: User) -> CommitStatus:
    """One that is not finished is changed, a finished one followed by another; what waits cannot
    begin to wait."""
    require_commit(project, sha)
    state, name = fields.get("state"), fields.get("name", "default")
    if state not in STATES:
        raise Refusal(400, {"error": "state does not have a valid value"})
    if len(fields.get("description") or "") > DESCRIPTION_LIMIT:
        raise Refusal(
            400, {"message": {"description": ["is too long (maximum is 255 characters)"]}}
        )
    found = [each for each in project.statuses if (each.sha, each.name) == (sha, name)]
    if found and found[-1].status == state and state in UNFINISHED:
        reason = f'Cannot transition status via :enqueue from :{state} (Reason(s): Status cannot transition via "enqueue")'
        raise Refusal(400, {"message": reason})
    if not found or found[-1].status not in UNFINISHED:
        number = len(project.statuses) + 1
        project.statuses.append(CommitStatus(number, sha, name, state, None, None, author))
        found = [project.statuses[-1]]
    said = found[-1]
    said.status = state
    said.description, said.target_url = fields.get("description"), fields.get("target_url")
    return said


def status_body(of: CommitStatus, base: str) -> dict[str, Any]:
    return {
        "id": of.id,
        "sha": of.sha,
        "ref": "main",
        "status": of.status,
        "name": of.name,
        "target_url": of.target_url,
        "description": of.description,
        "created_at": "2024-05-01T09:00:00.000Z",
        "started_at": None,
        "finished_at": None,
        "allow_failure": False,
        "coverage": None,
        "author": {
            "id": of.author.id,
            "username": of.author.username,
            "name": of.author.username.title(),
            "state": "active",
            "avatar_url": f"{base}/avatar.png",
            "web_url": f"{base}/{of.author.username}",
        },
    }


def related(project: Project, sha: str) -> list[MergeRequest]:
    """Those whose branch holds the commit, or whose merge made it."""
    require_commit(project, sha)
    return [each for each in project.merge_requests if _brings(project, each, sha)]


def _brings(project: Project, each: MergeRequest, sha: str) -> bool:
    ranges = [f"{each.opened_onto}..{each.sha}"]
    if each.merged_onto and each.merged_as:
        ranges.append(f"{each.merged_onto}..{each.merged_as}")
    return any(sha in git(project.directory, "rev-list", one).split() for one in ranges)
