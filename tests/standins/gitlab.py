"""A GitLab of this machine: API version 4 and git over HTTP, on real repositories.

standin = GitLabStandIn(tmp_path)
project = standin.repository("acme/bots/support", {"README.md": b"..."})
with serve(standin.app) as url:
    forge = GitLab("acme/bots/support", forge_name="gitlab", url=url, token=TOKEN)
    ...
    project.merge(1, "squash")
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.forge.forge_webhooks import ForgeEvent
from bridge.sandbox.forge_event_diff import RepositoryState
from tests.standins import gitlab_bodies as bodies
from tests.standins import gitlab_commits as commits
from tests.standins import gitlab_hooks
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.git_http import Files, create_repository
from tests.standins.gitlab_git_access import DEVELOPER, GitDoor, is_over
from tests.standins.gitlab_project import MAINTAINER, AccessToken, Project, Refusal, User
from tests.standins.webhook_registry import Hooks

TOKEN = "glpat-bridge-0123456789"
READ_ONLY_TOKEN = "glpat-reader-0123456789"
PAGE = 20  # when the request names no size
HOURLY = 2000  # what the rate limit's headers tell


@dataclass(frozen=True)
class Call:
    """One request to the API, let in."""

    token: AccessToken
    base: str  # where GitLab's pages are
    url: str  # without the query
    ids: Mapping[str, str]
    query: QueryParams
    fields: Mapping[str, Any]


Answering = Callable[[Call], Response]


class GitLabStandIn:
    """``app`` is what to serve, ``prefix`` the sub-path it answers under, ``page_limit`` the most
    it gives at once. The tokens TOKEN (api) and READ_ONLY_TOKEN (read_api, read_repository) are
    known from the start."""

    def __init__(self, root: Path, *, prefix: str = "", page_limit: int = 30) -> None:
        self.faults = Faults()
        self.page_limit = page_limit
        self._root = root
        self._prefix = prefix
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._users: dict[int, User] = {}
        self._tokens: dict[str, AccessToken] = {}
        self._projects: dict[str, Project] = {}
        self._person = self.user("sam")
        self.hooks = Hooks(self._look, self._render)
        self.token(TOKEN, self.user("bridge-bot"), {"api"})
        self.token(READ_ONLY_TOKEN, self.user("reader"), {"read_api", "read_repository"})
        self.app: ASGIApp = WithFaults(self._routes(), self.faults)

    @property
    def calls(self) -> int:
        """How many requests the API got, refused ones included; git's are not among them."""
        return sum(f"{self._prefix}/api/" in request.path for request in self.faults.requests)

    def user(self, username: str) -> User:
        user = User(next(self._ids), username)
        self._users[user.id] = user
        return user

    def token(
        self,
        value: str,
        user: User,
        scopes: Collection[str],
        *,
        access_level: int = MAINTAINER,
        expires_at: date | None = None,
    ) -> None:
        """Make ``value`` a token of ``user``; an access level of 0 is no member of anything."""
        self._tokens[value] = AccessToken(value, user, frozenset(scopes), access_level, expires_at)

    def repository(self, path: str, files: Files) -> Project:
        directory = create_repository(self._root, path, files)
        project = Project(next(self._ids), path, directory, self._person, self._users)
        project.members[self._person.id] = MAINTAINER
        project.changed = self._tell
        self._projects[path] = self._projects[str(project.id)] = project
        return project

    def _tell(self) -> None:
        with self._lock:  # always taken before that of the hooks
            self.hooks.tell()

    def _look(self) -> Mapping[str, RepositoryState]:
        return {each.path: gitlab_hooks.look(each) for each in self._projects.values()}

    def _render(self, event: ForgeEvent, secret: str, name: str) -> tuple[bytes, dict[str, str]]:
        return gitlab_hooks.render(event, secret, name, self._projects[event.repository])

    def _routes(self) -> ASGIApp:
        merge_requests = "/projects/{project}/merge_requests"
        one = merge_requests + "/{iid:int}"
        calls: Sequence[tuple[str, str, Answering]] = (
            ("GET", "/user", self._own_user),
            ("GET", "/users", self._find_users),
            ("GET", "/personal_access_tokens/self", self._own_token),
            ("GET", "/projects/{project}", self._read_project),
            ("GET", "/projects/{project}/events", self._list_pushes),
            ("GET", "/projects/{project}/push_rule", self._read_push_rule),
            ("GET", "/projects/{project}/members/all/{user:int}", self._read_member),
            ("GET", merge_requests, self._list_merge_requests),
            ("POST", merge_requests, self._open_merge_request),
            ("GET", one, self._read_merge_request),
            ("PUT", one, self._change_merge_request),
            ("PUT", one + "/merge", self._merge),
            ("GET", one + "/notes", self._list_notes),
            ("POST", one + "/notes", self._add_note),
            ("PUT", one + "/notes/{note:int}", self._change_note),
            ("POST", "/projects/{project}/statuses/{sha}", self._set_status),
            ("GET", "/projects/{project}/repository/commits/{sha}/merge_requests", self._related),
            ("GET", "/projects/{project}/repository/commits/{sha}/statuses", self._statuses),
        )
        api = [Route(path, self._endpoint(do), methods=[verb]) for verb, path, do in calls]
        pages = GitDoor(self._root, self._tokens, self._tell)
        app = Starlette(
            routes=[Mount(f"{self._prefix}/api/v4", routes=api), Mount(self._prefix, app=pages)],
            exception_handlers={404: lambda *_: JSONResponse({"error": "404 Not Found"}, 404)},
        )
        return KeepEncodedSlashes(app)

    def _endpoint(self, do: Answering) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            return await run_in_threadpool(self._answer, do, request, body)

        return endpoint

    def _answer(self, do: Answering, request: Request, body: bytes) -> Response:
        with self._lock:
            try:
                answer = do(self._call(request, body))
            except Refusal as refusal:
                answer = JSONResponse(refusal.body, refusal.status)
        self._tell()
        reset = int(datetime.now(UTC).timestamp()) + 60
        answer.headers.update(
            {
                "RateLimit-Limit": str(HOURLY),
                "RateLimit-Remaining": str(max(0, HOURLY - self.calls)),
                "RateLimit-Reset": str(reset),
            }
        )
        return answer

    def _call(self, request: Request, body: bytes) -> Call:
        token = self._tokens.get(request.headers.get("private-token", ""))
        if token is None or is_over(token):
            raise Refusal(401, {"message": "401 Unauthorized"})
        if not request.url.path.endswith("/personal_access_tokens/self"):
            _check_scope(token, reading=request.method == "GET")
        return Call(
            token,
            f"{request.url.scheme}://{request.url.netloc}{self._prefix}",
            str(request.url.replace(query="")),
            {name: str(value) for name, value in request.path_params.items()},
            request.query_params,
            json.loads(body) if body else {},
        )

    def _project(self, call: Call, *, writing: bool = False) -> Project:
        project = self._projects.get(unquote(call.ids["project"]))
        if project is None or call.token.access_level == 0:
            raise Refusal(404, {"message": "404 Project Not Found"})
        if writing and (call.token.access_level < DEVELOPER or project.archived):
            raise Refusal(403, {"message": "403 Forbidden"})
        project.refresh()
        return project

    def _own_user(self, call: Call) -> Response:
        return JSONResponse(bodies.own_user(call.token.user, call.base))

    def _find_users(self, call: Call) -> Response:
        wanted = call.query.get("username", "").lower()
        found = [who for who in self._users.values() if who.username.lower() == wanted]
        return self._page(call, [bodies.user(who, call.base) for who in found])

    def _own_token(self, call: Call) -> Response:
        return JSONResponse(bodies.access_token(call.token))

    def _read_project(self, call: Call) -> Response:
        project = self._project(call)
        return JSONResponse(bodies.project(project, call.token.access_level, call.base))

    def _read_push_rule(self, call: Call) -> Response:
        rule = self._project(call).push_rule
        if rule is None:
            return JSONResponse({"message": "404 Push Rule Not Found"}, 404)
        return JSONResponse(rule)

    def _read_member(self, call: Call) -> Response:
        project, id = self._project(call), int(call.ids["user"])
        if id not in project.members:
            raise Refusal(404, {"message": "404 Not found"})
        level = {"access_level": project.members[id], "state": "active", "expires_at": None}
        return JSONResponse(bodies.user(self._users[id], call.base) | level)

    def _list_merge_requests(self, call: Call) -> Response:
        project = self._project(call)
        found = [
            bodies.merge_request(each, project, call.base)
            for each in project.merge_requests
            if call.query.get("state", "all") in ("all", each.state)
            and call.query.get("source_branch", each.source_branch) == each.source_branch
            and call.query.get("target_branch", each.target_branch) == each.target_branch
        ]
        order = call.query.get("order_by", "created_at")
        newest_first = call.query.get("sort", "desc") == "desc"
        found.sort(key=lambda each: (each[order], each["id"]), reverse=newest_first)
        return self._page(call, found)

    def _open_merge_request(self, call: Call) -> Response:
        project = self._project(call, writing=True)
        if not project.merge_requests_enabled:
            raise Refusal(403, {"message": "403 Forbidden"})
        fields = dict(call.fields)
        required = [_required(fields, name) for name in ("source_branch", "target_branch", "title")]
        opened = project.open(*required, author=call.token.user, **fields)
        return JSONResponse(bodies.whole_merge_request(opened, project, call.base), 201)

    def _read_merge_request(self, call: Call) -> Response:
        project = self._project(call)
        body = bodies.whole_merge_request(project.find(int(call.ids["iid"])), project, call.base)
        return JSONResponse(body | {"first_contribution": False})

    def _change_merge_request(self, call: Call) -> Response:
        project = self._project(call, writing=True)
        changed = project.change(int(call.ids["iid"]), call.fields, call.token.user)
        return JSONResponse(bodies.whole_merge_request(changed, project, call.base))

    def _merge(self, call: Call) -> Response:
        project = self._project(call, writing=True)
        merged = project.merge(
            int(call.ids["iid"]), "squash" if call.fields.get("squash") else "merge"
        )
        return JSONResponse(bodies.whole_merge_request(merged, project, call.base))

    def _list_pushes(self, call: Call) -> Response:
        project = self._project(call)
        project.refresh()
        before = call.query.get("before", "9999-12-31")
        shown = [
            bodies.push_event(each, project, call.base)
            for each in reversed(project.pushes)
            if each.created_at.date().isoformat() < before
        ]
        return self._page(call, shown)

    def _list_notes(self, call: Call) -> Response:
        project = self._project(call)
        on = project.find(int(call.ids["iid"]))
        is_oldest_first = call.query.get("sort") == "asc"
        both = [*on.notes, *on.system_notes]
        notes = sorted(both, key=lambda each: each.created_at, reverse=not is_oldest_first)
        return self._page(call, [bodies.note(each, on, project, call.base) for each in notes])

    def _add_note(self, call: Call) -> Response:
        project = self._project(call, writing=True)
        iid = int(call.ids["iid"])
        note = project.comment(iid, call.fields["body"], call.token.user)
        return JSONResponse(bodies.note(note, project.find(iid), project, call.base), 201)

    def _change_note(self, call: Call) -> Response:
        project = self._project(call, writing=True)
        on = project.find(int(call.ids["iid"]))
        note = next((each for each in on.notes if str(each.id) == call.ids["note"]), None)
        if note is None:
            raise Refusal(404, {"message": "404 Note Not Found"})
        if note.author != call.token.user:
            raise Refusal(403, {"message": "403 Forbidden"})
        note.body, note.updated_at = call.fields["body"], datetime.now(UTC)
        return JSONResponse(bodies.note(note, on, project, call.base))

    def _set_status(self, call: Call) -> Response:
        project = self._project(call, writing=True)
        said = commits.set_status(project, call.ids["sha"], call.fields, call.token.user)
        return JSONResponse(commits.status_body(said, call.base), 201)

    def _statuses(self, call: Call) -> Response:
        """The newest of each name."""
        project, sha = self._project(call), call.ids["sha"]
        commits.require_commit(project, sha)
        newest = {each.name: each for each in project.statuses if each.sha == sha}
        wanted = [each for name, each in newest.items() if call.query.get("name", name) == name]
        return self._page(call, [commits.status_body(each, call.base) for each in wanted])

    def _related(self, call: Call) -> Response:
        project = self._project(call)
        found = commits.related(project, call.ids["sha"])
        return self._page(call, [bodies.merge_request(each, project, call.base) for each in found])

    def _page(self, call: Call, found: Sequence[bodies.Body]) -> Response:
        page = int(call.query.get("page", "1"))
        size = min(int(call.query.get("per_page", PAGE)), self.page_limit)
        last = max(1, -(-len(found) // size))
        neighbours = {"prev": page - 1, "next": page + 1, "first": 1, "last": last}
        links = {rel: number for rel, number in neighbours.items() if 1 <= number <= last}
        address = {rel: _address(call, number, size) for rel, number in links.items()}
        headers = {
            "Link": ", ".join(f'<{url}>; rel="{rel}"' for rel, url in address.items()),
            "X-Next-Page": str(links.get("next", "")),
            "X-Prev-Page": str(links.get("prev", "")),
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Total": str(len(found)),
            "X-Total-Pages": str(last),
        }
        return JSONResponse(found[(page - 1) * size : page * size], headers=headers)


class KeepEncodedSlashes:
    """Give the API the path as it came: ``group%2Fname`` is one word to GitLab."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "/api/v4/" in scope["path"]:
            scope = {**scope, "path": scope["raw_path"].decode()}
        await self.app(scope, receive, send)


def _check_scope(token: AccessToken, *, reading: bool) -> None:
    allowed = ("api", "read_api") if reading else ("api",)
    if token.scopes.isdisjoint(allowed):
        needs = "The request requires higher privileges than provided by the access token."
        body = {"error": "insufficient_scope", "error_description": needs, "scope": allowed[0]}
        raise Refusal(403, body)


def _required(fields: dict[str, Any], name: str) -> str:
    if not fields.get(name):
        raise Refusal(400, {"error": f"{name} is missing"})
    return str(fields.pop(name))


def _address(call: Call, page: int, size: int) -> str:
    return f"{call.url}?{urlencode({**call.query, 'page': page, 'per_page': size})}"
