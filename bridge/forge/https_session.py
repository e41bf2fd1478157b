"""The HTTP sessions of the forges' libraries: they trust what the settings say, and read no
credential that is not ours."""

from __future__ import annotations

import ssl
from typing import Any

import requests
import requests.adapters

from bridge.network.trust import create_ssl_context


class TrustingHttpAdapter(requests.adapters.HTTPAdapter):
    """Verifies servers by one SSL context alone, without the certificates that requests would
    add."""

    def __init__(self, context: ssl.SSLContext, **more: Any) -> None:
        self._context = context
        super().__init__(**more)

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **more)

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **more)

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ARG002 - what the environment names is in the context already
        cert: Any = None,
    ) -> Any:
        return super().build_connection_pool_key_attributes(request, True, cert)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002
        conn.cert_reqs = "CERT_REQUIRED"


def limit_trust(session: requests.Session, authorities: str) -> None:
    """Let a session verify servers by the system's store and ``authorities`` (a PEM text)."""
    session.mount("https://", TrustingHttpAdapter(create_ssl_context(authorities)))


def create_session(authorities: str) -> requests.Session:
    """A session that trusts the system's store and ``authorities``, and never reads ~/.netrc."""
    session = requests.Session()
    session.auth = lambda request: request  # else requests uses a credential of its own
    limit_trust(session, authorities)
    return session
