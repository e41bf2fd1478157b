"""A stand-in for an OpenID Connect provider: discovery, authorize, token, keys, userinfo.

It holds its clients to the protocol (PKCE, a code for one use, the very redirect address), signs in
whoever it is told, and can be told to hand out ID tokens that must not be believed.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "bridge", "client-secret-of-the-tests"
LIFETIME = 300  # seconds

Claims = dict[str, Any]
Spoil = Callable[[Claims], None]


@dataclass
class Authorized:
    """What one code stands for."""

    redirect: str
    challenge: str
    nonce: str


@dataclass
class OidcProvider:
    """``person`` are the claims about whoever signs in next. ``spoil`` changes what is signed,
    ``headers`` what is written in front of it, ``key`` what it is signed with."""

    issuer: str = ""
    person: Claims = field(default_factory=lambda: {"sub": "248289761001"})
    only_when_asked: Claims = field(default_factory=dict)  # what userinfo tells besides
    spoil: Spoil = lambda _: None
    headers: Claims = field(default_factory=dict)
    key: RSAKey | OctKey | None = None
    leave_out: tuple[str, ...] = ()  # members of the token's answer
    published: tuple[OctKey, ...] = ()  # keys among those that everybody may read
    calls_itself: str | None = None
    refuses: str | None = None  # an error to come back with instead of a code
    codes: dict[str, Authorized] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)  # what authorize was asked
    own: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/keys", self.keys),
                Route("/userinfo", self.userinfo),
            ]
        )

    def turn_key(self) -> None:
        """From now on another key signs."""
        self.own = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})

    def discovery(self, _: Request) -> Response:
        places = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "keys",
            "userinfo_endpoint": "userinfo",
        }
        return JSONResponse(
            {
                "issuer": self.calls_itself or self.issuer,
                **{name: f"{self.issuer}/{path}" for name, path in places.items()},
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(asked)
        answer = {"state": asked["state"]}
        if self.refuses:
            answer["error"] = self.refuses
        else:
            answer["code"] = secrets.token_hex(8)
            self.codes[answer["code"]] = Authorized(
                asked["redirect_uri"], asked["code_challenge"], asked["nonce"]
            )
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        known = self.codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_client"}, 401)
        if known is None or (known.redirect, known.challenge) != (form["redirect_uri"], challenge):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer = {"access_token": "at", "token_type": "Bearer", "id_token": self._signed(known)}
        return JSONResponse({k: v for k, v in answer.items() if k not in self.leave_out})

    def _signed(self, known: Authorized) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + LIFETIME,
            "nonce": known.nonce,
            **self.person,
        }
        self.spoil(claims)
        headers = {"alg": "RS256", "kid": self.own.kid, **self.headers}
        return jwt.encode(headers, claims, self.key or self.own, algorithms=["RS256", "HS256"])

    def keys(self, _: Request) -> Response:
        own = {**self.own.as_dict(private=False), "kid": self.own.kid}
        return JSONResponse({"keys": [own, *(key.as_dict() for key in self.published)]})

    def userinfo(self, _: Request) -> Response:
        return JSONResponse({"sub": self.person["sub"], **self.only_when_asked})
