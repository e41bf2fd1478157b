"""A GitLab project as the stand-in holds it: its merge requests, following a real repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.standins.branch_protection import GITLAB, protect
from tests.standins.git_http import (
    MAIN,
    Files,
    MergeConflict,
    commit_files,
    delete_branch,
    git,
    merge_branches,
)

if TYPE_CHECKING:
    from tests.standins.gitlab_commits import CommitStatus

TITLE_LIMIT = 255
DESCRIPTION_LIMIT = 1_048_576
MAINTAINER = 40


class Refusal(Exception):  # noqa: N818 - an answer more than an error
    """An answer that is no success."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


@dataclass(frozen=True)
class User:
    id: int
    username: str


@dataclass(frozen=True)
class AccessToken:
    value: str
    user: User
    scopes: frozenset[str]
    access_level: int
    expires_at: date | None


@dataclass
class Note:
    id: int
    author: User
    body: str
    created_at: datetime
    updated_at: datetime
    system: bool = False


@dataclass(frozen=True)
class Push:
    """An event of the project: a branch was created, pushed to or removed."""

    action: str  # as in ``push_data``
    ref: str
    before: str | None
    after: str | None
    created_at: datetime


@dataclass
class MergeRequest:
    id: int
    iid: int
    source_project_id: int
    source_branch: str
    target_branch: str
    author: User
    created_at: datetime
    updated_at: datetime
    sha: str
    target_sha: str
    opened_onto: str
    title: str
    description: str | None = None
    state: str = "opened"
    labels: list[str] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    reviewers: list[User] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    system_notes: list[Note] = field(default_factory=list)  # about its description
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merged_onto: str | None = None  # the target's commit right before
    merged_as: str | None = None  # and right after
    closed_at: datetime | None = None
    closed_by: User | None = None
    merged_at: datetime | None = None
    merged_by: User | None = None

    @property
    def draft(self) -> bool:
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)"))


@dataclass
class Project:
    """What tests and the API do to a project; nothing here counts as a call."""

    id: int
    path: str
    directory: Path  # the bare repository
    person: User  # who acts when a test does
    users: Mapping[int, User]
    archived: bool = False
    notices_late: int = 0  # how often a new branch is asked for before it is noticed
    nulls: bool = False  # whether what may be null is
    merge_requests_enabled: bool = True
    push_rule: Mapping[str, Any] | None = None  # None: Free, which has none
    merge_requests: list[MergeRequest] = field(default_factory=list)
    statuses: list[CommitStatus] = field(default_factory=list)  # oldest first
    default_branch: str = MAIN
    members: dict[int, int] = field(default_factory=dict)  # user's id → access level
    ahead: timedelta = timedelta()  # of this machine's clock
    pushes: list[Push] = field(default_factory=list)  # oldest first
    changed: Callable[[], None] = lambda: None  # called after what is done by hand
    _asked_for: Counter[str] = field(default_factory=Counter)
    _noticed: dict[str, str] = field(default_factory=dict)  # branch → commit at the last push

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def open(
        self,
        source: str,
        target: str,
        title: str,
        *,
        author: User | None = None,
        source_project_id: int | None = None,
        **fields: Any,
    ) -> MergeRequest:
        """A new merge request; what GitLab does not accept is a Refusal. One from another project
        (a fork) has no branch here, so it stays at the target's commit."""
        heads = self.heads()
        fork = source_project_id is not None
        if not fork:
            self._asked_for[source] += 1
            if self._asked_for[source] <= self.notices_late:
                raise Refusal(400, {"message": [f'Source branch "{source}" does not exist']})
            self._check_branches(source, target, heads)
        now = self.now()
        iid = len(self.merge_requests) + 1
        opened = MergeRequest(
            id=1000 * self.id + iid,
            iid=iid,
            source_project_id=source_project_id or self.id,
            source_branch=source,
            target_branch=target,
            author=author or self.person,
            created_at=now,
            updated_at=now,
            sha=heads.get(source, heads[target]),
            target_sha=heads[target],
            opened_onto=heads[target],
            title=title,
        )
        self._fill(opened, fields)
        self.merge_requests.append(opened)
        return opened

    def set_default_branch(self, branch: str) -> None:
        git(self.directory, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        self.default_branch = branch

    def rename_branch(self, old: str, new: str) -> None:
        """GitLab has no such button: a branch is made, the default goes there, the old is deleted,
        and merge requests to it stay open."""
        git(self.directory, "update-ref", f"refs/heads/{new}", self.heads()[old])
        if self.default_branch == old:
            self.set_default_branch(new)
        self.delete_branch(old)

    def change(self, iid: int, fields: Mapping[str, Any], author: User) -> MergeRequest:
        changed = self.find(iid)
        target = fields.get("target_branch", changed.target_branch)
        if target != changed.target_branch:
            self._retarget(changed, target)
        before = changed.description
        self._fill(changed, fields)
        if changed.description != before:
            self._note_description(changed, author)
        match fields.get("state_event"):
            case "close":
                self.close(iid, author)
            case "reopen":
                self.reopen(iid)
        changed.updated_at = self.now()
        return changed

    def close(self, iid: int, who: User | None = None) -> None:
        closed = self.find(iid)
        if closed.state == "opened":
            closed.state = "closed"
            closed.closed_at, closed.closed_by = self.now(), who or self.person
        self.changed()

    def reopen(self, iid: int) -> None:
        reopened = self.find(iid)
        if reopened.state == "closed" and reopened.source_branch in self.heads():
            reopened.state = "opened"
            reopened.closed_at = reopened.closed_by = None
        self.changed()

    def push(self, branch: str, files: Files) -> str:
        """A person's commit on top of ``branch`` (of main where it is new); its object name."""
        commit = commit_files(self.directory, branch, files)
        self.changed()
        return commit

    def delete_branch(self, branch: str) -> None:
        delete_branch(self.directory, branch)
        self.refresh()
        self.changed()

    def protect(self, branch: str) -> None:
        """Decline every push there; merging still works."""
        protect(self.directory, branch, GITLAB, hook="pre-receive")

    def merge(self, iid: int, how: str = "merge") -> MergeRequest:
        """As the button does: ``merge``, ``squash``, or ``rebase``, which moves the source branch
        too, as GitLab's rebase followed by a fast-forward does."""
        merged = self.find(iid)
        if merged.state != "opened" or merged.draft:
            raise Refusal(405, {"message": "405 Method Not Allowed"})
        before = self.heads()[merged.target_branch]
        commit = self._merged(merged, how)
        merged.merged_onto, merged.merged_as = before, commit
        if how == "rebase":
            git(self.directory, "update-ref", f"refs/heads/{merged.source_branch}", commit)
            merged.sha = commit
        merged.merge_commit_sha = commit if how == "merge" else None
        merged.squash_commit_sha = commit if how == "squash" else None
        self._mark_merged(merged)
        self.changed()
        return merged

    def find(self, iid: int) -> MergeRequest:
        self.refresh()
        if 1 <= iid <= len(self.merge_requests):
            return self.merge_requests[iid - 1]
        raise Refusal(404, {"message": "404 Not found"})

    def refresh(self) -> None:
        """Let the open merge requests follow their branches, as GitLab does after each push:
        one whose branch is gone is closed, one whose commits reached the target is merged."""
        heads = self.heads()
        self._notice_pushes(heads)
        for each in self.merge_requests:
            if each.state == "opened" and each.source_project_id == self.id:
                self._follow(each, heads)

    def _notice_pushes(self, heads: dict[str, str]) -> None:
        for ref in sorted(self._noticed.keys() | heads.keys()):
            before, after = self._noticed.get(ref), heads.get(ref)
            if before != after:
                action = "created" if before is None else "removed" if after is None else "pushed"
                self.pushes.append(Push(action, ref, before, after, self.now()))
        self._noticed = heads

    def comment(self, iid: int, body: str, author: User) -> Note:
        notes = self.find(iid).notes
        now = self.now()
        notes.append(Note(10_000 * iid + len(notes) + 1, author, body, now, now))
        return notes[-1]

    def edit_body(self, iid: int, body: str, who: User) -> None:
        """A person clicks a check box, or writes another description."""
        self.change(iid, {"description": body}, who)
        self.changed()

    def _note_description(self, changed: MergeRequest, author: User) -> None:
        is_checked = "[x]" in (changed.description or "")
        checked = "marked the checklist item **Rebase now** as completed"
        body = checked if is_checked else "changed the description"
        id, now = 90_000 + len(changed.system_notes), datetime.now(UTC)
        changed.system_notes.append(Note(id, author, body, now, now, system=True))

    def _merged(self, each: MergeRequest, how: str) -> str:
        """The target's new commit, in place."""
        source, target = each.source_branch, each.target_branch
        if how == "rebase" and self._is_on_top(each):
            git(self.directory, "update-ref", f"refs/heads/{target}", each.sha)
            return each.sha
        message = f"Merge branch '{source}' into '{target}'\n\n{each.title}"
        try:
            return merge_branches(self.directory, source, target, how, message)
        except MergeConflict:
            raise Refusal(422, {"message": "Branch cannot be merged"}) from None

    def _is_on_top(self, each: MergeRequest) -> bool:
        return not git(self.directory, "rev-list", "--max-count=1", each.target_sha, f"^{each.sha}")

    def _follow(self, each: MergeRequest, heads: Mapping[str, str]) -> None:
        head = heads.get(each.source_branch)
        target = heads.get(each.target_branch, each.target_sha)  # it may be gone
        if head is None:
            each.state, each.closed_at, each.closed_by = "closed", self.now(), self.person
            return
        each.sha = head
        if target != each.target_sha:
            arrived = git(self.directory, "rev-list", f"{each.target_sha}..{target}").split()
            each.target_sha = target
            if head in arrived:
                self._mark_merged(each)

    def _mark_merged(self, each: MergeRequest) -> None:
        each.state, each.merged_at, each.merged_by = "merged", self.now(), self.person

    def _retarget(self, changed: MergeRequest, target: str) -> None:
        heads = self.heads()
        self._check_branches(changed.source_branch, target, heads)
        changed.target_branch, changed.target_sha = target, heads[target]
        changed.opened_onto = heads[target]

    def _check_branches(self, source: str, target: str, heads: Mapping[str, str]) -> None:
        if source == target:
            same = "You can't use same project/branch for source and target"
            raise Refusal(422, {"message": [same]})
        for kind, branch in (("Source", source), ("Target", target)):
            if branch not in heads:
                raise Refusal(400, {"message": [f'{kind} branch "{branch}" does not exist']})
        self.refresh()
        for other in self.merge_requests:
            if other.state == "opened" and _same_branches(other, self.id, source, target):
                words = "Another open merge request already exists for this source branch"
                raise Refusal(409, {"message": [f"{words}: !{other.iid}"]})

    def _fill(self, filled: MergeRequest, fields: Mapping[str, Any]) -> None:
        _check_lengths(fields)
        for name in ("title", "description"):
            if name in fields:
                setattr(filled, name, fields[name])
        if "labels" in fields:
            filled.labels = sorted(_listed(fields["labels"]))
        if "add_labels" in fields:
            filled.labels = sorted({*filled.labels, *_listed(fields["add_labels"])})
        if "remove_labels" in fields:
            filled.labels = sorted({*filled.labels} - {*_listed(fields["remove_labels"])})
        for name, ids in (("assignees", "assignee_ids"), ("reviewers", "reviewer_ids")):
            if ids in fields:
                setattr(filled, name, [self.users[i] for i in fields[ids] if i in self.users])

    def heads(self) -> dict[str, str]:
        listed = git(
            self.directory,
            "for-each-ref",
            "--format=%(refname:lstrip=2) %(objectname)",
            "refs/heads",
        )
        return dict(line.split(" ") for line in listed.splitlines())


def default_branch(project: Project) -> str | None:
    """None where there is no commit yet."""
    return (
        project.default_branch
        if git(project.directory, "for-each-ref", "--count=1", "refs/heads")
        else None
    )


def _same_branches(each: MergeRequest, project_id: int, source: str, target: str) -> bool:
    wanted = (project_id, source, target)
    return wanted == (each.source_project_id, each.source_branch, each.target_branch)


def _check_lengths(fields: Mapping[str, Any]) -> None:
    for name, limit in (("title", TITLE_LIMIT), ("description", DESCRIPTION_LIMIT)):
        if len(fields.get(name) or "") > limit:
            too_long = f"is too long (maximum is {limit} characters)"
            raise Refusal(400, {"message": {name: [too_long]}})
    if fields.get("title") == "":
        raise Refusal(400, {"message": {"title": ["can't be blank"]}})


def _listed(labels: str | Sequence[str]) -> list[str]:
    return [name for name in labels.split(",") if name] if isinstance(labels, str) else list(labels)
