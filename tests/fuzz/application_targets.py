"""What applications can send: bodies, names and headers; and templates filled with their values."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from urllib.parse import quote

import promptlayer.template_cache as sdk
import pytest

from bridge.config.serve_settings import ApplicationSettings
from bridge.errors import InvalidInputError, NotFoundError
from bridge.prompts.prompt import Json, JsonObject
from bridge.serve.application_tokens import ServedApplication
from bridge.serve.prompt_endpoints import matches_etag, parse_wait_preference
from bridge.serve.read_releases import ReleaseView
from bridge.serve.release import PromptRelease, ReleaseKey, ReleaseSnapshot
from bridge.serve.render_f_string import (
    LARGEST_ANSWER,
    UnfillableTemplateError,
    render_f_string_answer,
)
from bridge.serve.serve_response import parse_body
from bridge.serve.template_request import parse_template_request
from tests.fuzz.fuzz_target import AnyTarget, Target
from tests.fuzz.mutation import as_json, bent, spoiled_bytes, text
from tests.integration.sample_deliveries import NOON

BODY: JsonObject = {
    "api_key": "planted-token",
    "version": 3,
    "label": None,
    "provider": "openai",
    "model": "gpt-4o",
    "input_variables": {"tone": "kind", "x": None, "n": 7},
    "metadata_filters": {"a": "b"},
    "model_parameter_overrides": {"temperature": 1},
    "skip_input_variable_rendering": False,
}


def _body(random: Random) -> bytes:
    return as_json(random, bent(random, BODY))


def _a_body_is_understood_or_refused(body: bytes) -> None:
    try:
        content = parse_body(body)
        request = parse_template_request(content)
    except InvalidInputError as refusal:
        assert len(str(refusal)) < 400
        return
    sent = request.build_upstream_body(7)
    assert sent["version"] == 7
    assert "api_key" not in sent
    assert request.version is None or request.version > 0


# Names


SOURCE = "promptlayer"
NAMES = ("support/reply", "support/100%", "17", "support/a%2Fb", "sales/reply", "support/ä\n")
APPLICATION = ServedApplication(
    ApplicationSettings.model_validate(
        {"name": "bot", "tokens": ["t"], "prompts": ["support/**", "17"], "labels": ["prod"]}
    ),
    SOURCE,
)
RELEASES = {
    (key := ReleaseKey(SOURCE, number, label)): PromptRelease(
        key, name, 1, "support", "c" * 40, "a.yaml", NOON, NOON
    )
    for number, name in enumerate(NAMES, start=16)
    for label in ("prod", "dev")
}
IDS = {(SOURCE, name): number for number, name in enumerate(NAMES, start=16)}
VIEW = ReleaseView(APPLICATION, ReleaseSnapshot(1, RELEASES, {}, {}, IDS), NOON, timedelta(days=7))


@dataclass(frozen=True)
class Wanted:
    identifier: str
    label: str | None


def _wanted(random: Random) -> Wanted:
    name = random.choice((*NAMES, "16", "18", "999", text(random)))
    for _ in range(random.choice((0, 0, 1, 2))):
        with suppress(UnicodeEncodeError):  # half a character is in no address
            name = quote(name, safe=random.choice(("", "/")))
    if random.random() < 0.2:
        name = spoiled_bytes(random, name.encode("utf-8", "replace")).decode("utf-8", "replace")
    return Wanted(name, random.choice((None, "prod", "dev", "latest", text(random))))


def _only_what_is_in_scope_is_found(wanted: Wanted) -> None:
    try:
        found = VIEW.find_release(wanted.identifier, wanted.label)
    except NotFoundError as refusal:
        with pytest.raises(NotFoundError) as unknown:
            VIEW.find_release("nothing of this name", wanted.label)
        assert str(refusal) == str(unknown.value)
        return
    assert found.key.label == "prod"
    assert found.name.startswith("support/") or found.name == "17"


# Rendering, beside the SDK's


PIECES = (
    "{tone}",
    "{x}",
    "{missing}",
    "{{",
    "}}",
    "{",
    "}",
    "{x:>9}",
    "{x.y}",
    "{x!r}",
    "{}",
    "{0}",
    "Hi ",
    "\n",
)


@dataclass(frozen=True)
class Filled:
    answer: JsonObject
    variables: JsonObject


def _text(random: Random) -> str:
    likely = PIECES[:5] if random.random() < 0.7 else PIECES
    made = "".join(random.choices((*likely, "Hi "), k=random.randrange(6)))
    return made + text(random) if random.random() < 0.2 else made


def _filled(random: Random) -> Filled:
    messages = [
        {"role": role, "content": [{"type": "text", "text": _text(random)}]}
        for role in random.choices(("system", "user", "assistant"), k=random.randrange(1, 4))
    ]
    template: Json = {"type": "chat", "messages": messages}
    if random.random() < 0.2:
        template = {"type": "completion", "content": messages[0]["content"]}
    if random.random() < 0.2:
        messages[0]["template_format"] = random.choice(("jinja2", "f-string"))
    arguments: Json = {"model": "m", "messages": copy.deepcopy(messages)}
    if random.random() < 0.3:
        arguments |= {"system": _text(random), "prompt": _text(random)}
    if random.random() < 0.3:
        parts = [{"text": _text(random)}]
        arguments |= {"contents": [{"parts": parts}], "system_instruction": {"parts": parts}}
        arguments = copy.deepcopy(arguments)
    values = (text(random), random.randrange(99), 0.5, True, None, "{tone}", [1])
    variables = {name: random.choice(values) for name in ("tone", "x") if random.random() < 0.8}
    answer = {"prompt_template": template, "llm_kwargs": random.choice((arguments, None))}
    return Filled(answer, variables)


def _what_is_filled_is_filled_as_the_sdk_does(one: Filled) -> None:
    body = json.dumps(one.answer).encode()
    try:
        rendered = render_f_string_answer(body, one.variables)
    except UnfillableTemplateError as refusal:
        assert str(refusal)
        return
    assert len(rendered) <= LARGEST_ANSWER
    assert json.loads(rendered) == sdk.render_response(json.loads(body), one.variables)


# Headers


def _headers(random: Random) -> dict[bytes, bytes]:
    etags = ('"abc"', 'W/"abc"', "*", '"x", "abc"', '"', text(random))
    waits = ("wait=5", 'respond-async, wait="9"', "wait=-1", "wait=999999999999", text(random))
    made = {b"if-none-match": random.choice(etags), b"prefer": random.choice(waits)}
    return {
        name: spoiled_bytes(random, each.encode("utf-8", "replace")) for name, each in made.items()
    }


def _headers_are_read(headers: dict[bytes, bytes]) -> None:
    wait = parse_wait_preference(headers)
    assert wait is None or 0 <= wait <= 60
    if matches_etag(headers, b'"abc"'):
        assert b'"abc"' in headers[b"if-none-match"] or b"*" in headers[b"if-none-match"]


TARGETS: tuple[AnyTarget, ...] = (
    Target("application_body", _body, _a_body_is_understood_or_refused),
    Target("served_name", _wanted, _only_what_is_in_scope_is_found),
    Target("f_string_answer", _filled, _what_is_filled_is_filled_as_the_sdk_does),
    Target("application_headers", _headers, _headers_are_read),
)
