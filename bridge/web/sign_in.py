"""Sign in and out: with a shared secret, or by an OpenID Connect provider."""

from __future__ import annotations

import hmac
import logging
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.config.dashboard_settings import DashboardSettings
from bridge.errors import InvalidInputError, UnavailableError
from bridge.status.audit_log import AuditAction, AuditActor, AuditChannel, AuditLog
from bridge.storage.inbox import Clock
from bridge.web.page_renderer import PageRenderer
from bridge.web.rate_limit_middleware import TokenBucket
from bridge.web.session import VisitorRole, clear_session, get_form_token, start_session
from bridge.web.session_guard import SIGN_IN_PATH, SessionGuard

if TYPE_CHECKING:
    from bridge.web.oidc_provider import OidcProvider

OIDC_CALLBACK_PATH = "/sign-in/oidc/callback"

_WRONG_PER_MINUTE = 5  # wrong secrets from one address
_BY_SECRET = "shared secret"  # the visitor's name

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class SignInPages:
    settings: DashboardSettings
    clock: Clock
    guard: SessionGuard
    renderer: PageRenderer
    attempt_bucket: TokenBucket
    provider: OidcProvider | None
    audit: AuditLog

    @classmethod
    def create(
        cls,
        settings: DashboardSettings,
        clock: Clock,
        guard: SessionGuard,
        renderer: PageRenderer,
        audit: AuditLog,
        authorities: str,
    ) -> SignInPages:
        provider = None
        if settings.oidc is not None and settings.url is not None:
            from bridge.web.oidc_provider import OidcProvider  # half a second to load

            provider = OidcProvider(settings.oidc, settings.url + OIDC_CALLBACK_PATH, authorities)
        attempt_bucket = TokenBucket(_WRONG_PER_MINUTE, clock=lambda: clock().timestamp())
        return cls(settings, clock, guard, renderer, attempt_bucket, provider, audit)

    def create_routes(self) -> list[Route]:
        routes = [
            Route(SIGN_IN_PATH, self.show_sign_in, methods=["GET"]),
            Route(SIGN_IN_PATH, self.sign_in_by_secret, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
        ]
        if self.provider is not None:
            routes.append(Route("/sign-in/oidc", self.redirect_to_provider, methods=["GET"]))
            routes.append(Route(OIDC_CALLBACK_PATH, self.handle_provider_callback, methods=["GET"]))
        return routes

    async def show_sign_in(self, request: Request) -> Response:
        if await self.guard.find_visitor(request) is not None:
            return RedirectResponse("/", 303)
        return self._form(request)

    def _form(self, request: Request, mistake: str = "", status: int = 200) -> Response:
        return self.renderer.render(
            request,
            "sign_in.html",
            status=status,
            token=get_form_token(request),
            by_secret=bool(self.settings.secret or self.settings.operator_secret),
            by_provider=self.provider is not None,
            mistake=mistake,
        )

    async def sign_in_by_secret(self, request: Request) -> Response:
        form = await self.guard.read_form(request)
        address = request.client.host if request.client else ""
        if wait := math.ceil(self.attempt_bucket.compute_wait_seconds(address)):
            answer = self._form(request, f"Too many attempts. Try again in {wait} s.", 429)
            answer.headers["Retry-After"] = str(wait)
            return answer
        role = self._role(form.get("secret", ""))
        if role is None:
            self.attempt_bucket.take(address)
            log.warning("sign-in from %s refused: wrong secret", address)
            return self._form(request, "That is not the secret.", 403)
        return await self._welcome(request, _BY_SECRET, role)

    def _role(self, given: str) -> VisitorRole | None:
        """The role of a given secret. Both secrets are compared in any case, so the time reveals
        nothing."""
        fitting = [
            role
            for role, secret in (
                (VisitorRole.OPERATOR, self.settings.operator_secret),
                (VisitorRole.VIEWER, self.settings.secret),
            )
            if secret is not None
            and hmac.compare_digest(given.encode(), secret.get_secret_value().encode())
        ]
        return fitting[0] if fitting else None

    async def redirect_to_provider(self, request: Request) -> Response:
        return await self._known_provider().redirect_to_provider(request)

    async def handle_provider_callback(self, request: Request) -> Response:
        name, role = await self._known_provider().authenticate(request)
        return await self._welcome(request, name, role)

    def _known_provider(self) -> OidcProvider:
        if self.provider is None:
            raise InvalidInputError("There is no sign-in provider.")
        return self.provider

    async def _welcome(self, request: Request, name: str, role: VisitorRole) -> Response:
        await self.guard.end_session(request)  # of the visitor who was signed in before
        await self._record(name, AuditAction.SIGNED_IN, f"as {role}")
        wanted = start_session(request, name, role, self.clock() + self.settings.session)
        log.info("%s signed in as %s", ascii(name), role)
        return RedirectResponse(wanted, 303)

    async def _record(self, name: str, action: AuditAction, subject: str = "") -> None:
        actor = AuditActor(name, AuditChannel.DASHBOARD)
        record = partial(self.audit.record, actor, action, subject=subject)
        await self.guard.run_in_thread(record)

    async def sign_out(self, request: Request) -> Response:
        await self.guard.read_form(request)
        try:
            visitor = await self.guard.find_visitor(request)
            if visitor is not None:
                await self._record(visitor.name, AuditAction.SIGNED_OUT)
            await self.guard.end_session(request)
        except UnavailableError as error:
            raise UnavailableError(f"You are not signed out. Try again soon. {error}") from error
        clear_session(request)
        return RedirectResponse(SIGN_IN_PATH, 303)
