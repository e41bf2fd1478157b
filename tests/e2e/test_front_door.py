"""The front door of a real process, over a real socket: what it turns away, and how."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket

import httpx2

from bridge.network.read_body import BODY_LIMIT
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH
from tests.e2e.product_environment import SECRET, ProductEnvironment

ANSWER_IN = 10.0  # seconds


def test_what_is_not_a_delivery_is_turned_away_and_the_door_stays_open(
    environment: ProductEnvironment,
) -> None:
    bridge = environment.serve("--workers", "0")

    unsigned = _post(environment, b"{}", None)
    forged = _post(environment, b"{}", sign_payload({}, "somebody else's secret"))
    malformed = [
        _post(environment, body, _signed(body))
        for body in (b"", b"not json", b"[]", b'{"event_type": 7}', b"[" * 100_000)
    ]
    nested = json.dumps({"event_type": "x", "deep": json.loads("[" * 200 + "]" * 200)}).encode()
    malformed.append(_post(environment, nested, _signed(nested)))

    assert [unsigned.status_code, forged.status_code] == [401, 401]
    assert [answer.status_code for answer in malformed] == [400] * 6
    assert b" 413 " in _announce(environment, BODY_LIMIT + 1)
    for answer in (unsigned, forged, *malformed):
        assert 0 < len(answer.json()["error"]) < 300
        assert SECRET not in answer.text
    environment.save("greeting", "Say hello.")
    assert environment.webhooks.wait_until_sent()
    assert environment.webhooks.sent[-1].status == 202
    assert len(environment.deliveries()) == 1
    assert SECRET not in bridge.said
    assert "Traceback" not in bridge.said


def _post(environment: ProductEnvironment, body: bytes, signature: str | None) -> httpx2.Response:
    headers = {} if signature is None else {SIGNATURE_HEADER: signature}
    return httpx2.post(
        environment.address + PROMPTLAYER_WEBHOOK_PATH, content=body, headers=headers
    )


def _signed(body: bytes) -> str:
    """The raw-body form: whatever the body is, it is really theirs."""
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def _announce(environment: ProductEnvironment, length: int) -> bytes:
    """The first words of the answer to a request whose body of this length never comes."""
    head = f"POST {PROMPTLAYER_WEBHOOK_PATH} HTTP/1.1\r\nHost: bridge\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", environment.port), ANSWER_IN) as connection:
        connection.sendall(head.encode())
        return connection.recv(4096)
