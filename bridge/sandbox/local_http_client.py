"""An HTTP client for servers on this machine."""

from __future__ import annotations

import ssl
from typing import Any

import httpx2

# These servers use plain HTTP, and loading certificates takes longer than most requests.
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def create_local_client(**settings: Any) -> httpx2.Client:
    """A client with httpx2' settings, for servers that speak plain HTTP; proxies are not asked."""
    return httpx2.Client(verify=_TRUSTS_NOBODY, trust_env=False, **settings)
