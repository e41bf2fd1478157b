"""PromptLayer's webhook signature.

The header ``X-PromptLayer-Signature`` holds the lower-case hex HMAC-SHA256 of the payload, keyed
with the webhook's secret as UTF-8 text. What is signed is the payload *serialised again* by
Python (sorted keys, ASCII escapes, ``", "`` and ``": "``), not the body as sent.
https://docs.promptlayer.com/features/prompt-registry/webhooks
"""

from __future__ import annotations

import hmac
import json
import math
import re
from collections.abc import Iterator, Sequence

from bridge.errors import MalformedPayloadError, SignatureMismatchError
from bridge.prompts.prompt import Json, JsonObject

SIGNATURE_HEADER = "X-PromptLayer-Signature"


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _finite(number: str) -> float:
    """The number. Raises ValueError for one that is too large for a float."""
    if math.isinf(value := float(number)):
        raise ValueError(number)
    return value


# Created once: json would create one for each call, at the cost of the call itself.
_READ = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode
_ESCAPED = json.JSONEncoder(sort_keys=True).encode
_AS_IT_IS = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode

_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_DEPTH_LIMIT = 64  # levels; documented payloads have three, and json recurses


def sign_payload(payload: Json, secret: str) -> str:
    """The signature that PromptLayer sends with ``payload``."""
    return _hmac(_ESCAPED(payload).encode(), secret).hex()


def verify_delivery(body: bytes, signature: str | None, secrets: Sequence[str]) -> JsonObject:
    """The payload of a delivery that one of ``secrets`` signed.

    Accepted is a signature over the payload as PromptLayer serialises it, over the same without
    ASCII escapes, and over the raw body. Raises SignatureMismatchError when none matches, and
    MalformedPayloadError when a signed body is no JSON object that can be stored.
    """
    claimed = _claimed(signature)
    if _signs(claimed, body, secrets):
        return _object(_load(body))
    try:
        payload = _load(body)
    except MalformedPayloadError as error:
        # The sender is unknown, so the response says nothing about the mistake.
        raise _mismatch() from error
    if not any(_signs(claimed, form, secrets) for form in _serialised(payload)):
        raise _mismatch()
    return _object(payload)


def _claimed(signature: str | None) -> bytes:
    if signature is None:
        raise SignatureMismatchError(
            f"The delivery has no {SIGNATURE_HEADER} header. Only PromptLayer may deliver here."
        )
    if not _HEX_DIGEST.fullmatch(signature):
        raise SignatureMismatchError(
            f"The {SIGNATURE_HEADER} header is not 64 lower-case hexadecimal digits. "
            "Only PromptLayer may deliver here."
        )
    return bytes.fromhex(signature)


def _mismatch() -> SignatureMismatchError:
    return SignatureMismatchError(
        f"The {SIGNATURE_HEADER} header does not fit the body with any configured secret. "
        "Compare webhook_secret in bridge.yaml with the secret PromptLayer shows for this webhook."
    )


def _signs(claimed: bytes, message: bytes, secrets: Sequence[str]) -> bool:
    """Whether any secret signed the text. All secrets are compared, so the time reveals nothing. A
    blank secret is skipped, as anybody could sign with it."""
    matches = [hmac.compare_digest(_hmac(message, secret), claimed) for secret in secrets if secret]
    return any(matches)


def _hmac(message: bytes, secret: str) -> bytes:
    # ``hmac.digest`` is faster alone, and slower here: it releases the GIL for each
    # message, and the thread that writes deliveries then holds it for milliseconds.
    return hmac.new(secret.encode(), message, "sha256").digest()


def _serialised(payload: Json) -> Iterator[bytes]:
    """The payload as PromptLayer serialises it, and without ASCII escapes where that differs."""
    escaped = _ESCAPED(payload)
    yield escaped.encode()
    if "\\u" in escaped:
        yield _AS_IT_IS(payload).encode()


def _load(body: bytes) -> Json:
    """The body as JSON that can be stored: strict, with finite numbers, not nested too deeply, and
    in valid Unicode."""
    try:
        text = body.decode()
        payload: Json = _READ(text)
        if text.count("[") + text.count("{") > _DEPTH_LIMIT:  # else it cannot be that deep
            _limit_depth(payload)
        if "\\u" in text:  # only an escape can be half of a character
            _AS_IT_IS(payload).encode()
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # syntax, UTF-8, numbers too long, infinite numbers, lone surrogates
        raise MalformedPayloadError("The body is not JSON in UTF-8.") from None
    return payload


def _limit_depth(payload: Json) -> None:
    level, depth = [payload], 0
    while level:
        if depth > _DEPTH_LIMIT:
            raise _too_deep()
        level = [child for node in level for child in _children(node)]
        depth += 1


def _children(node: Json) -> list[Json]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _too_deep() -> MalformedPayloadError:
    return MalformedPayloadError(f"The body is nested more than {_DEPTH_LIMIT} levels deep.")


def _object(payload: Json) -> JsonObject:
    if not isinstance(payload, dict):
        raise MalformedPayloadError("The body is JSON, but not an object.")
    return payload
