"""Asks a running bridge what it serves, as an application does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from bridge.config.setting_types import validate_web_address
from bridge.errors import (
    BridgeError,
    InvalidInputError,
    NotFoundError,
    RequestRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.network.failures import explain_connection_failure
from bridge.network.trust import create_ssl_context
from bridge.prompts.prompt import Json

TOKEN_VARIABLE = "BRIDGE_TOKEN"
_TIMEOUT = 20.0  # seconds for an answer that does not wait
_LONGEST_WAIT = 25  # seconds of one request that does; proxies end those of 30
_PAUSE = 1.0  # seconds before a request is repeated


class ReleaseClient:
    """A bridge at ``url``, and the token of one of its applications. Every call raises
    UnauthorizedError, NotFoundError, RequestRefusedError or UnavailableError."""

    def __init__(self, url: str, token: str) -> None:
        try:
            self._url = validate_web_address(url)
        except ValueError as error:
            raise InvalidInputError(f"--url {url}: {error}") from None
        if not token:
            raise InvalidInputError(
                f"Set {TOKEN_VARIABLE} to a token of serve.applications of the bridge."
            )
        if not (token.isascii() and token.isprintable()):
            raise InvalidInputError(f"{TOKEN_VARIABLE} has characters that no token has.")
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            verify=create_ssl_context(),
            follow_redirects=False,  # the token goes where --url says, nowhere else
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def read_prompt(self, name: str, label: str | None) -> Json:
        """One prompt, by name or number, as ``GET /v1/prompts/{name}`` answers it."""
        return self._read(f"/v1/prompts/{quote(name, safe='')}", {"label": label})

    def list_prompts(self, label: str | None) -> Json:
        """All prompts that the application may read at a label."""
        return self._read("/v1/prompts", {"label": label})

    def wait_for_commit(self, commit: str, wait: timedelta) -> str | None:
        """Wait until a commit, or a later one, is served; why it is not once the time is over. A
        bridge that cannot be reached is asked again until then."""
        deadline = time.monotonic() + wait.total_seconds()
        while True:
            left = deadline - time.monotonic()
            seconds = max(0, min(int(left), _LONGEST_WAIT))
            try:
                self._read(f"/v1/commits/{quote(commit, safe='')}", {"wait": seconds or None})
                return None
            except (NotFoundError, UnavailableError) as error:
                if left <= 0:
                    return str(error)
                time.sleep(min(_PAUSE, max(0.0, deadline - time.monotonic())))

    def _read(self, path: str, query: Mapping[str, str | int | None]) -> Json:
        wanted: dict[str, Any] = {name: value for name, value in query.items() if value is not None}
        timeout = _TIMEOUT + float(wanted.get("wait", 0))
        try:
            response = self._client.get(f"{self._url}{path}", params=wanted, timeout=timeout)
            content = response.json()
        except httpx2.HTTPError as error:
            why = explain_connection_failure(error, "SSL_CERT_FILE")
            raise UnavailableError(f"The bridge cannot be reached at {self._url}: {why}.") from None
        except ValueError:
            raise UnavailableError(
                f"{self._url} answered {path} with {response.status_code} and no JSON. Check that"
                " it is the address of a bridge that has `serve` in bridge.yaml."
            ) from None
        if response.status_code == 200:
            return content
        raise self._build_error(response.status_code, content)

    def _build_error(self, status: int, content: Json) -> BridgeError:
        told = content.get("error") if isinstance(content, dict) else None
        told = told if isinstance(told, str) else f"{self._url} answered with {status}."
        if status == 401:
            return UnauthorizedError(f"{TOKEN_VARIABLE} is refused by {self._url}. {told}")
        if status == 404:
            return NotFoundError(told)
        if status in (424, 429) or status >= 500:
            return UnavailableError(told)
        return RequestRefusedError(told)
