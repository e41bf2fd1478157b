"""``/prompt-templates``: what an application's SDK asks, answered from memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template, build_model_metadata
from bridge.serve.release import AnswerKey
from tests.integration.serve.application_server import (
    COMMIT,
    KEY,
    OLD_TOKEN,
    SETTINGS,
    SOURCE,
    TOKEN,
    WIDE_TOKEN,
    ApplicationServer,
    build_answer,
    list_texts,
)
from tests.integration.serve.recorded_answers import compare_recorded_answers
from tests.standins.fault_injection import status, time_out

GPT = build_model_metadata("openai", "gpt-4o", temperature=0.2)
REPLY = build_chat_template(("system", "Be {tone}."), ("user", "{question}"))
SKIP = {"skip_input_variable_rendering": True}
ONE = "/prompt-templates/support%2Freply"


@pytest.fixture
def reply(server: ApplicationServer) -> ApplicationServer:
    server.registry.save_version("support/reply", REPLY, metadata=GPT)
    server.release("support/reply")
    return server


def texts(server: ApplicationServer, **body: object) -> list[str]:
    answer = server.post(ONE, body)
    assert answer.status_code == 200, answer.text
    return list(list_texts(answer.json()))


def test_recorded_answers_come_through_the_bridge_unchanged(server: ApplicationServer) -> None:
    assert compare_recorded_answers(server) == (9, 9)


def test_an_unrendered_answer_is_promptlayers_byte_for_byte(reply: ApplicationServer) -> None:
    (kept,) = reply.index.snapshot.answers.values()

    answer = reply.post(ONE, SKIP)

    assert answer.content == kept.body
    assert answer.headers["bridge-age"] == "0"
    assert len(reply.asked) == 1  # when it was released


def test_a_prompt_is_found_by_name_in_every_spelling_and_by_number(
    reply: ApplicationServer,
) -> None:
    id = reply.registry.find_entry("support/reply").id
    for spelled in ("support/reply", "support%2Freply", "support%252Freply", str(id)):
        for answer in (
            reply.post(f"/prompt-templates/{spelled}", SKIP),
            reply.get(f"/prompt-templates/{spelled}"),
        ):
            assert answer.json()["prompt_name"] == "support/reply", spelled


@pytest.mark.parametrize(
    "name",
    ["support/100%", "support/a%2Fb", "support/ä ö?#&", "support/a\nb", "support/..", "support/ "],
)
def test_a_name_may_have_any_characters(server: ApplicationServer, name: str) -> None:
    server.registry.save_version("support/plain", REPLY, metadata=GPT)
    release = server.release("support/plain")
    server.replace(
        ids_by_name={(SOURCE, name): release.key.prompt_id},
        releases={release.key: replace(release, name=name)},
    )

    for spelled in (quote(name, safe=""), quote(quote(name, safe=""), safe="")):
        assert server.post(f"/prompt-templates/{spelled}", SKIP).status_code == 200, spelled


def test_plain_names_are_filled_without_promptlayer(reply: ApplicationServer) -> None:
    reply.faults.add("/", status(503), times=99)
    given = {"tone": 'kind "{x}"', "question": "Wy\u00df\nWhy?"}

    assert texts(reply, input_variables=given) == ['Be kind "{x}".', "Wy\u00df\nWhy?"]
    assert texts(reply, input_variables={"tone": 7, "question": None}) == ["Be 7.", ""]
    assert texts(reply) == ["Be .", ""]


@pytest.mark.parametrize("text", ["{x:>9}", "{x.y}", "{x[0]}", "{x!r}", "{}", "{0}", "a {", "}"])
def test_what_is_more_than_a_plain_name_is_asked_of_promptlayer_for_the_version_served(
    server: ApplicationServer, text: str
) -> None:
    server.registry.save_version("support/reply", build_chat_template(("user", text)), metadata=GPT)
    server.release("support/reply")
    server.registry.save_version(
        "support/reply", build_chat_template(("user", "new")), metadata=GPT
    )

    answer = server.post(ONE, {"input_variables": {"x": "y"}}).json()

    assert answer["version"] == 1
    direct = server.client.send(
        "POST", "/prompt-templates/1", {"version": 1, "input_variables": {"x": "y"}}
    )
    assert answer == direct


def _jinja2() -> JsonObject:
    template = build_chat_template(("user", "Hi {{ x }}"))
    template["messages"][0]["template_format"] = "jinja2"
    return template


def _placeholder() -> JsonObject:
    template = build_chat_template(("user", "Hi"))
    return {**template, "messages": [*template["messages"], {"role": "placeholder", "name": "x"}]}


def _tool_variable() -> JsonObject:
    return {**build_chat_template(("user", "Hi")), "tools": [{"type": "variable", "name": "x"}]}


ONLY_PROMPTLAYER: dict[str, tuple[JsonObject, JsonObject, str]] = {
    "jinja2": (_jinja2(), {"input_variables": {"x": "y"}}, "jinja2"),
    "placeholder": (_placeholder(), {"input_variables": {"x": []}}, "placeholders"),
    "tool variable": (_tool_variable(), {"input_variables": {"x": []}}, "tools"),
    "a list": (build_chat_template(("user", "{x}")), {"input_variables": {"x": [1]}}, "no text"),
    "overrides": (REPLY, {"model_parameter_overrides": {"temperature": 1}}, "model_parameter"),
    "filters": (REPLY, {"metadata_filters": {"a": "b"}}, "metadata_filters"),
}


@pytest.mark.parametrize("case", ONLY_PROMPTLAYER)
def test_what_only_promptlayer_renders_is_asked_there_and_refused_with_words_without_it(
    server: ApplicationServer, case: str
) -> None:
    template, body, words = ONLY_PROMPTLAYER[case]
    server.registry.save_version("support/reply", template, metadata=GPT)
    server.release("support/reply")

    rendered = server.post(ONE, body)
    server.faults.add("/", status(503), times=99)
    refused = server.post(ONE, body)
    unrendered = server.post(ONE, SKIP)

    direct = {"version": 1, "input_variables": {}, **body}
    server.faults.clear()
    assert rendered.json() == server.client.send("POST", "/prompt-templates/1", direct)
    assert refused.status_code == 424
    assert words in refused.json()["error"]
    assert "support/reply" in refused.json()["error"]
    assert int(refused.headers["retry-after"]) > 0
    assert unrendered.status_code == 200


def test_an_answer_of_promptlayer_for_another_version_is_never_passed_on(
    server: ApplicationServer,
) -> None:
    server.registry.save_version("support/reply", _jinja2(), metadata=GPT)
    server.release("support/reply")
    for other in ({"id": 1, "version": 2}, {"id": 2, "version": 1}, {}):
        server.faults.add("POST /", status(200, other))
        assert server.post(ONE, {}).status_code == 424


def test_snippets_that_moved_in_promptlayer_are_not_served(server: ApplicationServer) -> None:
    server.registry.save_version("support/reply", _jinja2(), metadata=GPT)
    server.release("support/reply")
    moved = [{"prompt_name": "rules", "version": 2, "label": None}]
    server.faults.add("POST /", status(200, {"id": 1, "version": 1, "snippets": moved}))
    refused = server.post(ONE, {})
    server.faults.add(
        "POST /", status(200, {"id": 1, "version": 1, "snippets": moved, "llm_kwargs": {}})
    )
    for_a_model = server.post(ONE, {"model": "gpt-4o-mini", **SKIP})

    assert refused.status_code == for_a_model.status_code == 424
    assert "snippets" in refused.json()["error"]
    assert "snippets" in for_a_model.json()["error"]


def test_an_answer_for_a_model_is_asked_for_once(
    reply: ApplicationServer,
) -> None:
    body = {"provider": "anthropic", "model": "claude-sonnet-4", **SKIP}

    first = reply.post(ONE, body)

    assert first.json()["llm_kwargs"]["model"] == "claude-sonnet-4"
    assert reply.fetches == [AnswerKey(SOURCE, 1, 1, "anthropic", "claude-sonnet-4")]
    key = reply.fetches[0]
    reply.replace(answers={**reply.index.snapshot.answers, key: reply.ask(key)})
    reply.faults.add("/", status(503), times=99)
    assert reply.post(ONE, body).content == first.content
    assert len(reply.fetches) == 1


def test_an_answer_for_a_model_that_is_not_there_is_refused_with_words_while_promptlayer_is_away(
    reply: ApplicationServer,
) -> None:
    reply.faults.add("/", status(503), times=99)

    answer = reply.post(ONE, {"provider": "anthropic", **SKIP})

    assert answer.status_code == 424
    assert KEY not in answer.text


def test_reads_go_on_while_promptlayer_hangs(reply: ApplicationServer) -> None:
    reply.faults.add("/", time_out(), times=99)

    assert texts(reply, input_variables={"tone": "kind"}) == ["Be kind.", ""]
    assert reply.post(ONE, SKIP).status_code == 200


# Labels and versions


def test_the_label_that_the_application_names_first_is_meant_where_none_is_given(
    reply: ApplicationServer,
) -> None:
    reply.registry.save_version("support/reply", build_chat_template(("user", "2")), metadata=GPT)
    reply.release("support/reply", "staging")

    assert reply.post(ONE, SKIP).json()["version"] == 1
    assert reply.post(ONE, {"label": "staging", **SKIP}).json()["version"] == 2
    assert reply.get(f"{ONE}?label=staging").json()["version"] == 2


def test_a_version_with_a_label_is_refused(reply: ApplicationServer) -> None:
    assert reply.post(ONE, {"version": 1, "label": "prod"}).status_code == 422
    assert reply.get(f"{ONE}?version=1&label=prod").status_code == 422


def test_only_who_reads_every_label_reads_versions_that_are_not_served(
    reply: ApplicationServer,
) -> None:
    reply.registry.save_version("support/reply", build_chat_template(("user", "2")), metadata=GPT)

    assert reply.post(ONE, {"version": 1, **SKIP}).json()["version"] == 1
    assert reply.post(ONE, {"version": 2, **SKIP}).status_code == 403
    assert reply.post(ONE, {"version": 2, **SKIP}, WIDE_TOKEN).json()["version"] == 2
    assert reply.post(ONE, {"version": 3, **SKIP}, WIDE_TOKEN).status_code == 404


def test_unknown_and_forbidden_answer_the_same_404(reply: ApplicationServer) -> None:
    reply.registry.save_version("sales/reply", REPLY, metadata=GPT)
    reply.release("sales/reply")
    reply.release("support/reply", "canary")
    other = reply.registry.find_entry("sales/reply").id

    def refusal(name: object, label: str = "prod") -> tuple[int, str]:
        for answer in (
            reply.post(f"/prompt-templates/{name}", {"label": label}),
            reply.get(f"/v1/prompts/{name}?label={label}"),
        ):
            assert answer.status_code == 404
        return answer.status_code, answer.text

    assert refusal("sales%2Freply") == refusal("sales%2Fnothing") == refusal(other) == refusal(999)
    assert refusal("support%2Freply", "canary") == refusal("support%2Fnothing", "canary")
    assert reply.post("/prompt-templates/sales%2Freply", {"label": "prod"}, WIDE_TOKEN).is_success


def test_a_release_that_nothing_confirmed_for_too_long_ends(reply: ApplicationServer) -> None:
    reply.now += timedelta(days=7)
    assert reply.post(ONE, SKIP).headers["bridge-age"] == "604800"

    reply.now += timedelta(seconds=1)
    assert reply.post(ONE, SKIP).status_code == 404


def test_doubt_is_told_as_a_warning(reply: ApplicationServer) -> None:
    (release,) = reply.index.snapshot.releases.values()
    doubtful = replace(release, warning="version 2 is merged and not published yet")
    reply.replace(releases={release.key: doubtful})

    for body in (SKIP, {"input_variables": {"tone": "kind"}}):
        assert reply.post(ONE, body).json()["warning"] == doubtful.warning
    assert reply.get("/v1/prompts/support/reply").json()["warning"] == doubtful.warning


def test_the_key_of_a_custom_provider_goes_to_the_sdk_alone(reply: ApplicationServer) -> None:
    (release,) = reply.index.snapshot.releases.values()
    key = AnswerKey(SOURCE, 1, 1)
    provider = {"client": "openai", "api_key": "sk-of-a-provider", "base_url": "https://x.example"}
    content = {"id": 1, "version": 1, "prompt_name": release.name, "custom_provider": provider}
    answer = build_answer(key, content)
    reply.replace(answers={key: answer})

    assert b"sk-of" not in answer.body
    assert reply.post(ONE, SKIP).json()["custom_provider"] == provider
    assert "sk-of" not in reply.get("/v1/prompts/support/reply").text
    assert "sk-of" not in reply.get("/v1/prompts").text
    assert "sk-of" not in repr(answer)


def test_templates_are_listed_within_the_scope_page_by_page(server: ApplicationServer) -> None:
    for name in ("support/a", "support/b", "support/c", "sales/a"):
        server.registry.save_version(name, REPLY, metadata=GPT)
        server.release(name)

    def names(query: str, token: str = TOKEN) -> list[str]:
        answer = server.get(f"/prompt-templates?{query}", token)
        return [item["prompt_name"] for item in answer.json()["items"]]

    assert names("") == ["support/a", "support/b", "support/c"]
    assert names("per_page=2&page=2") == ["support/c"]
    assert names("label=staging") == []
    assert names("name=B") == ["support/b"]
    assert names("label=prod", WIDE_TOKEN) == ["sales/a", "support/a", "support/b", "support/c"]
    page = server.get("/prompt-templates?per_page=2").json()
    assert (page["total"], page["pages"], page["has_next"], page["next_num"]) == (3, 2, True, 2)
    assert server.get("/prompt-templates?tags=x").status_code == 422
    assert server.get("/prompt-templates?page=0").status_code == 422
    assert server.get("/prompt-templates?label=canary").status_code == 404


def test_the_raw_form_has_the_arguments_of_a_model_where_they_are_asked_for(
    reply: ApplicationServer,
) -> None:
    direct = reply.client.send("GET", "/prompt-templates/1")

    raw = reply.get(ONE).json()

    assert raw["prompt_template"] == direct["prompt_template"]
    assert raw["success"] is True
    assert raw["llm_kwargs"] is None
    assert reply.get(f"{ONE}?include_llm_kwargs=true").json()["llm_kwargs"]["model"] == "gpt-4o"
    assert reply.get(f"{ONE}?resolve_snippets=false").status_code == 422


# Who asks


def test_a_token_opens_in_any_of_its_three_places(reply: ApplicationServer) -> None:
    for token in (TOKEN, OLD_TOKEN):
        for headers in (
            {"Authorization": f"Bearer {token}"},
            {"authorization": f"bearer {token}"},
            {"X-API-KEY": token},
        ):
            assert reply.send("POST", ONE, headers, json.dumps(SKIP).encode()).is_success
        body = json.dumps({"api_key": token, **SKIP}).encode()
        assert reply.send("POST", ONE, {}, body).is_success


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "pl_key", "tök"])
def test_a_wrong_token_opens_nothing(reply: ApplicationServer, token: str) -> None:
    for path in (ONE, "/prompt-templates", "/v1/prompts", "/v1/commits/" + COMMIT):
        answer = reply.send("GET", path, {"X-API-KEY": token})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert not token or token not in answer.text


def test_who_shows_wrong_tokens_too_often_has_to_wait(reply: ApplicationServer) -> None:
    body = json.dumps({"api_key": "wrong"}).encode()
    refused = [reply.send("POST", ONE, {}, body).status_code for _ in range(6)]

    assert refused == [401] * 5 + [429]
    assert reply.post(ONE, SKIP).status_code == 429


def test_unknown_names_never_make_an_application_wait(reply: ApplicationServer) -> None:
    for _ in range(9):
        assert reply.post("/prompt-templates/support%2Fnothing", SKIP).status_code == 404
    assert reply.post(ONE, SKIP).status_code == 200


def test_tokens_are_taken_over_while_running(reply: ApplicationServer) -> None:
    application = {**SETTINGS["applications"][0], "tokens": ["another-token"]}
    reply.configure({"applications": [application]})

    assert reply.post(ONE, SKIP).status_code == 401
    assert reply.post(ONE, SKIP, "another-token").status_code == 200


def test_answers_are_counted_by_application(reply: ApplicationServer) -> None:
    reply.post(ONE, SKIP)
    reply.post("/prompt-templates/nothing", SKIP, WIDE_TOKEN)
    reply.post(ONE, SKIP, "wrong")

    assert reply.reads == [("support-bot", 200), ("wide", 404)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 30_000, 400),
        (b"9" * 30_000, 400),
        (b'{"version": NaN}', 400),
        (b"\xff", 400),
        (b'{"version": 0}', 422),
        (b'{"version": true}', 422),
        (b'{"version": "1"}', 422),
        (b'{"label": 7}', 422),
        (b'{"label": "%s"}' % (b"x" * 513), 422),
        (b'{"provider": "\\ud800"}', 422),
        (b'{"input_variables": []}', 422),
        (b'{"skip_input_variable_rendering": "yes"}', 422),
        (b'{"x": "%s"}' % (b"x" * 65536), 413),
        (b"", 200),
        (b"null", 200),
    ],
)
def test_a_bad_body_is_refused_with_words(
    reply: ApplicationServer, body: bytes, expected: int
) -> None:
    answer = reply.post(ONE, body)

    assert answer.status_code == expected
    if expected != 200:
        assert answer.json()["error"]


def test_half_a_character_in_a_variable_is_sent_on_to_nobody(server: ApplicationServer) -> None:
    server.registry.save_version("support/reply", _jinja2(), metadata=GPT)
    server.release("support/reply")

    assert server.post(ONE, b'{"input_variables": {"x": "\\ud800"}}').status_code in (200, 422)


def test_a_rendered_answer_has_an_end(server: ApplicationServer) -> None:
    text = "{x}" * 3000
    server.registry.save_version("support/reply", build_chat_template(("user", text)), metadata=GPT)
    server.release("support/reply")
    server.faults.add("/", status(503), times=9)

    assert server.post(ONE, {"input_variables": {"x": "y" * 60_000}}).status_code == 424


def test_no_content_and_no_token_is_logged(
    reply: ApplicationServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(0)
    texts(reply, input_variables={"tone": "planted-secret-tone"})

    assert "planted-secret-tone" not in caplog.text
    assert TOKEN not in caplog.text
