"""GitLab's merge requests and notes as values, and titles as GitLab takes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bridge.forge.forge import PullRequest, PullRequestContent, PullRequestState, StatusState
from bridge.forge.gitlab_access_check import GitLabResponse

_AT_ONCE = timedelta(seconds=2)  # the closing may be written before the push that caused it
TITLE_LIMIT = 255  # characters, the draft marker included
DRAFT_PREFIX = "Draft: "
DRAFT_MARKERS = re.compile(r"\A(?:\s*(?:draft:|\[draft\]|\(draft\)))+\s*", re.IGNORECASE)

STATE_BY_GITLAB_STATE = {
    "opened": PullRequestState.OPEN,
    "locked": PullRequestState.OPEN,  # for the moment a merge takes; it may still fail
    "merged": PullRequestState.MERGED,
    "closed": PullRequestState.CLOSED,
}


STATUS_NAMES = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
}

STATUS_STATES = {"success": StatusState.SUCCESS, "failed": StatusState.FAILURE}  # others still wait


def parse_merge_request(answer: GitLabResponse) -> PullRequest:
    """The value of what GitLab sent. Raises KeyError where it is no merge request."""
    draft = answer.get("draft", answer.get("work_in_progress"))
    return PullRequest(
        number=answer["iid"],
        url=answer["web_url"],
        state=STATE_BY_GITLAB_STATE[answer["state"]],
        head_branch=answer["source_branch"],
        base_branch=answer["target_branch"],
        head_commit=answer.get("sha") or "",
        title=DRAFT_MARKERS.sub("", answer.get("title") or ""),
        body=answer.get("description") or "",
        is_draft=bool(draft),
        labels=frozenset(answer.get("labels") or ()),
        assignees=_names(answer.get("assignees")),
        reviewers=_names(answer.get("reviewers")),
        is_from_fork=answer.get("source_project_id") != answer["target_project_id"],
        author=(answer.get("author") or {}).get("username") or "",  # whose account is gone has none
        merge_commit=_merge_commit(answer),
        decided_at=_time(answer.get("merged_at") or answer.get("closed_at")),
        closed_by=(answer.get("closed_by") or {}).get("username"),
    )


def filter_own_pull_requests(answers: Iterable[GitLabResponse]) -> list[PullRequest]:
    """Leave out those from forks, whose branches may have the same names."""
    return [own for own in map(parse_merge_request, answers) if not own.is_from_fork]


def is_branch_deleted_at(
    pushes: Iterable[GitLabResponse], branch: str, closed_at: datetime
) -> bool:
    """Whether a branch was gone when its merge request was closed, from the project's pushes,
    newest first: by the last push to it that is not later."""
    for push in pushes:
        data, at = push.get("push_data") or {}, _time(push.get("created_at"))
        if at is None or (data.get("ref_type"), data.get("ref")) != ("branch", branch):
            continue
        if at <= closed_at + _AT_ONCE:
            return bool(data.get("action") == "removed")
    return False


def mark_title(content: PullRequestContent) -> str:
    """On GitLab a draft is nothing but a title that begins so."""
    title = (DRAFT_PREFIX if content.draft else "") + DRAFT_MARKERS.sub("", content.title)
    return title if len(title) <= TITLE_LIMIT else title[: TITLE_LIMIT - 1] + "…"


def note_body(note: Any) -> str:
    """The text of a comment, which may be null."""
    return note.attributes.get("body") or ""


def find_author_id(note: Any) -> int | None:
    """Find the id of a comment's author; None where the account is gone."""
    found: int | None = (note.attributes.get("author") or {}).get("id")
    return found


def _merge_commit(answer: GitLabResponse) -> str | None:
    """A fast-forward makes no commit: the branch's own becomes the target's."""
    if answer["state"] != "merged":
        return None
    made = answer.get("merge_commit_sha") or answer.get("squash_commit_sha")
    return made or answer.get("sha") or None


def _names(users: Iterable[GitLabResponse] | None) -> frozenset[str]:
    return frozenset(user["username"] for user in users or () if user)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def find_author_login(note: Any) -> str:
    """Find the login of a comment's author; empty where the account is gone."""
    return (note.attributes.get("author") or {}).get("username") or ""


# GitLab writes one of these for each change of a description:
# https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/services/system_notes/issuables_service.rb
_DESCRIPTION_NOTE = re.compile(r"changed the description|marked the (?:checklist item|task) ")


def is_description_note(note: Any) -> bool:
    """Whether GitLab wrote a comment because somebody changed the description."""
    return bool(note.attributes.get("system")) and bool(_DESCRIPTION_NOTE.match(note_body(note)))
