"""The routes of the GitHub stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.standins.github_shapes import Shapes, installation_token, pull_node_id, rate_limit
from tests.standins.github_state import Credential, Pull, Refusal, Repository

if TYPE_CHECKING:
    from tests.standins.github import GitHubStandIn

DOCUMENTATION = "https://docs.github.com/rest"
DEFAULT_PAGE = 30
REPOSITORY = "/repos/{owner}/{name}"


@dataclass
class Call:
    """One request, with all an answer needs."""

    github: GitHubStandIn
    request: Request
    body: Any

    @property
    def token(self) -> str:
        return self.request.headers.get("authorization", "").partition(" ")[2]

    @property
    def credential(self) -> Credential:
        return self.github.credential(self.token)

    @property
    def repository(self) -> Repository:
        credential = self.credential
        names = self.request.path_params
        repository = self.github.repositories.get(f"{names['owner']}/{names['name']}")
        hidden = credential.scopes is not None and "repo" not in credential.scopes.split(", ")
        if repository is None or hidden:
            raise Refusal(404, "Not Found")
        return repository

    @property
    def pull(self) -> Pull:
        return self.repository.pull(self.request.path_params["number"])

    @property
    def shapes(self) -> Shapes:
        web = str(self.request.base_url.replace(path="")).rstrip("/")
        return Shapes(web + self.request.scope.get("root_path", ""), web)

    def require(self, permission: str) -> None:
        """Refuse a credential that may not write there."""
        credential = self.credential
        if credential.may(permission):
            return
        if credential.permissions is None:
            scopes = {"X-Accepted-OAuth-Scopes": "repo"}
            raise Refusal(403, "Must have push access to repository.", headers=scopes)
        kind = "integration" if credential.is_app else "personal access token"
        accepted = {"X-Accepted-GitHub-Permissions": f"{permission}=write"}
        raise Refusal(403, f"Resource not accessible by {kind}", headers=accepted)


Item = TypeVar("Item")
Handler = Callable[[Call], Response]


def rest_app(github: GitHubStandIn, more: Sequence[tuple[str, str, Handler]]) -> Starlette:
    routes = [
        Route(path, _endpoint(github, handler), methods=[method])
        for method, path, handler in [*ROUTES, *more]
    ]
    graphql = _endpoint(github, answer_graphql)
    enterprise = [
        Mount("/api/v3", routes=routes),
        Route("/api/graphql", graphql, methods=["POST"]),
    ]
    return Starlette(routes=[*enterprise, Route("/graphql", graphql, methods=["POST"]), *routes])


def _endpoint(github: GitHubStandIn, handler: Handler) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        call = Call(github, request, json.loads(raw) if raw else {})
        return await run_in_threadpool(_answer, call, handler)

    return endpoint


def _answer(call: Call, handler: Handler) -> Response:
    try:
        response = handler(call)
    except Refusal as refusal:
        response = _refused(refusal)
    remaining = call.github.use_quota()
    response.headers["X-RateLimit-Limit"] = "5000"
    response.headers["X-RateLimit-Remaining"] = str(remaining)
    response.headers["X-RateLimit-Reset"] = str(int(call.github.now().timestamp()) + 3600)
    known = call.github.credentials.get(call.token)
    if known is not None and known.scopes is not None:
        response.headers["X-OAuth-Scopes"] = known.scopes
    return response


def _refused(refusal: Refusal) -> Response:
    body: dict[str, Any] = {"message": refusal.message, "documentation_url": DOCUMENTATION}
    if refusal.errors:
        body["errors"] = refusal.errors
    body["status"] = str(refusal.status)
    return JSONResponse(body, refusal.status, refusal.headers)


def show_user(call: Call) -> Response:
    credential = call.credential
    if credential.is_app:
        raise Refusal(403, "Resource not accessible by integration")
    return JSONResponse(call.shapes.public_user(credential.login, call.github.now()))


def show_rate_limit(call: Call) -> Response:
    reset = int(call.github.now().timestamp()) + 3600
    return JSONResponse(rate_limit(5000, call.github.remaining, reset))


def show_branch_rules(call: Call) -> Response:
    return JSONResponse(call.repository.branch_rules)


def show_repository(call: Call) -> Response:
    return JSONResponse(call.shapes.full_repository(call.repository, call.credential))


def find_installation(call: Call) -> Response:
    app_id, owner = call.github.app_of(call.token), call.request.path_params["owner"]
    for found in call.github.installations.values():
        if (found.app_id, found.owner) == (app_id, owner):
            shape = call.shapes.installation(
                found.id, app_id, owner, found.permissions, call.github.now()
            )
            return JSONResponse(shape)
    raise Refusal(404, "Not Found")


def create_installation_token(call: Call) -> Response:
    app_id = call.github.app_of(call.token)
    installation = call.github.installations.get(call.request.path_params["installation"])
    if installation is None or installation.app_id != app_id:
        raise Refusal(404, "Not Found")
    minted = call.github.mint(installation)
    assert minted.expires_at is not None
    shape = installation_token(minted.token, minted.expires_at, installation.permissions)
    return JSONResponse(shape, 201)


def list_pulls(call: Call) -> Response:
    repository, query = call.repository, call.request.query_params
    repository.refresh()
    state = query.get("state", "open")
    pulls = [
        pull
        for pull in repository.pulls.values()
        if state in ("all", pull.state)
        and query.get("base", pull.base) == pull.base
        and query.get("head", f"{pull.head_owner}:{pull.head}") == f"{pull.head_owner}:{pull.head}"
    ]
    pulls.sort(key=lambda pull: pull.number, reverse=query.get("direction", "desc") == "desc")
    page, headers = page_of(call, pulls)
    shapes, credential = call.shapes, call.credential
    return JSONResponse(
        [shapes.pull(repository, pull, credential) for pull in page], headers=headers
    )


def create_pull(call: Call) -> Response:
    call.require("pull_requests")
    owner, colon, branch = call.body.get("head", "").rpartition(":")
    pull = call.repository.open_pull(
        branch,
        call.body.get("base", ""),
        title=call.body.get("title", ""),
        body=call.body.get("body"),
        draft=call.body.get("draft", False),
        author=call.credential.login,
        head_owner=owner if colon else None,
    )
    return JSONResponse(call.shapes.full_pull(call.repository, pull, call.credential), 201)


def show_pull(call: Call) -> Response:
    return JSONResponse(call.shapes.full_pull(call.repository, call.pull, call.credential))


def edit_pull(call: Call) -> Response:
    call.require("pull_requests")
    if "base" in call.body:
        call.repository.retarget(call.pull, call.body["base"])
    _edit(call)
    return show_pull(call)


def edit_issue(call: Call) -> Response:
    call.require("pull_requests")
    pull, repository = call.pull, call.repository
    repository.require_people(call.body.get("assignees", []))
    _edit(call)
    pull.labels = list(dict.fromkeys(call.body.get("labels", pull.labels)))
    pull.assignees = call.body.get("assignees", pull.assignees)
    return JSONResponse(call.shapes.issue(repository, pull))


def _edit(call: Call) -> None:
    pull, changes = call.pull, call.body
    if changes.get("state") == "closed":
        pull.close(call.github.now())
    elif changes.get("state") == "open":
        pull.reopen()
    pull.title = changes.get("title", pull.title)
    pull.write(changes.get("body", pull.body), call.credential.login)


def add_labels(call: Call) -> Response:
    call.require("pull_requests")
    pull, repository = call.pull, call.repository
    names = call.body if isinstance(call.body, list) else call.body["labels"]
    pull.labels = list(dict.fromkeys([*pull.labels, *names]))
    return JSONResponse([call.shapes.label(repository, name) for name in pull.labels])


def remove_label(call: Call) -> Response:
    call.require("pull_requests")
    pull, name = call.pull, call.request.path_params["label"]
    if name not in pull.labels:
        raise Refusal(404, "Label does not exist")
    pull.labels = [each for each in pull.labels if each != name]
    return JSONResponse([call.shapes.label(call.repository, each) for each in pull.labels])


def add_assignees(call: Call) -> Response:
    call.require("pull_requests")
    pull, repository = call.pull, call.repository
    known = [login for login in call.body["assignees"] if login in repository.collaborators]
    pull.assignees = list(dict.fromkeys([*pull.assignees, *known]))
    return JSONResponse(call.shapes.issue(repository, pull), 201)


def request_reviews(call: Call) -> Response:
    call.require("pull_requests")
    pull, repository = call.pull, call.repository
    repository.request_reviews(
        pull, call.body.get("reviewers", []), call.body.get("team_reviewers", [])
    )
    return JSONResponse(call.shapes.pull(repository, pull, call.credential), 201)


def list_comments(call: Call) -> Response:
    pull, repository, shapes = call.pull, call.repository, call.shapes
    page, headers = page_of(call, pull.comments)
    return JSONResponse([shapes.comment(repository, pull, one) for one in page], headers=headers)


def list_events(call: Call) -> Response:
    pull, repository, shapes = call.pull, call.repository, call.shapes
    page, headers = page_of(call, pull.events)
    return JSONResponse([shapes.event(repository, *one) for one in page], headers=headers)


def create_comment(call: Call) -> Response:
    call.require("pull_requests")
    comment = call.repository.comment(call.pull.number, call.credential.login, call.body["body"])
    return JSONResponse(call.shapes.comment(call.repository, call.pull, comment), 201)


def show_comment(call: Call) -> Response:
    pull, comment = call.repository.find_comment(call.request.path_params["comment"])
    return JSONResponse(call.shapes.comment(call.repository, pull, comment))


def edit_comment(call: Call) -> Response:
    call.require("pull_requests")
    _, comment = call.repository.find_comment(call.request.path_params["comment"])
    comment.body = call.body["body"]
    return show_comment(call)


def delete_comment(call: Call) -> Response:
    call.require("pull_requests")
    call.repository.delete_comment(call.request.path_params["comment"])
    return Response(status_code=204)


def merge_pull(call: Call) -> Response:
    call.require("contents")
    commit = call.repository.merge(call.pull.number, call.body.get("merge_method", "merge"))
    done = {"sha": commit, "merged": True, "message": "Pull Request successfully merged"}
    return JSONResponse(done)


def show_permission(call: Call) -> Response:
    login = call.request.path_params["login"]
    role = "write" if login in call.repository.collaborators else "read"
    if login == "nobody":
        raise Refusal(404, f"{login} is not a user")
    user = call.shapes.user(login)
    return JSONResponse({"permission": role, "role_name": role, "user": user})


def answer_graphql(call: Call) -> Response:
    if "editor {" not in call.body["query"]:
        return change_draft(call)
    about = call.body["variables"]
    pull = call.github.repositories[f"{about['owner']}/{about['name']}"].pull(about["number"])
    editor = {"login": pull.editor} if pull.editor else None
    return JSONResponse({"data": {"repository": {"pullRequest": {"editor": editor}}}})


def change_draft(call: Call) -> Response:
    """The two GraphQL mutations about drafts; everything else is an unknown field."""
    query: str = call.body["query"]
    node = call.body["variables"]["input"]["pullRequestId"]
    for name, draft in (
        ("markPullRequestReadyForReview", False),
        ("convertPullRequestToDraft", True),
    ):
        if f"{name}(" in query:
            if not call.credential.may("pull_requests"):
                return _graphql_error("FORBIDDEN", "Resource not accessible by integration")
            pull = _pull_by_node(call.github, node)
            if pull is None:
                return _graphql_error("NOT_FOUND", "Could not resolve to a node")
            pull.draft = draft
            changed = {"clientMutationId": None, "pullRequest": {"isDraft": draft}}
            return JSONResponse({"data": {name: changed}})
    return _graphql_error("undefinedField", "Field doesn't exist on type 'Mutation'")


def _pull_by_node(github: GitHubStandIn, node: str) -> Pull | None:
    for repository in github.repositories.values():
        for number, pull in repository.pulls.items():
            if pull_node_id(repository, number) == node:
                return pull
    return None


def _graphql_error(kind: str, message: str) -> Response:
    return JSONResponse({"data": None, "errors": [{"type": kind, "message": message}]})


def page_of(call: Call, items: list[Item]) -> tuple[list[Item], dict[str, str]]:
    query = call.request.query_params
    size = min(int(query.get("per_page", DEFAULT_PAGE)), call.github.page_cap, 100)
    page, last = int(query.get("page", 1)), -(-len(items) // size)
    targets = {"next": page + 1, "last": last} if page < last else {}
    if page > 1:
        targets |= {"first": 1, "prev": page - 1}
    address = call.request.url.replace(query="")
    links = [
        f'<{address}?{urlencode(dict(query) | {"page": number})}>; rel="{name}"'
        for name, number in targets.items()
    ]
    return items[(page - 1) * size : page * size], {"Link": ", ".join(links)} if links else {}


ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/user", show_user),
    ("GET", "/rate_limit", show_rate_limit),
    ("GET", REPOSITORY, show_repository),
    ("GET", REPOSITORY + "/collaborators/{login}/permission", show_permission),
    ("GET", REPOSITORY + "/rules/branches/{branch:path}", show_branch_rules),
    ("GET", f"{REPOSITORY}/installation", find_installation),
    ("POST", "/app/installations/{installation:int}/access_tokens", create_installation_token),
    ("GET", f"{REPOSITORY}/pulls", list_pulls),
    ("POST", f"{REPOSITORY}/pulls", create_pull),
    ("GET", f"{REPOSITORY}/pulls/{{number:int}}", show_pull),
    ("PATCH", f"{REPOSITORY}/pulls/{{number:int}}", edit_pull),
    ("PUT", f"{REPOSITORY}/pulls/{{number:int}}/merge", merge_pull),
    ("POST", f"{REPOSITORY}/pulls/{{number:int}}/requested_reviewers", request_reviews),
    ("PATCH", f"{REPOSITORY}/issues/{{number:int}}", edit_issue),
    ("POST", f"{REPOSITORY}/issues/{{number:int}}/labels", add_labels),
    ("DELETE", f"{REPOSITORY}/issues/{{number:int}}/labels/{{label:path}}", remove_label),
    ("POST", f"{REPOSITORY}/issues/{{number:int}}/assignees", add_assignees),
    ("GET", f"{REPOSITORY}/issues/{{number:int}}/comments", list_comments),
    ("GET", f"{REPOSITORY}/issues/{{number:int}}/events", list_events),
    ("POST", f"{REPOSITORY}/issues/{{number:int}}/comments", create_comment),
    ("GET", f"{REPOSITORY}/issues/comments/{{comment:int}}", show_comment),
    ("PATCH", f"{REPOSITORY}/issues/comments/{{comment:int}}", edit_comment),
    ("DELETE", f"{REPOSITORY}/issues/comments/{{comment:int}}", delete_comment),
]
