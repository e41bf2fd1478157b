"""GitHub's REST answers as JSON, in the shapes of its official description."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from tests.standins.github_links import REPOSITORY_PARTS, USER_PARTS
from tests.standins.github_state import Comment, CommitStatus, Credential, Pull, Repository

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Shapes:
    """Writes answers whose links begin with ``api`` (for programs) and ``web`` (for people)."""

    api: str
    web: str

    def user(self, login: str, kind: str = "") -> JsonObject:
        url = f"{self.api}/users/{login}"
        return {
            "login": login,
            "id": _id(login),
            "node_id": _node_id("User", login),
            "avatar_url": f"{self.web}/avatars/{login}.png",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{login}",
            **_links(url, USER_PARTS),
            "type": kind or ("Bot" if login.endswith("[bot]") else "User"),
            "site_admin": False,
        }

    def public_user(self, login: str, at: datetime) -> JsonObject:
        empty = dict.fromkeys(["bio", "blog", "company", "email", "hireable", "location", "name"])
        counts = dict.fromkeys(["followers", "following", "public_gists", "public_repos"], 0)
        stamps = {"created_at": _time(at), "updated_at": _time(at)}
        return self.user(login) | {"user_view_type": "public"} | empty | counts | stamps

    def repository(self, repository: Repository, credential: Credential) -> JsonObject:
        name = repository.full_name
        url, web = f"{self.api}/repos/{name}", f"{self.web}/{name}"
        opened = sum(pull.state == "open" for pull in repository.pulls.values())
        return {
            "id": repository.id,
            "node_id": _node_id("Repository", name),
            "name": repository.name,
            "full_name": name,
            "private": True,
            "owner": self.user(repository.owner, "Organization"),
            "html_url": web,
            "description": None,
            "fork": False,
            "url": url,
            **_links(url, REPOSITORY_PARTS),
            "clone_url": f"{web}.git",
            "git_url": f"git:{web.partition(':')[2]}.git",
            "ssh_url": f"git@example.com:{name}.git",
            "svn_url": web,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            "license": None,
            "default_branch": repository.default_branch,
            "archived": repository.archived,
            "disabled": False,
            "has_downloads": True,
            "has_issues": True,
            "has_projects": True,
            "has_wiki": True,
            "has_pages": False,
            "has_discussions": False,
            "visibility": "private",
            "topics": [],
            "size": 27,
            **dict.fromkeys(["forks", "forks_count", "watchers", "watchers_count"], 0),
            **dict.fromkeys(["stargazers_count"], 0),
            "open_issues": opened,
            "open_issues_count": opened,
            "pushed_at": _time(repository.now()),
            "created_at": _time(repository.now()),
            "updated_at": _time(repository.now()),
            "permissions": {"admin": False, "push": credential.may("contents"), "pull": True},
        }

    def full_repository(self, repository: Repository, credential: Credential) -> JsonObject:
        return self.repository(repository, credential) | {
            "organization": self.user(repository.owner, "Organization"),
            "network_count": 0,
            "subscribers_count": 0,
            "allow_merge_commit": True,
            "allow_rebase_merge": True,
            "allow_squash_merge": True,
            "delete_branch_on_merge": False,
        }

    def pull(self, repository: Repository, pull: Pull, credential: Credential) -> JsonObject:
        """As a list shows it."""
        api = f"{self.api}/repos/{repository.full_name}"
        url, issue = f"{api}/pulls/{pull.number}", f"{api}/issues/{pull.number}"
        web = f"{self.web}/{repository.full_name}/pull/{pull.number}"
        links = {
            "html": web,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{api}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{api}/statuses/{pull.head_commit}",
        }
        return {
            "url": url,
            "id": _id(web),
            "node_id": pull_node_id(repository, pull.number),
            **{f"{name}_url": link for name, link in links.items()},
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "active_lock_reason": None,
            "title": pull.title,
            "user": None if repository.nulls else self.user(pull.author),
            "body": pull.body,
            "created_at": _time(pull.at),
            "updated_at": _time(pull.at),
            "closed_at": _time(pull.closed_at),
            "merged_at": _time(pull.merged_at),
            "merge_commit_sha": pull.merge_commit,
            "assignee": self.user(pull.assignees[0]) if pull.assignees else None,
            "assignees": [self.user(login) for login in pull.assignees],
            "requested_reviewers": [self.user(login) for login in pull.reviewers],
            "requested_teams": [self.team(repository, slug) for slug in pull.teams],
            "labels": [self.label(repository, name) for name in pull.labels],
            "milestone": None,
            "draft": pull.draft,
            "head": self._side(
                repository, pull.head, pull.head_commit, pull.head_owner, credential
            ),
            "base": self._side(
                repository, pull.base, pull.base_commit, repository.owner, credential
            ),
            "_links": {name: {"href": link} for name, link in (links | {"self": url}).items()},
            "author_association": "MEMBER",
            "auto_merge": None,
        }

    def full_pull(self, repository: Repository, pull: Pull, credential: Credential) -> JsonObject:
        return self.pull(repository, pull, credential) | {
            "merged": pull.merged_at is not None,
            "mergeable": None,
            "rebaseable": None,
            "mergeable_state": "unknown",
            "merged_by": self.user("sam") if pull.merged_at else None,
            "comments": len(pull.comments),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": 1,
            "additions": 1,
            "deletions": 0,
            "changed_files": 1,
        }

    def issue(self, repository: Repository, pull: Pull) -> JsonObject:
        """A pull request seen as an issue."""
        api = f"{self.api}/repos/{repository.full_name}"
        url = f"{api}/issues/{pull.number}"
        web = f"{self.web}/{repository.full_name}/pull/{pull.number}"
        return {
            "url": url,
            "repository_url": api,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": web,
            "id": _id(url),
            "node_id": _node_id("Issue", url),
            "number": pull.number,
            "title": pull.title,
            "user": self.user(pull.author),
            "labels": [self.label(repository, name) for name in pull.labels],
            "state": pull.state,
            "locked": False,
            "assignee": self.user(pull.assignees[0]) if pull.assignees else None,
            "assignees": [self.user(login) for login in pull.assignees],
            "milestone": None,
            "comments": len(pull.comments),
            "created_at": _time(pull.at),
            "updated_at": _time(pull.at),
            "closed_at": _time(pull.closed_at),
            "author_association": "MEMBER",
            "draft": pull.draft,
            "body": pull.body,
            "state_reason": None,
        }

    def event(self, repository: Repository, what: str, who: str, at: datetime) -> JsonObject:
        """Of an issue; the actor's account may be gone."""
        url = f"{self.api}/repos/{repository.full_name}/issues/events/{_id(f'{what} {at}')}"
        return {
            "id": _id(url),
            "node_id": _node_id("IssueEvent", url),
            "url": url,
            "actor": None if repository.nulls and what != "closed" else self.user(who),
            "event": what,
            "commit_id": None,
            "commit_url": None,
            "created_at": _time(at),
            "performed_via_github_app": None,
        }

    def comment(self, repository: Repository, pull: Pull, comment: Comment) -> JsonObject:
        api = f"{self.api}/repos/{repository.full_name}/issues"
        return {
            "url": f"{api}/comments/{comment.id}",
            "html_url": f"{self.web}/{repository.full_name}/pull/{pull.number}#issuecomment-{comment.id}",
            "issue_url": f"{api}/{pull.number}",
            "id": comment.id,
            "node_id": _node_id("IssueComment", str(comment.id)),
            "user": self.user(comment.author),
            "created_at": _time(comment.at),
            "updated_at": _time(comment.at),
            "author_association": "MEMBER",
            "body": comment.body,
            "performed_via_github_app": None,
        }

    def status(self, repository: Repository, status: CommitStatus) -> JsonObject:
        return {
            "url": f"{self.api}/repos/{repository.full_name}/statuses/{status.commit}",
            "avatar_url": f"{self.web}/avatars/{status.author}.png",
            "id": status.id,
            "node_id": _node_id("StatusContext", str(status.id)),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": _time(status.at),
            "updated_at": _time(status.at),
            "creator": self.user(status.author),
        }

    def label(self, repository: Repository, name: str) -> JsonObject:
        return {
            "id": _id(name),
            "node_id": _node_id("Label", name),
            "url": f"{self.api}/repos/{repository.full_name}/labels/{name}",
            "name": name,
            "description": "",
            "color": "ededed",
            "default": False,
        }

    def team(self, repository: Repository, slug: str) -> JsonObject:
        url = f"{self.api}/organizations/{_id(repository.owner)}/team/{_id(slug)}"
        return {
            "id": _id(slug),
            "node_id": _node_id("Team", slug),
            "url": url,
            "html_url": f"{self.web}/orgs/{repository.owner}/teams/{slug}",
            "members_url": f"{url}/members{{/member}}",
            "repositories_url": f"{url}/repos",
            "name": slug,
            "slug": slug,
            "description": None,
            "permission": "push",
            "parent": None,
            "type": "organization",
        }

    def installation(
        self, number: int, app_id: int, owner: str, permissions: Mapping[str, str], at: datetime
    ) -> JsonObject:
        return {
            "id": number,
            "account": self.user(owner, "Organization"),
            "repository_selection": "selected",
            "access_tokens_url": f"{self.api}/app/installations/{number}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.web}/organizations/{owner}/settings/installations/{number}",
            "app_id": app_id,
            "app_slug": "promptlayer-bridge",
            "target_id": _id(owner),
            "target_type": "Organization",
            "permissions": dict(permissions),
            "events": [],
            "created_at": _time(at),
            "updated_at": _time(at),
            "single_file_name": None,
            "suspended_by": None,
            "suspended_at": None,
        }

    def _side(
        self, repository: Repository, branch: str, commit: str, owner: str, credential: Credential
    ) -> JsonObject:
        shape = self.repository(repository, credential)
        if owner != repository.owner:
            shape |= {"full_name": f"{owner}/{repository.name}", "id": repository.id + 1}
            shape |= {"owner": self.user(owner), "fork": True}
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": commit,
            "user": self.user(owner, "Organization"),
            "repo": shape,
        }


def installation_token(
    token: str, expires_at: datetime, permissions: Mapping[str, str]
) -> JsonObject:
    return {
        "token": token,
        "expires_at": _time(expires_at),
        "permissions": dict(permissions),
        "repository_selection": "selected",
    }


def rate_limit(limit: int, remaining: int, reset: int) -> JsonObject:
    rate = {"limit": limit, "remaining": remaining, "reset": reset, "used": limit - remaining}
    return {"resources": {"core": rate, "search": rate, "graphql": rate}, "rate": rate}


def pull_node_id(repository: Repository, number: int) -> str:
    return _node_id("PullRequest", f"{repository.full_name}#{number}")


def _links(url: str, parts: Mapping[str, str]) -> dict[str, str]:
    return {name: url + part for name, part in parts.items()}


def _id(text: str) -> int:
    return crc32(text.encode())


def _node_id(kind: str, text: str) -> str:
    return b64encode(f"{len(kind):03}:{kind}{text}".encode()).decode()


def _time(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
