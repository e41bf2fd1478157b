"""A GitHub to test against: REST v3 and a word of GraphQL over real HTTP, real repositories
behind git's own HTTP server, and faults on demand.

    with GitHubStandIn(tmp_path).serving() as github:
        repository = github.repository("acme/support-bot", {"README.md": b"Hello\n"})
        token = github.token("bot")

Paths work at the root, as on api.github.com, and below ``/api/v3``, as on Enterprise Server.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import jwt
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tests.standins import github_hooks
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.git_http import Files, GitHttp, basic_credential, create_repository
from tests.standins.github_commits import COMMIT_ROUTES
from tests.standins.github_rest import rest_app
from tests.standins.github_state import Credential, Refusal, Repository, utc_now
from tests.standins.serve_app import serve
from tests.standins.webhook_registry import Hooks

APP_PERMISSIONS = {
    "contents": "write",
    "pull_requests": "write",
    "statuses": "write",
    "metadata": "read",
}
TOKEN_LIFE = timedelta(hours=1)
RATE_LIMIT = 5000


@dataclass
class Installation:
    id: int
    app_id: int
    owner: str
    permissions: dict[str, str] = field(default_factory=lambda: dict(APP_PERMISSIONS))


class GitHubStandIn:
    """The server and the hand of a test in it. ``page_cap`` is the most items a page may have
    whatever is asked for; ``now`` is the server's clock."""

    def __init__(
        self, root: Path, *, page_cap: int = 100, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.root = root
        self.page_cap = page_cap
        self.now = now
        self.url = ""
        self.faults = Faults()
        self.repositories: dict[str, Repository] = {}
        self.credentials: dict[str, Credential] = {}
        self.installations: dict[int, Installation] = {}
        self.remaining = RATE_LIMIT
        self._app_keys: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._rest = rest_app(self, COMMIT_ROUTES)
        self._git = GitHttp(root, self._git_allowed)
        self.hooks = Hooks(
            lambda: {name: github_hooks.look(each) for name, each in self.repositories.items()},
            lambda event, secret, name: github_hooks.render(
                event, secret, name, self.repositories, self.url
            ),
        )

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve on a free port of this machine; ``url`` holds the address."""
        with serve(WithFaults(self, self.faults)) as self.url:
            yield self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._git if _is_git(scope["path"]) else self._rest
        await app(scope, receive, send)
        await run_in_threadpool(self.hooks.tell)

    @property
    def calls(self) -> int:
        """How many REST and GraphQL requests came so far; git's own are not among them."""
        return sum(not _is_git(request.path) for request in self.faults.requests)

    def repository(self, full_name: str, files: Files) -> Repository:
        """A new repository with one commit on main."""
        owner, name = full_name.split("/")
        path = create_repository(self.root, full_name, files)
        repository = Repository(owner, name, path, 1000 * next(self._numbers), self.now)
        repository.changed = self.hooks.tell
        self.repositories[full_name] = repository
        return repository

    def token(
        self,
        login: str = "bot",
        *,
        may_push: bool = True,
        scopes: str | None = "repo",
        permissions: Mapping[str, str] | None = None,
    ) -> str:
        """A classic token with ``scopes``, or a fine-grained one with ``permissions``."""
        kind = "ghp" if permissions is None else "github_pat"
        credential = Credential(login, f"{kind}_{login}{next(self._numbers):036}", may_push)
        if permissions is None:
            credential.scopes = scopes
        else:
            credential.permissions = dict(permissions)
        self.credentials[credential.token] = credential
        return credential.token

    def revoke(self, token: str) -> None:
        del self.credentials[token]

    def register_app(self, app_id: int, public_key_pem: str) -> None:
        self._app_keys[app_id] = public_key_pem

    def install_app(
        self, app_id: int, owner: str, permissions: Mapping[str, str] = APP_PERMISSIONS
    ) -> Installation:
        installation = Installation(next(self._numbers), app_id, owner, dict(permissions))
        self.installations[installation.id] = installation
        return installation

    def mint(self, installation: Installation) -> Credential:
        """A new installation token, good for an hour."""
        credential = Credential(
            login="promptlayer-bridge[bot]",
            token=f"ghs_{next(self._numbers):036}",
            permissions=dict(installation.permissions),
            expires_at=self.now() + TOKEN_LIFE,
            is_app=True,
        )
        self.credentials[credential.token] = credential
        return credential

    def credential(self, token: str) -> Credential:
        """Who asks with this token; refuses what is unknown or expired."""
        credential = self.credentials.get(token)
        if credential is None or (credential.expires_at and credential.expires_at <= self.now()):
            raise Refusal(401, "Bad credentials")
        return credential

    def app_of(self, token: str) -> int:
        """The App that signed this JSON Web Token; refuses a signature that is not its own."""
        try:
            app_id = int(jwt.decode(token, options={"verify_signature": False})["iss"])
            # The times are checked against this server's clock, not the machine's.
            claims = jwt.decode(
                token,
                self._app_keys[app_id],
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError, ValueError):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        if claims["exp"] - claims["iat"] > 660:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        return app_id

    def use_quota(self) -> int:
        """One request less for this hour; what is left."""
        with self._lock:
            self.remaining = max(0, self.remaining - 1)
            return self.remaining

    def _git_allowed(self, headers: Headers) -> bool:
        try:
            return self.credential(basic_credential(headers)[1]).may("contents")
        except Refusal:
            return False


def _is_git(path: str) -> bool:
    return ".git/" in path
