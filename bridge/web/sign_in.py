"""Signing in and out: by a shared secret, or by a provider."""

from __future__ import annotations

import hmac
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.config.dashboard import DashboardSettings
from bridge.errors import Rejected, Unavailable
from bridge.storage.inbox import Clock
from bridge.web.doorkeeper import Allowance
from bridge.web.guarded import SIGN_IN, Gate
from bridge.web.pages import Pages
from bridge.web.visitor import Role, form_token, sign_in, sign_out

if TYPE_CHECKING:
    from bridge.web.oidc import Provider

CALLBACK = "/sign-in/oidc/callback"

_WRONG_PER_MINUTE = 5  # of one address; a secret of 16 characters is not guessed so
_BY_SECRET = "shared secret"  # the name of somebody who showed one

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class SignIn:
    settings: DashboardSettings
    clock: Clock
    gate: Gate
    pages: Pages
    attempts: Allowance
    provider: Provider | None

    @classmethod
    def of(
        cls,
        settings: DashboardSettings,
        clock: Clock,
        gate: Gate,
        pages: Pages,
        authorities: str,
    ) -> SignIn:
        provider = None
        if settings.oidc is not None and settings.url is not None:
            from bridge.web.oidc import Provider  # half a second to load

            provider = Provider(settings.oidc, settings.url + CALLBACK, authorities)
        attempts = Allowance(_WRONG_PER_MINUTE, clock=lambda: clock().timestamp())
        return cls(settings, clock, gate, pages, attempts, provider)

    def routes(self) -> list[Route]:
        routes = [
            Route(SIGN_IN, self.show, methods=["GET"]),
            Route(SIGN_IN, self.by_secret, methods=["POST"]),
            Route("/sign-out", self.leave, methods=["POST"]),
        ]
        if self.provider is not None:
            routes.append(Route("/sign-in/oidc", self.to_provider, methods=["GET"]))
            routes.append(Route(CALLBACK, self.from_provider, methods=["GET"]))
        return routes

    async def show(self, request: Request) -> Response:
        if await self.gate.visitor(request) is not None:
            return RedirectResponse("/", 303)
        return self._form(request)

    def _form(self, request: Request, mistake: str = "", status: int = 200) -> Response:
        return self.pages.show(
            request,
            "sign_in.html",
            status=status,
            token=form_token(request),
            by_secret=bool(self.settings.secret or self.settings.operator_secret),
            by_provider=self.provider is not None,
            mistake=mistake,
        )

    async def by_secret(self, request: Request) -> Response:
        form = await self.gate.form(request)
        address = request.client.host if request.client else ""
        if wait := math.ceil(self.attempts.wait(address)):
            answer = self._form(request, f"Too many attempts. Try again in {wait} s.", 429)
            answer.headers["Retry-After"] = str(wait)
            return answer
        role = self._role(form.get("secret", ""))
        if role is None:
            self.attempts.charge(address)
            log.warning("sign-in from %s refused: wrong secret", address)
            return self._form(request, "That is not the secret.", 403)
        return await self._welcome(request, _BY_SECRET, role)

    def _role(self, given: str) -> Role | None:
        """Both are compared, whatever the first says: time tells nothing."""
        fitting = [
            role
            for role, secret in (
                (Role.OPERATOR, self.settings.operator_secret),
                (Role.VIEWER, self.settings.secret),
            )
            if secret is not None
            and hmac.compare_digest(given.encode(), secret.get_secret_value().encode())
        ]
        return fitting[0] if fitting else None

    async def to_provider(self, request: Request) -> Response:
        return await self._known_provider().lead_there(request)

    async def from_provider(self, request: Request) -> Response:
        name, role = await self._known_provider().person(request)
        return await self._welcome(request, name, role)

    def _known_provider(self) -> Provider:
        if self.provider is None:
            raise Rejected("There is no sign-in provider.")
        return self.provider

    async def _welcome(self, request: Request, name: str, role: Role) -> Response:
        await self.gate.end_session(request)  # of who was signed in before, in this browser
        wanted = sign_in(request, name, role, self.clock() + self.settings.session)
        log.info("%s signed in as %s", ascii(name), role)
        return RedirectResponse(wanted, 303)

    async def leave(self, request: Request) -> Response:
        await self.gate.form(request)
        try:
            await self.gate.end_session(request)
        except Unavailable as error:
            raise Unavailable(f"You are not signed out. Try again soon. {error}") from error
        sign_out(request)
        return RedirectResponse(SIGN_IN, 303)
