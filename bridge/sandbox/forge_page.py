"""A page for the local forge: read pull requests, merge, close and reopen them.

For one person on their own machine. It has no login: it answers only to its configured host names
(so that a foreign site cannot reach it under a name of its own), and accepts only its own forms.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.errors import BridgeError, NotFoundError
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.forge.local_forge import LocalForge, list_repositories
from bridge.sandbox.forge_page_rendering import parse_diff, render_body

TEMPLATES_FOLDER = Path(__file__).parent / "templates" / "forge"

PullRequestPageAction = Callable[[LocalForge, int], PullRequest]
PULL_REQUEST_ACTIONS: dict[str, PullRequestPageAction] = {
    "merge": lambda forge, number: forge.merge(number, "merge"),
    "squash": lambda forge, number: forge.merge(number, "squash"),
    "rebase": lambda forge, number: forge.merge(number, "rebase"),
    "close": lambda forge, number: forge.close(number),
    "reopen": lambda forge, number: forge.reopen(number),
}


def create_forge_page(
    root: Path, *, hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> Starlette:
    """The page over every repository under ``root``. ``hosts`` are the names it answers to."""
    page = ForgePageRoutes(root)
    pull = "/{owner}/{name}/pull/{number:int}"
    return Starlette(
        routes=[
            Route("/", page.list_repositories),
            Route("/{owner}/{name}", page.list_pull_requests),
            Route(pull, page.show_pull_request),
            Route(pull + "/{act}", page.act_on_pull_request, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={BridgeError: page.render_error, 404: page.render_not_found},
    )


@dataclass(frozen=True)
class RepositoryListItem:
    """A repository in the list."""

    name: str
    open: int
    all: int


class ForgePageRoutes:
    """The routes. Each reads the disk again; nothing is cached."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES_FOLDER), autoescape=True, undefined=StrictUndefined
        )
        self._templates.globals["State"] = PullRequestState

    def list_repositories(self, _: Request) -> Response:
        return self._page("repositories.html", shown=[self._shown(name) for name in self._names()])

    def list_pull_requests(self, request: Request) -> Response:
        forge = self._forge(request)
        every = forge.list_all_pull_requests()
        return self._page(
            "pull_requests.html",
            repository=_name(request),
            open=[each for each in every if each.state is PullRequestState.OPEN],
            done=[each for each in every if each.state is not PullRequestState.OPEN],
        )

    def show_pull_request(self, request: Request) -> Response:
        return self._pull_request(request, status=200, complaint=None)

    def act_on_pull_request(self, request: Request) -> Response:
        """Merge, squash, rebase, close or reopen; then the pull request's page again."""
        act = PULL_REQUEST_ACTIONS.get(request.path_params["act"])
        if act is None:
            raise NotFoundError(f"There is no {request.path_params['act']!r} to do here.")
        if not _from_own_page(request):
            return self._error(403, "This can only be done from the page itself.")
        try:
            act(self._forge(request), request.path_params["number"])
        except NotFoundError:
            raise
        except BridgeError as refusal:
            return self._pull_request(request, status=409, complaint=str(refusal))
        return RedirectResponse(request.url.path.rpartition("/")[0], status_code=303)

    def render_not_found(self, _: Request, __: Exception) -> Response:
        return self._error(404, "Nothing is at this address.")

    def render_error(self, _: Request, error: Exception) -> Response:
        return self._error(404 if isinstance(error, NotFoundError) else 409, str(error))

    def _pull_request(self, request: Request, *, status: int, complaint: str | None) -> Response:
        forge, number = self._forge(request), request.path_params["number"]
        pull_request = forge.read_pull_request(number)
        comments = forge.read_comments(number)
        return self._page(
            "pull_request.html",
            status,
            repository=_name(request),
            pull=pull_request,
            body=render_body(pull_request.body),
            statuses=forge.read_statuses(pull_request.head_commit),
            comments={marker: render_body(body) for marker, body in comments.items()},
            commits=forge.list_commits(number),
            files=parse_diff(forge.diff(number)),
            complaint=complaint,
        )

    def _error(self, status: int, message: str) -> Response:
        return self._page("error.html", status, message=message)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        nonce = secrets.token_urlsafe(12)
        html = self._templates.get_template(template).render(nonce=nonce, **values)
        # A text may contain a lone surrogate, which UTF-8 cannot encode.
        return HTMLResponse(html.encode("utf-8", "replace"), status, headers=_headers(nonce))

    def _names(self) -> list[str]:
        return list_repositories(self._root)

    def _shown(self, name: str) -> RepositoryListItem:
        every = LocalForge(self._root, name).list_all_pull_requests()
        open_ = [each for each in every if each.state is PullRequestState.OPEN]
        return RepositoryListItem(name, len(open_), len(every))

    def _forge(self, request: Request) -> LocalForge:
        """The repository of the address. Raises NotFoundError."""
        name = _name(request)
        if name not in self._names():
            raise NotFoundError(f"There is no repository {name}.")
        return LocalForge(self._root, name)


def _name(request: Request) -> str:
    return f"{request.path_params['owner']}/{request.path_params['name']}"


def _from_own_page(request: Request) -> bool:
    """Whether the form's Origin header is the page's own."""
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return request.headers.get("origin") == own


def _headers(nonce: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
