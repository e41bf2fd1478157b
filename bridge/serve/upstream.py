"""PromptLayer's API as requests of applications are passed on to it: with the bridge's key."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from bridge.errors import UnavailableError
from bridge.network.failures import explain_connection_failure
from bridge.network.trust import create_ssl_context

_CONNECTIONS = httpx2.Limits(max_connections=200, max_keepalive_connections=40)


@dataclass(frozen=True)
class UpstreamSettings:
    """Where a workspace's API is, and with which key."""

    base_url: str
    api_key: str = field(repr=False)
    timeout: float = 20.0  # seconds, for each wait on the network
    authorities: str = field(default="", repr=False)  # PEM, besides the system's


FindUpstream = Callable[[str], UpstreamSettings]  # of a workspace, by its source
Headers = Sequence[tuple[bytes, bytes]]


class PromptLayerUpstream:
    """Sends requests to the workspaces of PromptLayer. For one event loop. Settings that change
    while the bridge runs hold from the next request on."""

    def __init__(self, find_settings: FindUpstream) -> None:
        self.find_settings = find_settings
        self._clients: dict[str, tuple[UpstreamSettings, httpx2.AsyncClient]] = {}

    @asynccontextmanager
    async def open_request(
        self,
        source: str,
        method: str,
        target: bytes,
        *,
        headers: Headers,
        content: bytes | AsyncIterable[bytes],
        read_timeout: float | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request for ``target``, a raw path with its query; the answer's body is not read
        yet. ``read_timeout`` is in seconds, between two parts of it. Raises UnavailableError when there is no answer."""
        settings = self.find_settings(source)
        try:
            client = self._find_client(source, settings)
            url = client.base_url.copy_with(raw_path=client.base_url.raw_path.rstrip(b"/") + target)
            request = client.build_request(
                method,
                url,
                headers=[*headers, (b"x-api-key", settings.api_key.encode())],
                content=content,
                timeout=httpx2.Timeout(settings.timeout, read=read_timeout or settings.timeout),
            )
            response = await client.send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            words = explain_connection_failure(error, "ca_file")
            raise UnavailableError(f"PromptLayer cannot be reached: {words}.") from None
        try:
            yield response
        except httpx2.HTTPError as error:
            words = explain_connection_failure(error, "ca_file")
            raise UnavailableError(f"PromptLayer's answer broke off: {words}.") from None
        finally:
            await response.aclose()

    async def post_json(self, source: str, path: str, body: bytes) -> tuple[httpx2.Response, bytes]:
        """Post JSON; the answer, and its body. Raises UnavailableError when there is none."""
        headers = [(b"content-type", b"application/json")]
        async with self.open_request(
            source, "POST", path.encode(), headers=headers, content=body
        ) as response:
            return response, await response.aread()

    async def close(self) -> None:
        for _, client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _find_client(self, source: str, settings: UpstreamSettings) -> httpx2.AsyncClient:
        """One for a workspace; a former one ends with its last request."""
        found = self._clients.get(source)
        if found is None or found[0] != settings:
            client = httpx2.AsyncClient(
                base_url=settings.base_url,
                timeout=settings.timeout,
                limits=_CONNECTIONS,
                verify=create_ssl_context(settings.authorities),
                follow_redirects=False,  # the key goes where the setting says, nowhere else
            )
            found = self._clients[source] = (settings, client)
        return found[1]
