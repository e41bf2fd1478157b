"""Sign-in by an OpenID Connect provider: authorization code flow with PKCE, state and nonce
(https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, RFC 7636)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from bridge.config.dashboard_settings import EVERYBODY, OidcSettings
from bridge.errors import ForbiddenError, UnauthorizedError, UnavailableError
from bridge.network.failures import explain_connection_failure
from bridge.network.trust import create_ssl_context
from bridge.web.session import VisitorRole

_TIMEOUT = 10.0  # seconds for one request to the provider
_LEEWAY = 60  # seconds that two clocks may differ
_NAME = "provider"
_DISCOVERY = "/.well-known/openid-configuration"
# Asymmetric signatures only. The provider's own list may name HS256, whose key is the client's
# secret, or none, which needs no key.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")  # fmt: skip

log = logging.getLogger("bridge.web")

OidcClaims = Mapping[str, Any]


class OidcProvider:
    """One provider. Its discovery document is read at the first sign-in."""

    def __init__(self, settings: OidcSettings, back: str, authorities: str = "") -> None:
        self._settings = settings
        self._back = back  # the redirect URI
        self._client = OAuth().register(
            _NAME,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            server_metadata_url=settings.issuer.rstrip("/") + _DISCOVERY,
            client_kwargs={
                "scope": " ".join(settings.scopes),
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT,
                "verify": create_ssl_context(authorities),
            },
        )

    async def redirect_to_provider(self, request: Request) -> Response:
        """Redirect the browser to the provider. Raises UnavailableError when the provider does not
        answer."""
        try:
            await self._discover()
            answer: Response = await self._client.authorize_redirect(request, self._back)
        except (httpx2.HTTPError, ValueError, RuntimeError) as error:
            raise self._unreachable(error) from error
        return answer

    async def authenticate(self, request: Request) -> tuple[str, VisitorRole]:
        """The name and role of the person whom the provider sent back. Raises UnauthorizedError for
        a response that proves nothing, ForbiddenError for a person without a role, UnavailableError
        when the provider does not answer."""
        try:
            await self._discover()
            claims = await self._claims(request)
        except (AuthlibBaseError, JoseError) as error:
            log.warning("sign-in refused: %s", error.error)
            raise UnauthorizedError(_refusal(error)) from error
        except (httpx2.HTTPError, ValueError, RuntimeError) as error:
            raise self._unreachable(error) from error
        role = find_role(claims, self._settings)
        name = str(claims.get("email") or claims.get("preferred_username") or claims["sub"])
        if role is None:
            log.warning("sign-in of %s refused: neither viewer nor operator", ascii(name))
            raise ForbiddenError(_nobody(name, claims))
        return name, role

    async def _discover(self) -> None:
        found = await self._client.load_server_metadata()
        if found.get("issuer") != self._settings.issuer:
            self._client.server_metadata.clear()
            raise ValueError("it calls itself otherwise than bridge.yaml does")
        offered = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        found["id_token_signing_alg_values_supported"] = [
            each for each in offered if each in _ALGORITHMS
        ]

    async def _claims(self, request: Request) -> OidcClaims:
        settings = self._settings
        token = await self._client.authorize_access_token(
            request,
            claims_options={
                "iss": {"essential": True, "value": settings.issuer},
                "aud": {"essential": True, "value": settings.client_id},
            },
            leeway=_LEEWAY,
        )
        claims = token.get("userinfo")
        if claims is None:
            raise AuthlibBaseError("no_id_token")
        return {**await self._more(token, claims), **claims}

    async def _more(self, token: Mapping[str, Any], claims: OidcClaims) -> OidcClaims:
        """The claims of the userinfo endpoint about the same person."""
        has_claims = "email" in claims and _found(claims, self._settings.claim) is not None
        if has_claims or "userinfo_endpoint" not in self._client.server_metadata:
            return {}
        more: OidcClaims = await self._client.userinfo(token=token)
        return more if more.get("sub") == claims["sub"] else {}

    def _unreachable(self, error: Exception) -> UnavailableError:
        # httpx2's message contains the address and no secret; the client's secret is in a header.
        log.error("the sign-in provider does not answer as it should: %s", error)
        if isinstance(error, httpx2.TransportError):
            why = f"cannot be reached: {explain_connection_failure(error, 'ca_file')}"
        else:
            why = f"does not answer as it should ({type(error).__name__})"
        return UnavailableError(
            f"The sign-in provider {self._settings.issuer} {why}."
            " Try again; if it lasts, look at the log and at dashboard.oidc in bridge.yaml."
        )


def find_role(claims: OidcClaims, settings: OidcSettings) -> VisitorRole | None:
    """The role that the claims grant; None for none. An e-mail address counts only if the provider
    verified it (``email_verified``), as anybody can claim one."""
    names = {EVERYBODY, *_groups(_found(claims, settings.claim))}
    if claims.get("email_verified") is True and isinstance(claims.get("email"), str):
        names.add(claims["email"].casefold())
    if names & set(_folded(settings.operators)):
        return VisitorRole.OPERATOR
    return VisitorRole.VIEWER if names & set(_folded(settings.viewers)) else None


def _folded(names: Iterable[str]) -> Iterable[str]:
    """The names with e-mail addresses in lower case; groups are case-sensitive."""
    return (name.casefold() if "@" in name else name for name in names)


def _groups(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,) if "@" not in value else ()
    found = value if isinstance(value, list) else ()
    return (each for each in found if isinstance(each, str) and "@" not in each)


def _found(claims: OidcClaims, name: str) -> object:
    """A claim; a dotted name such as ``realm_access.roles`` reads a nested one."""
    if name in claims:
        return claims[name]
    inside: object = claims
    for part in name.split("."):
        inside = inside.get(part) if isinstance(inside, Mapping) else None
    return inside


def _refusal(error: AuthlibBaseError | JoseError) -> str:
    if error.error == "access_denied":
        return "The sign-in provider did not let you in, or you cancelled. Try again."
    return (
        f"The sign-in could not be proved ({_plain(error.error)}). It may have taken too long, or"
        " begun in another window. Try again."
    )


def _plain(code: object) -> str:
    """An error code without markup: it comes from the address, so from anybody."""
    text = "".join(each for each in str(code) if each.isalnum() or each in "_-")
    return text[:40] or "no reason given"


def _nobody(name: str, claims: OidcClaims) -> str:
    unproved = "email" in claims and claims.get("email_verified") is not True
    hint = (
        " The provider does not say that this e-mail is verified, so only groups count."
        if unproved
        else ""
    )
    return (
        f"You are {name}, and may not see this dashboard. Somebody who keeps bridge.yaml can add"
        f" you under dashboard.oidc.{hint}"
    )
