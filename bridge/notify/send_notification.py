"""Post one message to a webhook."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import requests

from bridge.errors import TransientError
from bridge.forge.https_session import create_session
from bridge.network.failures import explain_connection_failure

_TIMEOUT = 10.0  # seconds, to connect and for each piece of the answer


def get_host(url: str) -> str:
    """The part of an address that may be shown: its path may hold a token."""
    return urlsplit(url).hostname or "?"


def send_notification(url: str, headers: Mapping[str, str], body: bytes, authorities: str) -> None:
    """Post a message. ``authorities`` are certificates (PEM) to trust besides the system's. Raises
    TransientError, which never names the path of the address, unless the receiver answers with a
    success."""
    host = get_host(url)
    sent = {"Content-Type": "application/json", "User-Agent": "promptlayer-bridge", **headers}
    with create_session(authorities) as session:
        try:
            answer = session.post(
                url, data=body, headers=sent, timeout=_TIMEOUT, allow_redirects=False, stream=True
            )
        except requests.RequestException as error:
            cause = explain_connection_failure(error, "ca_file")
            raise TransientError(f"{host} could not be notified: {cause}.") from None
        with answer:
            if not 200 <= answer.status_code < 300:
                raise TransientError(
                    f"{host} answered a notification with {answer.status_code}: check the address"
                    " and the secret of this webhook in `notify`.",
                    retry_after=_find_retry_after(answer),
                )


def _find_retry_after(answer: requests.Response) -> float | None:
    with suppress(ValueError):
        return max(0.0, float(answer.headers.get("Retry-After", "")))
    return None
