"""What strangers can send: signatures, PromptLayer's events, the webhooks of forges."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlencode

from bridge.errors import MalformedPayloadError, SignatureMismatchError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.forge_webhooks import ForgeEvent, ForgeWebhooks, compute_hmac_hex
from bridge.promptlayer.webhook_events import (
    DOCUMENTED_EVENTS,
    WebhookEvent,
    check_age,
    compute_delivery_id,
    parse_event,
)
from bridge.promptlayer.webhook_signature import sign_payload, verify_delivery
from bridge.prompts.prompt import Json, JsonObject
from bridge.storage.forge_delivery import build_forge_delivery, parse_forge_event
from bridge.storage.inbox import Delivery
from tests.fuzz.fuzz_target import AnyTarget, Target
from tests.fuzz.mutation import as_json, bent, text
from tests.integration.sample_deliveries import NOON, payload_of
from tests.unit.forge_webhooks.test_reading import headers_of, pull_request_of, push_of

SECRETS = ("whsec_planted-one", "", "whsec_planted-two")
FIELDS: JsonObject = {
    "prompt_template_label": "prod",
    "old_prompt_template_name": "support/old",
    "old_prompt_template_version_number": 3,
    "change_type": "move",
    "report_id": 1,
    "report_name": "nightly",
    "agent_id": 2,
    "agent_name": "triage",
    "agent_execution_id": 3,
    "dataset_id": 4,
    "dataset_version_number": 1,
    "rows_added": 7,
    "row_count": 7,
    "error_message": "no",
    "operation_id": "o",
    "table_id": "t",
    "sheet_id": "s",
    "source": "file",
    "file_name": "a.csv",
    "affected_paths": ["a", "b"],
}
EVENTS = tuple(payload_of(kind, **FIELDS) for kind in (*DOCUMENTED_EVENTS, "tea_ready"))


def _payload(random: Random) -> Json:
    return bent(random, random.choice(EVENTS))


# The signature.


@dataclass(frozen=True)
class Signed:
    body: bytes
    signature: str | None


def _signed(random: Random) -> Signed:
    payload = _payload(random)
    body = as_json(random, payload)
    secret = random.choice(SECRETS) if random.random() < 0.9 else text(random)
    by = secret.encode("utf-8", "surrogatepass")
    claims = (
        lambda: None,
        lambda: text(random),
        lambda: "".join(random.choices("0123456789abcdef", k=64)),
        lambda: sign_payload(payload, secret) if secret.isascii() else "",
        lambda: sign_payload(payload, secret) if secret.isascii() else "",
        lambda: hmac.new(by, body, hashlib.sha256).hexdigest(),
        lambda: hmac.new(by, body + b" ", hashlib.sha256).hexdigest(),
    )
    return Signed(body, random.choice(claims)())


def _only_who_has_a_secret_gets_in(one: Signed) -> None:
    try:
        payload = verify_delivery(one.body, one.signature, SECRETS)
    except (SignatureMismatchError, MalformedPayloadError) as refusal:
        assert not any(secret in str(refusal) for secret in SECRETS if secret)
        assert not isinstance(refusal, MalformedPayloadError) or _is_signed(one), (
            "a stranger was told more"
        )
        return
    assert payload == json.loads(one.body)
    assert _is_signed(one), "let in unsigned"


def _is_signed(one: Signed) -> bool:
    """The same question, asked in the plainest way."""
    forms = [one.body]
    with suppress(ValueError, RecursionError):
        payload = json.loads(one.body)
        forms += [
            json.dumps(payload, sort_keys=True, ensure_ascii=f).encode() for f in (True, False)
        ]
    keys = [secret.encode() for secret in SECRETS if secret]
    return one.signature in [
        hmac.new(key, form, hashlib.sha256).hexdigest() for key in keys for form in forms
    ]


# PromptLayer's events.


def _kept_payload(random: Random) -> JsonObject | None:
    """A payload as ``verify_delivery`` would let it through."""
    body = as_json(random, _payload(random))
    try:
        return verify_delivery(body, compute_hmac_hex(SECRETS[0], body), SECRETS)
    except MalformedPayloadError:
        return None


def _an_event_is_read_and_kept(payload: JsonObject | None) -> None:
    if payload is None:
        return
    try:
        event = parse_event(payload)
        check_age(event, NOON, timedelta(days=400))
    except MalformedPayloadError as refusal:
        assert len(str(refusal)) < 400
        return
    delivery = Delivery.from_event(event, payload, NOON)
    assert delivery.id == compute_delivery_id(json.loads(delivery.payload)), (
        "what is kept is what was sent"
    )
    json.dumps(delivery.payload).encode()
    if isinstance(event, WebhookEvent):
        assert event.timestamp.tzinfo == UTC


# The webhooks of forges.


@dataclass(frozen=True)
class Knock:
    headers: Mapping[str, str]
    body: bytes


FORGES: Mapping[str, ForgeWebhooks] = {
    "github": github_webhooks,
    "gitlab": gitlab_webhooks,
    "local": local_webhooks,
}


def _knock(forge: str, random: Random) -> Knock:
    kind = random.choice(("push", "pull_request", "ping"))
    sample = pull_request_of(forge) if kind == "pull_request" else push_of(forge)
    actions = ("opened", "closed", "edited", "reopened", "merge", "update", "close", "merged")
    if kind == "pull_request" and "action" in sample and random.random() < 0.5:
        sample["action"] = random.choice(actions)
    body = as_json(random, bent(random, sample))
    headers = headers_of(forge, kind)
    if forge == "github" and random.random() < 0.1:
        headers["content-type"] = "application/x-www-form-urlencoded"
        body = urlencode({"payload": body}).encode()
    if random.random() < 0.9:
        headers |= _credential(forge, body, random.choice(SECRETS))
    if random.random() < 0.1:
        name = random.choice((*headers, "x-gitlab-event-uuid", "webhook-signature", "webhook-id"))
        headers[name] = text(random).encode("latin-1", "replace").decode("latin-1")
    return Knock(headers, body)


def _credential(forge: str, body: bytes, secret: str) -> dict[str, str]:
    if forge == "github":
        return {github_webhooks.SIGNATURE_HEADER: github_webhooks.compute_signature(body, secret)}
    if forge == "gitlab":
        return {gitlab_webhooks.TOKEN_HEADER: secret}
    return local_webhooks.build_signed_headers(body, secret, "1")


def _a_forge_is_heard(forge: str, one: Knock) -> None:
    webhooks = FORGES[forge]
    try:
        webhooks.verify_webhook(one.headers, one.body, SECRETS)
    except SignatureMismatchError as refusal:
        assert not any(secret in str(refusal) for secret in SECRETS if secret)
    else:
        assert _has_secret(forge, one), "let in without a secret"
    try:
        event = webhooks.parse_webhook(one.headers, one.body)
    except MalformedPayloadError as refusal:
        assert len(str(refusal)) < 400
        return
    if event is not None:
        _an_event_of_a_forge_is_kept(event, webhooks.find_delivery_name(one.headers))


def _has_secret(forge: str, one: Knock) -> bool:
    usable = [secret for secret in SECRETS if secret]
    credentials = [_credential(forge, one.body, secret) for secret in usable]
    names: Sequence[str] = {
        "github": [github_webhooks.SIGNATURE_HEADER],
        "gitlab": [gitlab_webhooks.TOKEN_HEADER],
        "local": [local_webhooks.SIGNATURE_HEADER],
    }[forge]
    return any(each[name] == one.headers.get(name) for each in credentials for name in names)


def _an_event_of_a_forge_is_kept(event: ForgeEvent, name: str) -> None:
    delivery = build_forge_delivery("here", "0" * 64, event, datetime(2026, 1, 1, tzinfo=UTC))
    assert parse_forge_event(delivery) == event
    delivery.payload.encode()
    assert isinstance(name, str)


def _door(forge: str) -> AnyTarget:
    return Target(
        f"{forge}_webhook",
        lambda random: _knock(forge, random),
        lambda one: _a_forge_is_heard(forge, one),
    )


TARGETS: tuple[AnyTarget, ...] = (
    Target("signature", _signed, _only_who_has_a_secret_gets_in),
    Target("events", _kept_payload, _an_event_is_read_and_kept),
    *map(_door, FORGES),
)
