"""What applications can send as logs, and what PromptLayer may answer to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from bridge.errors import InvalidInputError
from bridge.prompts.prompt import Json, JsonObject
from bridge.serve.log_calls import (
    LOG_CALLS,
    build_delivered_body,
    describe_refusal,
    dump_call,
    find_own_ids,
    find_subject,
    generate_id,
)
from bridge.serve.serve_response import parse_body
from tests.fuzz.fuzz_target import AnyTarget, Target
from tests.fuzz.mutation import as_json, bent, text

TOKEN, KEY, OWN_ID = "planted-token", "pl_key-of-the-bridge", f"pb_{'a' * 32}"
CALL: JsonObject = {
    "api_key": TOKEN,
    "request_id": OWN_ID,
    "group_id": 7,
    "score": 90,
    "metadata": {"a": "b"},
    "kwargs": {"messages": [{"role": "user", "content": "Hi"}]},
}


@dataclass(frozen=True)
class SentCall:
    path: str
    body: bytes


def _call(random: Random) -> SentCall:
    return SentCall(random.choice(list(LOG_CALLS)), as_json(random, bent(random, CALL)))


def _a_call_is_delivered_as_it_was_or_refused(sent: SentCall) -> None:
    try:
        content = parse_body(sent.body)
    except InvalidInputError as refusal:
        assert len(str(refusal)) < 400
        return
    content.pop("api_key", None)
    named, id = find_own_ids(content), generate_id()
    try:
        stored = dump_call(content)
    except InvalidInputError:
        return  # a number beyond all bounds
    assert stored.isascii()  # every database takes it
    subject = find_subject(LOG_CALLS[sent.path], id, "promptlayer", content)
    assert subject.isascii()
    assert len(subject) < 200
    assert LOG_CALLS[sent.path].build_answer(sent.path, id, content)
    delivered = json.loads(
        build_delivered_body(sent.path, json.loads(stored), dict.fromkeys(named, 132), KEY)
    )
    assert delivered.pop("api_key", KEY) == KEY
    for name in ("request_id", "group_id"):
        if str(content.get(name)) in named:
            assert delivered.pop(name) == 132
            content.pop(name)
    assert delivered == content


@dataclass(frozen=True)
class RefusalAnswer:
    answer: Json


def _refusal(random: Random) -> RefusalAnswer:
    secret = "a secret of a customer"
    details = [{"loc": ["body", "input", secret], "msg": secret, "type": "x", "input": secret}]
    return RefusalAnswer(bent(random, {"detail": details, "message": secret, "x": text(random)}))


def _a_refusal_is_described_in_few_words(one: RefusalAnswer) -> None:
    described = describe_refusal("/log-request", 422, one.answer)
    assert described.startswith("PromptLayer refused /log-request with 422")
    assert "a secret of a customer" not in described


TARGETS: tuple[AnyTarget, ...] = (
    Target("log_call", _call, _a_call_is_delivered_as_it_was_or_refused),
    Target("log_refusal", _refusal, _a_refusal_is_described_in_few_words),
)
