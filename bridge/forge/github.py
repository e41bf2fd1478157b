"""GitHub: github.com, its data-residency hosts, and Enterprise Server, by PyGithub.

Objects are lazy, so no call is spent on reading what is known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, urlsplit

from github.GithubObject import NotSet
from github.PullRequest import PullRequest as GitHubPull

from bridge.errors import NotFoundError, PermanentError, RequestRefusedError
from bridge.forge.forge import (
    AccessFinding,
    AccessFindingSeverity,
    GitRemote,
    PullRequest,
    PullRequestClosing,
    PullRequestContent,
    PullRequestState,
    RateLimitListener,
    StatusState,
    ignore_rate_limit,
    shorten_status_text,
)
from bridge.forge.github_access_check import (
    AccessQuestion,
    GitHubAccess,
    build_access_findings,
    push_rules_of,
)
from bridge.forge.github_credentials import GitHubApp, GitHubToken
from bridge.forge.github_pull_requests import (
    find_closing,
    is_from_repository,
    read_pull_request,
    require_value,
    with_marks,
)
from bridge.forge.github_session import GitHubSession
from bridge.forge.push_rules import PushRule

__all__ = ["GitHubApp", "GitHubForge", "GitHubToken"]

BODY_LIMIT = 65_536  # characters
# "Content-generating requests", in a number of seconds:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
CREATION_LIMITS = ((80, 60.0), (500, 3600.0))
MAX_LISTED = 30  # of one head
REFUSAL_LASTS = 3600.0  # seconds that a reviewer whom GitHub refused is not asked again
UNKNOWN_COMMIT = "No commit found for"  # as GitHub spells them

# https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
WRITING_ROLES = ("admin", "write")
BODY_EDITOR_QUERY = """
query ($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { editor { login } } }
}
"""

READ_PERMISSION = "“Metadata: read”"
LIST_PERMISSION = "“Pull requests: read”"
PROPOSE_PERMISSION = "“Pull requests: write”"
STATUS_PERMISSION = "“Commit statuses: write”"
READ_STATUSES = "“Commit statuses: read”"


class GitHubForge:
    """One repository on GitHub. ``url`` is the address people know the server by; None is
    github.com. ``timeout`` is in seconds, of each request; ``clock`` in seconds since the epoch.
    ``notice`` hears what is left of the credential's budget; ``authorities`` are certificates (PEM)
    to trust besides the system's."""

    def __init__(
        self,
        repository: str,
        *,
        forge_name: str,
        auth: GitHubToken | GitHubApp,
        url: str | None = None,
        timeout: float = 30.0,
        clock: Callable[[], float] = time.time,
        notice: RateLimitListener = ignore_rate_limit,
        authorities: str = "",
    ) -> None:
        self._session = GitHubSession(
            repository,
            forge_name=forge_name,
            url=url,
            auth=auth,
            timeout=timeout,
            clock=clock,
            notice=notice,
            authorities=authorities,
        )
        self._owner = self._session.owner
        self._trying = self._session.translate_errors
        self._repository = self._session.get_repository
        self._clock = clock
        self._default_branch: str | None = None
        self._refused_reviewers: dict[str, float] = {}  # until when
        self._closings: dict[tuple[int, datetime | None], PullRequestClosing] = {}
        self._lock = threading.Lock()

    @property
    def repository(self) -> str:
        return self._session.name

    def build_file_url(self, path: str, branch: str | None = None) -> str | None:
        # https://docs.github.com/en/repositories/working-with-files/using-files/getting-permanent-links-to-files
        web = self._session.clone_url.removesuffix(".git")
        return f"{web}/blob/{quote(branch or 'HEAD')}/{quote(path)}"

    @property
    def body_limit(self) -> int:
        return BODY_LIMIT

    @property
    def creation_limits(self) -> tuple[tuple[int, float], ...]:
        return CREATION_LIMITS

    def create_git_remote(self) -> GitRemote:
        session = self._session
        return GitRemote(
            session.clone_url,
            "x-access-token",
            session.token,
            authorities=session.authorities,
            renew=session.drop_credential,
        )

    def find_default_branch(self, *, fresh: bool = False) -> str:
        with self._lock:
            if fresh or self._default_branch is None:
                with self._trying("read the default branch", READ_PERMISSION):
                    self._default_branch = require_value(self._repository().default_branch)
            return self._default_branch

    def list_pull_requests(self, head: str) -> Sequence[PullRequest]:
        with self._trying(f"list the pull requests from {head}", LIST_PERMISSION):
            pulls = self._repository().get_pulls(
                state="all",
                sort="created",
                direction="desc",
                head=f"{self._owner}:{head}",
            )
            return [self._read(pull) for pull in pulls.get_page(0) if is_from_repository(pull)][
                :MAX_LISTED
            ]

    def list_open_pull_requests(self, head_prefix: str) -> Sequence[PullRequest]:
        with self._trying("list the open pull requests", LIST_PERMISSION):
            pulls = self._repository().get_pulls(state="open", sort="created", direction="asc")
            return [
                self._read(pull)
                for pull in pulls
                if pull.head.ref.startswith(head_prefix) and is_from_repository(pull)
            ]

    def find_pull_request(self, number: int) -> PullRequest | None:
        try:
            with self._trying(f"read pull request #{number}", LIST_PERMISSION):
                return self._read(self._repository().get_pull(number))
        except NotFoundError:
            self.find_default_branch()  # raises where it is the repository that is not there
            return None

    def read_closing(self, pull_request: PullRequest) -> PullRequestClosing:
        key = (pull_request.number, pull_request.decided_at)
        if key not in self._closings:
            with self._trying(
                f"read who closed pull request #{pull_request.number}", LIST_PERMISSION
            ):
                events = self._repository().get_issue(pull_request.number).get_events()
                self._closings[key] = find_closing(events)
        return self._closings[key]

    def find_body_editor(self, pull_request: PullRequest) -> str:
        # https://docs.github.com/en/graphql/reference/objects#pullrequest
        with self._trying(f"read who edited pull request #{pull_request.number}", LIST_PERMISSION):
            repository = self._repository()
            about = {
                "owner": self._owner,
                "name": self.repository.rpartition("/")[2],
                "number": pull_request.number,
            }
            _, answer = repository.requester.graphql_query(BODY_EDITOR_QUERY, about)
            editor = answer["data"]["repository"]["pullRequest"]["editor"]
            return str(editor["login"]) if editor else ""

    def may_write(self, login: str) -> bool:
        try:
            with self._trying(f"read what {login} may do", READ_PERMISSION):
                role = self._repository().get_collaborator_permission(login)
        except NotFoundError:
            return False
        return role in WRITING_ROLES

    def list_pull_requests_of_commit(self, commit: str) -> Sequence[PullRequest]:
        try:
            with self._trying(f"list the pull requests of commit {commit[:10]}", LIST_PERMISSION):
                pulls = [
                    self._read(pull) for pull in self._repository().get_commit(commit).get_pulls()
                ]
        except RequestRefusedError as refusal:
            if UNKNOWN_COMMIT not in str(refusal):
                raise
            return []
        return sorted(pulls, key=lambda pull: pull.number, reverse=True)

    def create_pull_request(self, head: str, base: str, content: PullRequestContent) -> PullRequest:
        with self._trying(
            f"open a pull request from {head} to {base}", PROPOSE_PERMISSION, after_push=True
        ):
            first = content.unfinished_body if content.additions else None
            body = content.body if first is None else first
            pull = self._repository().create_pull(
                base, head, title=content.title, body=body, draft=content.draft
            )
            created = self._read(pull)
        return self._completed(created, content) if content.additions else created

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        number = pull_request.number
        self._request_reviews(number, content.reviewers)
        self._add_labels_and_assignees(number, content)
        self._remove_labels(number, content.removed_labels)
        with self._trying(f"update pull request #{number}", PROPOSE_PERMISSION):
            pull = self._repository().get_pull(number)
            if pull_request.is_draft and not content.draft:
                pull.mark_ready_for_review()
            target = NotSet if base is None else base
            pull.edit(title=content.title, body=content.body, base=target)
            updated = self._read(pull)
            if updated.is_draft == content.draft or updated.state is not PullRequestState.OPEN:
                return updated
            if content.draft:
                pull.convert_to_draft()
            else:
                pull.mark_ready_for_review()
            return replace(updated, is_draft=content.draft)

    def close_pull_request(self, pull_request: PullRequest, body: str) -> PullRequest:
        with self._trying(f"close pull request #{pull_request.number}", PROPOSE_PERMISSION):
            pull = self._repository().get_pull(pull_request.number)
            pull.edit(state="closed", body=body)
            return self._read(pull)

    def upsert_comment(self, number: int, marker: str, body: str) -> None:
        hidden = f"<!-- {marker} -->"
        wanted = f"{hidden}\n{body}"
        with self._trying(f"comment on pull request #{number}", PROPOSE_PERMISSION):
            issue = self._repository().get_issue(number)
            for comment in issue.get_comments():
                # Only at the very beginning: somebody may quote the whole comment; or copy it.
                if (comment.body or "").startswith(hidden) and self._session.is_own_comment(
                    comment
                ):
                    if comment.body != wanted:
                        comment.edit(wanted)
                    return
            self._session.record_login(issue.create_comment(wanted))

    def set_commit_status(
        self, commit: str, name: str, state: StatusState, text: str, url: str | None
    ) -> None:
        said = {"state": state.value, "context": name, "description": shorten_status_text(text)}
        with self._trying(f"set the status “{name}” of commit {commit[:10]}", STATUS_PERMISSION):
            repository = self._repository()
            # A commit's own method would read the commit first.
            repository.requester.requestJsonAndCheck(
                "POST",
                f"{repository.url}/statuses/{commit}",
                input=said | ({"target_url": url} if url else {}),
            )

    def push_rules(self, branch: str) -> Sequence[PushRule]:
        try:
            with self._trying(f"read the rules of branch {branch}", READ_PERMISSION):
                repository = self._repository()
                address = f"{repository.url}/rules/branches/{quote(branch, safe='')}"
                _, answer = repository.requester.requestJsonAndCheck("GET", address)
        except PermanentError:  # Enterprise Server has them since 3.11
            return ()
        return push_rules_of(answer if isinstance(answer, list) else [])

    def read_status(self, commit: str, name: str) -> StatusState | None:
        with self._trying(f"read the statuses of commit {commit[:10]}", READ_STATUSES):
            repository = self._repository()
            _, answer = repository.requester.requestJsonAndCheck(
                "GET", f"{repository.url}/commits/{commit}/status", {"per_page": 100}
            )
            said = {each["context"]: each["state"] for each in answer["statuses"]}
            return StatusState(said[name]) if name in said else None

    def check_access(
        self, *, statuses: bool = False, drafts: bool = False
    ) -> Sequence[AccessFinding]:
        try:
            with self._trying("read the repository", READ_PERMISSION):
                found = self._repository().complete()
                access = GitHubAccess(
                    may_push=found.permissions.push if found.permissions else None,
                    private=bool(found.private),
                    archived=bool(found.archived),
                    scopes=found.raw_headers.get("x-oauth-scopes"),
                    app_permissions=self._session.app_permissions,
                    plan=self._session.find_plan() if drafts else None,
                    web_host=urlsplit(found.html_url or "").netloc,
                )
        except PermanentError as error:
            return [AccessFinding(AccessFindingSeverity.PROBLEM, str(error))]
        asked = AccessQuestion(statuses=statuses, drafts=drafts, host=self._session.web_host)
        return build_access_findings(self.repository, self._session.credential, access, asked)

    def _completed(self, created: PullRequest, content: PullRequestContent) -> PullRequest:
        """Add reviewers, then labels, assignees and the body, in one request where GitHub takes
        all of them. The pull request is open already: only errors that a later reconcile can
        mend are raised."""
        asked = self._request_reviews(created.number, content.reviewers)
        created = replace(created, reviewers=frozenset(asked))
        if not (content.labels or content.assignees or content.unfinished_body is not None):
            return created
        attempt = f"set the labels and assignees of pull request #{created.number}"
        try:
            with self._trying(attempt, PROPOSE_PERMISSION):
                issue = self._repository().get_issue(created.number)
                issue.edit(
                    body=content.body,
                    labels=list(content.labels) or NotSet,  # none would take away all there are
                    assignees=list(content.assignees) or NotSet,
                )
                return with_marks(replace(created, body=content.body), issue)
        except PermanentError:
            # One assignee it does not know makes GitHub refuse them all, labels too; where they
            # are added instead, it leaves out the unknown ones.
            rest = replace(content, reviewers=())
            updated = self.update_pull_request(created, rest)
            return replace(updated, reviewers=created.reviewers)

    def _add_labels_and_assignees(self, number: int, content: PullRequestContent) -> None:
        """Add the labels and assignees that GitHub accepts."""
        attempt = f"set the labels and assignees of pull request #{number}"
        if content.labels:
            with suppress(PermanentError), self._trying(attempt, PROPOSE_PERMISSION):
                self._repository().get_issue(number).add_to_labels(*content.labels)
        if content.assignees:
            with suppress(PermanentError), self._trying(attempt, PROPOSE_PERMISSION):
                self._repository().get_issue(number).add_to_assignees(*content.assignees)

    def _remove_labels(self, number: int, names: Sequence[str]) -> None:
        for name in names:
            # Somebody may have been quicker: then it is not found.
            with (
                suppress(PermanentError),
                self._trying(f"take label {name} off #{number}", PROPOSE_PERMISSION),
            ):
                repository = self._repository()
                # The library's own method does not quote a slash.
                repository.requester.requestJsonAndCheck(
                    "DELETE",
                    f"{repository.url}/issues/{number}/labels/{quote(name, safe='')}",
                )

    def _request_reviews(self, number: int, names: Sequence[str]) -> list[str]:
        """Of whom reviews were asked. One whom GitHub does not take makes it refuse all, so each
        is asked alone then, and whoever is refused is left out for an hour."""
        now = self._clock()
        wanted = [name for name in names if self._refused_reviewers.get(name, 0) <= now]
        for group in (wanted, *([name] for name in wanted)):
            if not group:
                continue
            try:
                self._request_review(number, group)
            except PermanentError:
                if len(group) == 1:
                    self._refused_reviewers[group[0]] = now + REFUSAL_LASTS
            else:
                if len(group) == len(wanted):
                    return wanted
        return [name for name in wanted if name not in self._refused_reviewers]

    def _request_review(self, number: int, names: Sequence[str]) -> None:
        people = [name for name in names if "/" not in name]
        teams = [name.rpartition("/")[2] for name in names if "/" in name]
        with self._trying(f"ask for reviews of pull request #{number}", PROPOSE_PERMISSION):
            self._repository().get_pull(number).create_review_request(people, teams)

    def _read(self, pull: GitHubPull) -> PullRequest:
        return read_pull_request(pull, self.repository, self._owner)
