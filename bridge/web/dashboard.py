"""The dashboard: its routes, its sign-in, and what surrounds every answer."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.books.overview import Overview
from bridge.config.dashboard import DashboardSettings
from bridge.config.watch import every_secret
from bridge.engine.actions import Actions
from bridge.errors import (
    BridgeError,
    Forbidden,
    NotFound,
    Permanent,
    Rejected,
    TooLarge,
    TooSlow,
    Transient,
    Unauthorized,
)
from bridge.storage.database import Database
from bridge.storage.ended_sessions import EndedSessions
from bridge.storage.inbox import Clock, Inbox
from bridge.storage.keys import shared_key
from bridge.storage.members import Members
from bridge.web.assets import Assets
from bridge.web.body import ClientGone
from bridge.web.delivery_pages import DeliveryPages
from bridge.web.guarded import Gate
from bridge.web.pages import Pages
from bridge.web.prompt_pages import PromptPages, SourceOf, nowhere
from bridge.web.queue_pages import QueuePages
from bridge.web.sign_in import SignIn
from bridge.web.visitor import Visitor

_STATUS: Mapping[type[BridgeError], int] = {
    TooLarge: 413,
    TooSlow: 408,
    Forbidden: 403,
    NotFound: 404,
    Rejected: 400,
    Transient: 503,
    Unauthorized: 403,
    Permanent: 500,
}
_HTTP_WORDS = {
    404: "There is no such page. What it showed may have gone: a prompt that left its mapping, or a"
    " delivery that was too old to keep.",
    405: "This page does not answer to that.",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_READER = "dashboard"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Sources:
    """What the dashboard reads, and acts on. ``secrets`` never appear on a page; ``mistake`` says
    what is wrong with the configuration's files, if anything is."""

    database: Database
    inbox: Inbox
    clock: Clock
    secrets: Callable[[], Iterable[str]] = field(repr=False)
    mistake: Callable[[], str | None] = lambda: None
    source_of: SourceOf = nowhere
    authorities: str = ""  # certificates (PEM) to trust besides the system's


def dashboard(settings: DashboardSettings, sources: Sources) -> ASGIApp:
    """The dashboard as an application of its own, to stand beside the front door. Raises
    Unavailable when the database does not answer."""
    ended = EndedSessions(sources.database, sources.clock)
    gate = Gate.of(sources.clock, settings.url, ended)
    assets = Assets()
    pages = Pages(sources.clock, assets, sources.secrets, sources.mistake)
    secure = settings.url is not None and settings.url.startswith("https:")
    overview = Overview(sources.database, sources.clock)
    actions = Actions(sources.database, sources.inbox, sources.clock)
    members = Members(sources.database, _READER, _READER)  # which it does not join
    mistakes = _Mistakes(pages, gate)
    return Starlette(
        routes=[
            assets.route(),
            *SignIn.of(settings, sources.clock, gate, pages, sources.authorities).routes(),
            *PromptPages(pages, overview, actions, sources.source_of).routes(gate),
            *DeliveryPages(pages, overview, sources.inbox).routes(gate),
            *QueuePages(pages, overview, members.everyone).routes(gate),
        ],
        middleware=[
            Middleware(Shielded, strict_transport=secure),
            Middleware(
                SessionMiddleware,
                secret_key=_session_key(sources.database, settings),
                session_cookie="__Host-bridge" if secure else "bridge",
                max_age=int(settings.session.total_seconds()),
                https_only=secure,
            ),
        ],
        exception_handlers={
            BridgeError: mistakes.ours,
            HTTPException: mistakes.of_http,
            ClientGone: mistakes.nobody,
        },
    )


def _session_key(database: Database, settings: DashboardSettings) -> str:
    """One key for all processes. It changes with who may sign in, and that ends every session."""
    whom = [*every_secret(settings), settings.model_dump_json()]
    key = bytes.fromhex(shared_key(database, "dashboard"))
    return hmac.new(key, json.dumps(whom).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Shielded:
    """Adds to every answer what keeps browsers from misusing it."""

    app: ASGIApp
    strict_transport: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if self.strict_transport:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self.app(scope, receive, with_headers)


@dataclass(frozen=True)
class _Mistakes:
    """Errors as pages."""

    pages: Pages
    gate: Gate

    async def ours(self, request: Request, error: Exception) -> Response:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        answer = await self._page(request, status, str(error))
        if isinstance(error, Transient):
            answer.headers["Retry-After"] = f"{error.retry_after or 5:.0f}"
        return answer

    async def of_http(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return await self._page(request, status, _HTTP_WORDS.get(status, "This did not work."))

    async def nobody(self, _request: Request, _error: Exception) -> Response:
        return Response(status_code=400)

    async def _page(self, request: Request, status: int, words: str) -> Response:
        answer = self.pages.mistake(request, status, words, await self._visitor(request))
        if request.method == "GET" and "hx-request" in request.headers:
            answer.headers["HX-Reswap"] = "none"  # what is shown stays, and is asked for again
        return answer

    async def _visitor(self, request: Request) -> Visitor | None:
        """Who is known to be signed in: what is shown to nobody can be shown to anybody."""
        try:
            return await self.gate.visitor(request)
        except BridgeError:
            return None
