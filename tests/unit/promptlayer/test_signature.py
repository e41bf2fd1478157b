from __future__ import annotations

import contextlib
import hashlib
import hmac
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.errors import MalformedPayloadError, SignatureMismatchError
from bridge.promptlayer.webhook_signature import sign_payload, verify_delivery
from bridge.prompts.prompt import Json
from tests.unit.promptlayer.recorded_payloads import event_files, fact

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SECRET = "test-webhook-secret"
PAYLOAD = {"event_type": "prompt_template_deleted", "details": {"prompt_template_name": "José 🚀"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)  # fmt: skip


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def spelled_otherwise(payload: Json) -> bytes:
    return json.dumps(payload, indent=3, ensure_ascii=False).encode()


@pytest.mark.parametrize("file", event_files())
def test_the_documented_computation_is_matched(file: str) -> None:
    vectors = {vector["file"]: vector for vector in fact("events/signatures.json")["vectors"]}
    payload = fact(f"events/{file}")
    assert sign_payload(payload, SECRET) == vectors[file]["signature"]
    assert (
        verify_delivery(spelled_otherwise(payload), vectors[file]["signature"], [SECRET]) == payload
    )


@unhurried
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values))
def test_any_signed_object_is_verified_however_it_is_spelled(payload: Json) -> None:
    assert (
        verify_delivery(spelled_otherwise(payload), sign_payload(payload, SECRET), [SECRET])
        == payload
    )


def test_a_signature_over_the_raw_body_is_accepted() -> None:
    body = spelled_otherwise(PAYLOAD)
    assert verify_delivery(body, signed(body), [SECRET]) == PAYLOAD


def test_a_signature_without_ascii_escapes_is_accepted() -> None:
    unescaped = json.dumps(PAYLOAD, sort_keys=True, ensure_ascii=False).encode()
    assert verify_delivery(spelled_otherwise(PAYLOAD), signed(unescaped), [SECRET]) == PAYLOAD


def test_every_secret_is_tried_so_that_secrets_can_be_rotated() -> None:
    body = json.dumps(PAYLOAD).encode()
    for secret in ("old", "new"):
        assert verify_delivery(body, sign_payload(PAYLOAD, secret), ["old", "new"]) == PAYLOAD


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "nonsense",
        "sha256=" + sign_payload(PAYLOAD, SECRET),
        sign_payload(PAYLOAD, SECRET).upper(),
        sign_payload(PAYLOAD, SECRET) + "\n",
        sign_payload(PAYLOAD, "another secret"),
        sign_payload({**PAYLOAD, "workspace_id": 2}, SECRET),
        "é" * 64,
    ],
)
def test_a_missing_malformed_or_wrong_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(SignatureMismatchError) as refusal:
        verify_delivery(json.dumps(PAYLOAD).encode(), signature, [SECRET, "other"])
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("secrets", [[], [""], ["", "other"]])
def test_without_a_secret_nobody_can_sign(secrets: list[str]) -> None:
    with pytest.raises(SignatureMismatchError):
        verify_delivery(json.dumps(PAYLOAD).encode(), sign_payload(PAYLOAD, ""), secrets)


BOMBS = {
    "empty": b"",
    "cut": b'{"event_type": ',
    "not utf-8": b'{"a": "\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "just too deep": b'{"a":' * 66 + b"1" + b"}" * 66,
    "not a number": b'{"a": NaN}',
    "infinite": b'{"a": -Infinity}',
    "infinite by size": b'{"a": 1e999}',
    "a huge integer": b'{"a": ' + b"9" * 100_000 + b"}",
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a list": b"[]",
    "a string": b'"a"',
    "null": b"null",
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_a_signed_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayloadError):
        verify_delivery(body, signed(body), [SECRET])


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_an_unsigned_body_is_refused_whatever_it_is(body: bytes) -> None:
    with pytest.raises(SignatureMismatchError):
        verify_delivery(body, "0" * 64, [SECRET])


def test_the_last_of_duplicate_keys_counts() -> None:
    body = b'{"a": 1, "a": 2}'
    assert verify_delivery(body, sign_payload({"a": 2}, SECRET), [SECRET]) == {"a": 2}


@unhurried
@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")))
@example(b'{"a": 1}')
def test_no_body_raises_anything_but_our_errors(body: bytes) -> None:
    for signature in (signed(body), "f" * 64):
        with contextlib.suppress(MalformedPayloadError, SignatureMismatchError):
            verify_delivery(body, signature, [SECRET])
