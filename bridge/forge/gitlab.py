"""One project on GitLab: gitlab.com or self-managed, reached with a personal, group or project
token.

What GitLab calls "merge request" and "iid" is a pull request and its number to the rest of the
bridge. python-gitlab never retries or sleeps here: the engine schedules retries.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import quote

import gitlab
import requests
from gitlab.exceptions import GitlabError, GitlabParsingError

from bridge import errors
from bridge.forge.forge import (
    AccessFinding,
    AccessFindingSeverity,
    GitRemote,
    PullRequest,
    PullRequestClosing,
    PullRequestContent,
    RateLimitListener,
    StatusState,
    ignore_rate_limit,
    shorten_status_text,
)
from bridge.forge.gitlab_access_check import (
    DEVELOPER_ACCESS_LEVEL,
    check_expiry,
    check_role,
    check_scopes,
    has_merge_requests_enabled,
    push_rules_of,
)
from bridge.forge.gitlab_errors import (
    build_interruption_error,
    build_refusal_error,
    describe_failure,
    parse_rate_limit,
)
from bridge.forge.gitlab_merge_requests import (
    STATUS_NAMES,
    STATUS_STATES,
    filter_own_pull_requests,
    find_author_id,
    find_author_login,
    is_branch_deleted_at,
    is_description_note,
    mark_title,
    note_body,
    parse_merge_request,
)
from bridge.forge.https_session import create_session
from bridge.forge.push_rules import PushRule
from bridge.telemetry.log_context import span

BODY_LIMIT = 1_048_576  # characters of a description
MAX_LISTED = 30  # pull requests of one branch that are read
MAX_PUSHES = 500  # newest pushes of the day of a closing that are searched for the branch
PAGE_SIZE = 100  # the most GitLab gives at once

log = logging.getLogger("bridge.forge")


class GitLabForge:
    """A ``Forge``: the project ``repository`` (``group/name``, or ``group/subgroup/name``).
    ``url`` is the address of GitLab's pages, a sub-path included; ``timeout`` is seconds for
    each answer; ``clock`` returns seconds since the epoch; ``notice`` receives the budget;
    ``authorities`` are certificates (PEM) to trust besides the system's."""

    body_limit = BODY_LIMIT
    creation_limits: tuple[
        tuple[int, float], ...
    ] = ()  # only the general limits, answered with 429

    def __init__(
        self,
        repository: str,
        *,
        forge_name: str,
        url: str = "https://gitlab.com",
        token: str,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
        notice: RateLimitListener = ignore_rate_limit,
        authorities: str = "",
    ) -> None:
        self.repository = f"{forge_name}:{repository}"
        self._url = url.rstrip("/")
        self._path = repository
        self._token = token
        self._clock = clock
        self._notice = notice
        self._authorities = authorities
        self._ca_setting = f"forges.{forge_name}.ca_file"
        self._default_branch: str | None = None
        self._own_id: int | None = None
        self._closings: dict[tuple[int, datetime | None], PullRequestClosing] = {}
        self._user_ids: dict[str, int | None] = {}
        self._gitlab = gitlab.Gitlab(
            self._url,
            private_token=token,
            timeout=timeout,
            retry_transient_errors=False,
            keep_base_url=True,
            session=self._session(),
        )
        self._project = self._gitlab.projects.get(repository, lazy=True)

    def build_file_url(self, path: str, branch: str | None = None) -> str | None:
        return f"{self._url}/{self._path}/-/blob/{quote(branch or 'HEAD')}/{quote(path)}"

    def create_git_remote(self) -> GitRemote:
        return GitRemote(f"{self._url}/{self._path}.git", "oauth2", self._token, self._authorities)

    def find_default_branch(self, *, fresh: bool = False) -> str:
        if fresh or self._default_branch is None:
            with self._translated("read the project"):
                self._default_branch = self._gitlab.projects.get(self._path).default_branch
        if not self._default_branch:
            raise errors.RequestRefusedError(
                f"{self.repository} has no default branch because it has no commit yet. "
                "Push a first commit, or name the mapping's base branch."
            )
        return self._default_branch

    def list_pull_requests(self, head: str) -> Sequence[PullRequest]:
        with self._translated(f"list the merge requests of branch {head!r}"):
            found = self._project.mergerequests.list(
                source_branch=head,
                state="all",
                order_by="created_at",
                sort="desc",
                per_page=MAX_LISTED,
                get_all=False,
            )
            own = filter_own_pull_requests(each.attributes for each in found)
        return sorted(own, key=lambda each: each.number, reverse=True)

    def list_open_pull_requests(self, head_prefix: str) -> Sequence[PullRequest]:
        with self._translated("list the open merge requests"):
            found = self._project.mergerequests.list(
                state="opened", per_page=PAGE_SIZE, get_all=True
            )
            own = filter_own_pull_requests(each.attributes for each in found)
        return [each for each in own if each.head_branch.startswith(head_prefix)]

    def find_pull_request(self, number: int) -> PullRequest | None:
        try:
            with self._translated(f"read merge request !{number}"):
                return parse_merge_request(self._project.mergerequests.get(number).attributes)
        except errors.NotFoundError:
            self.find_default_branch()  # raises where it is the project that is not there
            return None

    def read_closing(self, pull_request: PullRequest) -> PullRequestClosing:
        key = (pull_request.number, pull_request.decided_at)
        if key not in self._closings:
            closing = PullRequestClosing(pull_request.closed_by or "")
            with suppress(errors.PermanentError):  # a token that may not read events: a decision
                with_branch = self._was_closed_with_branch(pull_request)
                closing = replace(closing, with_branch=with_branch)
            self._closings[key] = closing
        return self._closings[key]

    def _was_closed_with_branch(self, pull_request: PullRequest) -> bool:
        """GitLab closes an open merge request whose branch is deleted, in the name of whoever
        deleted it and without a note; only the project's events tell.
        https://docs.gitlab.com/api/events/#list-all-visible-events-for-a-project"""
        closed_at = pull_request.decided_at
        if closed_at is None:
            return False
        with self._translated(f"read how merge request !{pull_request.number} was closed"):
            pushes = self._project.events.list(
                action="pushed",
                before=(closed_at.date() + timedelta(days=1)).isoformat(),
                per_page=PAGE_SIZE,
                iterator=True,
            )
            recent = (each.attributes for each in islice(pushes, MAX_PUSHES))
            return is_branch_deleted_at(recent, pull_request.head_branch, closed_at)

    def find_body_editor(self, pull_request: PullRequest) -> str:
        with self._translated(f"read who edited merge request !{pull_request.number}"):
            notes = self._project.mergerequests.get(pull_request.number, lazy=True).notes
            newest = notes.list(per_page=PAGE_SIZE, order_by="created_at", sort="desc", page=1)
        return next((find_author_login(each) for each in newest if is_description_note(each)), "")

    def may_write(self, login: str) -> bool:
        known = self._user_id(login)
        if known is None:
            return False
        try:
            with self._translated(f"read the access level of {login}"):
                member = self._project.members_all.get(known).attributes
        except errors.NotFoundError:
            return False
        return int(member["access_level"]) >= DEVELOPER_ACCESS_LEVEL

    def list_pull_requests_of_commit(self, commit: str) -> Sequence[PullRequest]:
        try:
            with self._translated(f"list the merge requests of commit {commit[:10]}"):
                known = self._project.commits.get(commit, lazy=True)
                found = [parse_merge_request(each) for each in known.merge_requests(get_all=True)]
        except errors.NotFoundError:
            self.find_default_branch()
            return []
        return sorted(found, key=lambda each: each.number, reverse=True)

    def create_pull_request(self, head: str, base: str, content: PullRequestContent) -> PullRequest:
        wanted: dict[str, Any] = {
            "source_branch": head,
            "target_branch": base,
            "title": mark_title(content),
            "description": content.body,
            "labels": list(content.labels),
            "reviewer_ids": self._known_users(content.reviewers),
            "assignee_ids": self._known_users(content.assignees),
        }
        with self._translated(f"open a merge request from {head!r} to {base!r}", after_push=True):
            filled = {name: value for name, value in wanted.items() if value != []}
            return parse_merge_request(self._project.mergerequests.create(filled).attributes)

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        changes: dict[str, Any] = {"title": mark_title(content), "description": content.body}
        if base is not None:
            changes["target_branch"] = base
        if content.labels:
            changes["add_labels"] = ",".join(content.labels)
        if content.removed_labels:
            changes["remove_labels"] = ",".join(content.removed_labels)
        # GitLab sets people, and adds none to those who are there.
        for field, there, more in (
            ("reviewer_ids", pull_request.reviewers, content.reviewers),
            ("assignee_ids", pull_request.assignees, content.assignees),
        ):
            if ids := self._known_users(more):
                changes[field] = [*self._known_users(sorted(there)), *ids]
        return self._change(pull_request.number, "update", changes)

    def close_pull_request(self, pull_request: PullRequest, body: str) -> PullRequest:
        return self._change(
            pull_request.number, "close", {"state_event": "close", "description": body}
        )

    def upsert_comment(self, number: int, marker: str, body: str) -> None:
        first_line = f"<!-- {marker} -->"
        wanted = f"{first_line}\n{body}".rstrip()
        with self._translated(f"comment on merge request !{number}"):
            notes = self._project.mergerequests.get(number, lazy=True).notes
            said = notes.list(per_page=PAGE_SIZE, order_by="created_at", sort="asc", get_all=True)
            marked = [each for each in said if note_body(each).startswith(first_line)]
            ours = next((each for each in marked if self._is_ours(each)), None)
            if ours is None:
                self._own_id = find_author_id(notes.create({"body": wanted}))
            elif note_body(ours).rstrip() != wanted:
                notes.update(ours.id, {"body": wanted})

    def set_commit_status(
        self, commit: str, name: str, state: StatusState, text: str, url: str | None
    ) -> None:
        said = {
            "state": STATUS_NAMES[state],
            "name": name,
            "description": shorten_status_text(text),
        }
        try:
            with self._translated(f"set the status {name!r} of commit {commit[:10]}"):
                known = self._project.commits.get(commit, lazy=True)
                known.statuses.create(said | ({"target_url": url} if url else {}))
        except errors.RequestRefusedError as refusal:
            # GitLab refuses to set a pending status to pending again, as a transition:
            # https://docs.gitlab.com/api/commits/#set-commit-pipeline-status
            if state is not StatusState.PENDING or "Cannot transition status" not in str(refusal):
                raise

    def push_rules(self, branch: str) -> Sequence[PushRule]:  # noqa: ARG002 - one set for all
        try:
            with self._translated("read the push rules"):
                answer = self._gitlab.http_get(f"/projects/{self._project.encoded_id}/push_rule")
        except errors.PermanentError:  # Free has none; older roles may not see them
            return ()
        return push_rules_of(answer if isinstance(answer, dict) else {})

    def read_status(self, commit: str, name: str) -> StatusState | None:
        with self._translated(f"read the statuses of commit {commit[:10]}"):
            known = self._project.commits.get(commit, lazy=True)
            found = known.statuses.list(name=name, per_page=PAGE_SIZE, get_all=False)
            newest = max(
                (each.attributes for each in found), key=lambda each: each["id"], default=None
            )
        return STATUS_STATES.get(newest["status"], StatusState.PENDING) if newest else None

    def check_access(
        self,
        *,
        statuses: bool = False,  # noqa: ARG002 - in api
        drafts: bool = False,  # noqa: ARG002 - a draft is a title here
    ) -> Sequence[AccessFinding]:
        findings: list[AccessFinding] = []
        try:
            findings += self._token_findings()
            findings += self._project_findings()
        except errors.PermanentError as missing:
            findings.append(AccessFinding(AccessFindingSeverity.PROBLEM, str(missing)))
        return findings

    def _change(self, number: int, verb: str, changes: dict[str, Any]) -> PullRequest:
        with self._translated(f"{verb} merge request !{number}"):
            return parse_merge_request(self._project.mergerequests.update(number, changes))

    def _known_users(self, names: Iterable[str]) -> list[int]:
        """The ids of those GitLab knows; it has no reviewing groups, so their names lead nowhere."""
        ids = [self._user_id(name.removeprefix("@")) for name in names if "/" not in name]
        return [known for known in ids if known is not None]

    def _user_id(self, name: str) -> int | None:
        if name not in self._user_ids:
            found: Sequence[Any] = []
            with suppress(errors.ForbiddenError), self._translated(f"look for the user {name!r}"):
                found = self._gitlab.users.list(username=name, get_all=False)
            self._user_ids[name] = found[0].id if found else None
        return self._user_ids[name]

    def _is_ours(self, note: Any) -> bool:
        """Whether we wrote it: anybody can copy a marker into a comment of their own."""
        if self._own_id is None:
            self._own_id = self._gitlab.http_get("/user")["id"]  # type: ignore[index]
        return find_author_id(note) == self._own_id

    def _token_findings(self) -> Iterator[AccessFinding]:
        try:
            with self._translated("read the token's scopes"):
                token = self._gitlab.personal_access_tokens.get("self").attributes
        except (
            errors.NotFoundError
        ):  # before GitLab 15.5; what the token may do shows when it is used
            yield AccessFinding(
                AccessFindingSeverity.OK, f"{self._url} does not tell the scopes of a token."
            )
            return
        yield check_scopes(token.get("scopes") or ())
        if token.get("expires_at"):
            yield check_expiry(date.fromisoformat(token["expires_at"]), self._today())

    def _project_findings(self) -> Iterator[AccessFinding]:
        with self._translated("read the project"):
            project = self._gitlab.projects.get(self._path).attributes
        yield check_role(self.repository, project)
        if project.get("archived"):
            yield AccessFinding(
                AccessFindingSeverity.PROBLEM, f"{self.repository} is archived: unarchive it."
            )
        if not has_merge_requests_enabled(project):
            yield AccessFinding(
                AccessFindingSeverity.PROBLEM,
                f"{self.repository} takes no merge requests: enable them in Settings > General > "
                "Visibility, project features, permissions.",
            )

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    @contextmanager
    def _translated(self, what: str, *, after_push: bool = False) -> Iterator[None]:
        """Let only errors of ``bridge.errors`` out; ``what`` we asked for is in their message.
        ``after_push``: a branch was pushed right before, which GitLab may not have noticed yet."""
        asked = f"{self.repository}: could not {what}"
        try:
            with span("ask the forge", repository=self.repository, asked=what):
                yield
        except GitlabParsingError:
            raise self._strange(asked) from None
        except GitlabError as error:
            answer = (error.response_body or b"").replace(self._token.encode(), b"\xe2\x80\xa6")
            raise build_refusal_error(
                asked, error.response_code or 0, answer, after_push=after_push
            ) from None
        except requests.RequestException as error:
            raise errors.UnavailableError(
                f"{asked}, because {self._url} {describe_failure(error, self._ca_setting)}."
            ) from None
        except errors.BridgeError:
            raise
        except Exception:
            log.debug("an answer of %s was not understood", self._url, exc_info=True)
            raise self._strange(asked) from None

    def _strange(self, asked: str) -> errors.UnavailableError:
        return errors.UnavailableError(
            f"{asked}, because {self._url} did not answer as GitLab does. It may be starting, or "
            "something else answers in its place."
        )

    def _session(self) -> requests.Session:
        session = create_session(self._authorities)
        session.hooks["response"] = [self._stop_early]
        return session

    def _stop_early(self, response: requests.Response, **_: object) -> None:
        """Raise for an answer that python-gitlab would follow, sleep over, or report without its
        headers."""
        if (rate_limit := parse_rate_limit(response.headers)) is not None:
            self._notice(rate_limit)
        early = build_interruption_error(
            self.repository, response.status_code, response.headers, self._clock()
        )
        if early is not None:
            response.close()
            raise early
