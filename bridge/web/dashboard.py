"""The dashboard: its routes, its sign-in, the headers and error pages of every response."""

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

from bridge.config.dashboard_settings import DashboardSettings
from bridge.config.monitoring_settings import find_secrets
from bridge.engine.operator_actions import OperatorActions
from bridge.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    BridgeError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TransientError,
    UnauthorizedError,
)
from bridge.network.read_body import ClientDisconnectedError
from bridge.status.audit_log import AuditLog
from bridge.status.status_reader import StatusReader
from bridge.storage.database import Database
from bridge.storage.ended_sessions import EndedSessionStore
from bridge.storage.inbox import Clock, DeliveryInbox
from bridge.storage.instances import InstanceRegistry
from bridge.storage.shared_keys import get_or_create_key
from bridge.web.assets import StaticAssets
from bridge.web.audit_pages import AuditPages
from bridge.web.delivery_pages import DeliveryPages, ListBranchPrefixes
from bridge.web.followed_mapping import FindMapping, find_no_mapping
from bridge.web.page_renderer import PageRenderer
from bridge.web.prompt_pages import PromptPages
from bridge.web.queue_pages import QueuePages
from bridge.web.session import SignedInVisitor
from bridge.web.session_guard import SessionGuard
from bridge.web.sign_in import SignInPages

_STATUS: Mapping[type[BridgeError], int] = {
    BodyTooLargeError: 413,
    BodyTimeoutError: 408,
    ForbiddenError: 403,
    NotFoundError: 404,
    InvalidInputError: 400,
    TransientError: 503,
    UnauthorizedError: 403,
    PermanentError: 500,
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
class DashboardSources:
    """The dependencies of the dashboard. The values of ``list_secrets`` are masked on every page;
    ``find_config_mistake`` returns the mistake in the configuration's files, if there is one."""

    database: Database
    inbox: DeliveryInbox
    clock: Clock
    list_secrets: Callable[[], Iterable[str]] = field(repr=False)
    find_config_mistake: Callable[[], str | None] = lambda: None
    find_mapping: FindMapping = find_no_mapping
    list_branch_prefixes: ListBranchPrefixes = tuple  # of the branches that the bridge pushes to
    authorities: str = ""  # certificates (PEM) to trust besides the system's


def create_dashboard(settings: DashboardSettings, sources: DashboardSources) -> ASGIApp:
    """The dashboard as an ASGI application. Raises UnavailableError when the database does not
    answer."""
    ended = EndedSessionStore(sources.database, sources.clock)
    guard = SessionGuard.create(sources.clock, settings.url, ended)
    assets = StaticAssets()
    renderer = PageRenderer(
        sources.clock, assets, sources.list_secrets, sources.find_config_mistake
    )
    secure = settings.url is not None and settings.url.startswith("https:")
    reader = StatusReader(sources.database, sources.clock)
    actions = OperatorActions(sources.database, sources.inbox, sources.clock)
    instances = InstanceRegistry(sources.database, _READER, _READER)  # without registering there
    mistakes = _ErrorPages(renderer, guard)
    return Starlette(
        routes=[
            assets.create_route(),
            *SignInPages.create(
                settings,
                sources.clock,
                guard,
                renderer,
                AuditLog(sources.database, sources.clock),
                sources.authorities,
            ).create_routes(),
            *PromptPages(renderer, reader, actions, sources.find_mapping).create_routes(guard),
            *DeliveryPages(renderer, reader, actions, sources.list_branch_prefixes).create_routes(
                guard
            ),
            *AuditPages(renderer, reader).create_routes(guard),
            *QueuePages(renderer, reader, instances.list_instances).create_routes(guard),
        ],
        middleware=[
            Middleware(SecurityHeadersMiddleware, strict_transport=secure),
            Middleware(
                SessionMiddleware,
                secret_key=_session_key(sources.database, settings),
                session_cookie="__Host-bridge" if secure else "bridge",
                max_age=int(settings.session.total_seconds()),
                https_only=secure,
            ),
        ],
        exception_handlers={
            BridgeError: mistakes.render_bridge_error,
            HTTPException: mistakes.render_http_error,
            ClientDisconnectedError: mistakes.render_unexpected_error,
        },
    )


def _session_key(database: Database, settings: DashboardSettings) -> str:
    """The key that signs sessions, the same for all processes. It depends on the sign-in settings,
    so changing them ends every session."""
    whom = [*find_secrets(settings), settings.model_dump_json()]
    key = bytes.fromhex(get_or_create_key(database, "dashboard"))
    return hmac.new(key, json.dumps(whom).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class SecurityHeadersMiddleware:
    """ASGI middleware that adds security headers to every response
    (https://owasp.org/www-project-secure-headers/)."""

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
class _ErrorPages:
    """The pages of errors."""

    renderer: PageRenderer
    guard: SessionGuard

    async def render_bridge_error(self, request: Request, error: Exception) -> Response:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        answer = await self._page(request, status, str(error))
        if isinstance(error, TransientError):
            answer.headers["Retry-After"] = f"{error.retry_after or 5:.0f}"
        return answer

    async def render_http_error(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return await self._page(request, status, _HTTP_WORDS.get(status, "This did not work."))

    async def render_unexpected_error(self, _request: Request, _error: Exception) -> Response:
        return Response(status_code=400)

    async def _page(self, request: Request, status: int, text: str) -> Response:
        answer = self.renderer.render_error(request, status, text, await self._visitor(request))
        if request.method == "GET" and "hx-request" in request.headers:
            answer.headers["HX-Reswap"] = "none"  # the page stays, and polls again
        return answer

    async def _visitor(self, request: Request) -> SignedInVisitor | None:
        """The signed-in visitor; None where that cannot be determined."""
        try:
            return await self.guard.find_visitor(request)
        except BridgeError:
            return None
