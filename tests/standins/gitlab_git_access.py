"""Git over HTTP as the GitLab stand-in lets people in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.standins.git_http import GitHttp, basic_credential
from tests.standins.gitlab_project import AccessToken

DEVELOPER = 30


class GitDoor:
    """Git over HTTP for whom GitLab would let in: 401 without a token, 403 for too little."""

    def __init__(
        self, root: Path, tokens: Mapping[str, AccessToken], changed: Callable[[], None]
    ) -> None:
        self._tokens = tokens
        self._changed = changed
        self._git = GitHttp(root, self._knows)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = self._token(Headers(raw=list(scope["headers"])))
        pushing = "git-receive-pack" in scope["path"] + scope["query_string"].decode()
        if token is not None and not _may_use_git(token, pushing=pushing):
            refusal = PlainTextResponse("You are not allowed to push code to this project.", 403)
            await refusal(scope, receive, send)
        else:
            await self._git(scope, receive, send)
            if pushing:
                await run_in_threadpool(self._changed)

    def _knows(self, headers: Headers) -> bool:
        return self._token(headers) is not None

    def _token(self, headers: Headers) -> AccessToken | None:
        token = self._tokens.get(basic_credential(headers)[1])
        return None if token is None or is_over(token) else token


def is_over(token: AccessToken) -> bool:
    return token.expires_at is not None and token.expires_at <= datetime.now(UTC).date()


def _may_use_git(token: AccessToken, *, pushing: bool) -> bool:
    if not pushing:
        return not token.scopes.isdisjoint({"api", "read_repository", "write_repository"})
    may_write = not token.scopes.isdisjoint({"api", "write_repository"})
    return may_write and token.access_level >= DEVELOPER
