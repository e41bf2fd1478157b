"""``/v1``: what is served, for who has no SDK and for deployment pipelines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template, build_model_metadata
from bridge.serve.serve_services import ServedMapping
from tests.integration.serve.application_server import (
    COMMIT,
    NOON,
    SOURCE,
    TOKEN,
    WIDE_TOKEN,
    ApplicationServer,
)

GPT = build_model_metadata("openai", "gpt-4o")
ONE = "/v1/prompts/support%2Freply"
FIRST, SECOND = "a1" * 20, "b2" * 20


def save(server: ApplicationServer, name: str, text: str) -> None:
    server.registry.save_version(name, build_chat_template(("user", text)), metadata=GPT)


@pytest.fixture
def reply(server: ApplicationServer) -> ApplicationServer:
    save(server, "support/reply", "Hello")
    server.release("support/reply")
    return server


def test_a_prompt_comes_with_commit_path_and_version(reply: ApplicationServer) -> None:
    reply.now += timedelta(seconds=90)

    answer = reply.get(f"{ONE}?label=prod")

    (kept,) = reply.index.snapshot.answers.values()
    assert answer.json() == {
        "name": "support/reply",
        "id": 1,
        "label": "prod",
        "version": 1,
        "commit": COMMIT,
        "path": "prompts/support/reply.yaml",
        "served_since": NOON.isoformat(),
        "warning": None,
        "prompt": json.loads(kept.body),
    }
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["bridge-age"] == "90"
    assert answer.headers["content-type"] == "application/json"


def test_a_prompt_is_found_by_name_in_every_spelling_and_by_number(
    reply: ApplicationServer,
) -> None:
    for spelled in ("support/reply", "support%2Freply", "support%252Freply", "1"):
        assert reply.get(f"/v1/prompts/{spelled}").json()["name"] == "support/reply", spelled


def test_the_etag_changes_with_the_answer_and_with_nothing_else(reply: ApplicationServer) -> None:
    etag = reply.get(ONE).headers["etag"]
    (release,) = reply.index.snapshot.releases.values()

    reply.replace(releases={release.key: replace(release, confirmed_at=NOON + timedelta(1))})
    assert reply.get(ONE).headers["etag"] == etag

    changed = [
        replace(release, warning="doubt"),
        replace(release, commit=FIRST),
        replace(release, path="elsewhere.yaml"),
    ]
    etags = {etag}
    for each in changed:
        reply.replace(releases={release.key: each})
        etags.add(reply.get(ONE).headers["etag"])
    save(reply, "support/reply", "Hello again")
    reply.release("support/reply")
    etags.add(reply.get(ONE).headers["etag"])
    assert len(etags) == 5


@pytest.mark.parametrize(
    ("spelled", "status"),
    [("{}", 304), ('W/{}, "x"', 304), ('"x", {}', 304), ("*", 304), ('"x"', 200), ("", 200)],
)
def test_who_has_the_answer_is_told_so(reply: ApplicationServer, spelled: str, status: int) -> None:
    etag = reply.get(ONE).headers["etag"]

    for path in (ONE, "/v1/prompts"):
        tag = reply.get(path).headers["etag"]
        answer = reply.get(path, **{"If-None-Match": spelled.replace("{}", tag)})
        assert answer.status_code == status
        assert answer.headers["etag"] == tag
        assert (answer.content == b"") == (status == 304)
    assert etag.startswith('"')


def test_head_answers_the_headers_alone(reply: ApplicationServer) -> None:
    whole = reply.get(ONE)

    head = reply.send("HEAD", ONE, {"X-API-KEY": TOKEN})

    assert head.content == b""
    assert head.headers["etag"] == whole.headers["etag"]
    assert head.headers["content-length"] == str(len(whole.content))


def test_a_version_with_a_label_is_refused_and_another_version_is_for_who_reads_all(
    reply: ApplicationServer,
) -> None:
    save(reply, "support/reply", "Hello again")

    assert reply.get(f"{ONE}?label=prod&version=1").status_code == 422
    assert reply.get(f"{ONE}?version=one").status_code == 422
    assert reply.get(f"{ONE}?version=2").status_code == 403
    other = reply.get(f"{ONE}?version=2", WIDE_TOKEN).json()
    assert (other["version"], other["commit"], other["label"]) == (2, None, None)


def test_all_prompts_in_scope_come_under_one_etag(reply: ApplicationServer) -> None:
    save(reply, "sales/reply", "Buy")
    reply.release("sales/reply")
    first = reply.get("/v1/prompts?label=prod")
    wide = reply.get("/v1/prompts?label=prod", WIDE_TOKEN)

    assert [each["name"] for each in first.json()["prompts"]] == ["support/reply"]
    assert [each["name"] for each in wide.json()["prompts"]] == ["sales/reply", "support/reply"]
    assert first.json()["prompts"][0] == reply.get(ONE).json()
    assert first.headers["etag"] != wide.headers["etag"]

    save(reply, "sales/reply", "Buy now")
    reply.release("sales/reply")
    assert reply.get("/v1/prompts?label=prod").headers["etag"] == first.headers["etag"]
    assert reply.get("/v1/prompts?label=prod", WIDE_TOKEN).headers["etag"] != wide.headers["etag"]
    assert reply.get("/v1/prompts?label=canary").status_code == 404


def test_thousands_of_prompts_come_whole_whatever_changes_meanwhile(
    server: ApplicationServer,
) -> None:
    save(server, "support/reply", "Hello")
    release = server.release("support/reply")
    many = {
        replace(release.key, label="prod", prompt_id=number): replace(
            release, name=f"support/{number}", key=replace(release.key, prompt_id=number)
        )
        for number in range(1, 2001)
    }
    (answer,) = server.index.snapshot.answers.values()
    answers = {replace(answer.key, prompt_id=number): answer for number in range(1, 2001)}
    server.replace(releases=many, answers=answers)
    over = threading.Event()

    def change_all_the_time() -> None:
        while not over.is_set():
            versions = {key: replace(each, version=2) for key, each in many.items()}
            later = {replace(key, version=2): each for key, each in answers.items()}
            server.replace(releases=versions, answers=later)
            server.replace(releases=many, answers=answers)

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change_all_the_time)
        try:
            for _ in range(5):
                prompts = server.get("/v1/prompts").json()["prompts"]
                assert len(prompts) == 2000
                assert len({each["version"] for each in prompts}) == 1
        finally:
            over.set()
        changing.result()


def test_a_list_ends_what_nothing_confirmed_for_too_long(reply: ApplicationServer) -> None:
    save(reply, "support/thank", "Thanks")
    reply.release("support/thank", confirmed_at=NOON + timedelta(days=1))

    def names() -> list[str]:
        return [each["name"] for each in reply.get("/v1/prompts").json()["prompts"]]

    assert names() == ["support/reply", "support/thank"]
    reply.now += timedelta(days=7, seconds=1)
    assert names() == ["support/thank"]
    reply.configure({"applications": [{"name": "support-bot", "tokens": [TOKEN], "labels": ["x"]}]})
    assert names() == []


# Waiting


def waits(pool: ThreadPoolExecutor, ask: Callable[[], httpx2.Response]) -> Future[httpx2.Response]:
    """An answer that somebody waits for."""
    return pool.submit(ask)


def until_somebody_waits(server: ApplicationServer) -> None:
    while not server.index._waiting:
        threading.Event().wait(0.005)


def test_a_long_poll_is_answered_at_the_next_change_in_scope(reply: ApplicationServer) -> None:
    etag = reply.get("/v1/prompts").headers["etag"]
    asked = {"If-None-Match": etag, "Prefer": "wait=20"}
    with ThreadPoolExecutor(1) as pool:
        answer = waits(pool, lambda: reply.get("/v1/prompts", **asked))
        until_somebody_waits(reply)
        save(reply, "sales/reply", "Buy")
        reply.release("sales/reply")  # out of the application's scope
        until_somebody_waits(reply)
        assert not answer.done()
        save(reply, "support/reply", "Hello again")
        reply.release("support/reply")

        assert answer.result().status_code == 200
    assert answer.result().json()["prompts"][0]["version"] == 2
    assert answer.result().headers["preference-applied"] == "wait=20"


def test_a_long_poll_ends_without_a_change(reply: ApplicationServer) -> None:
    etag = reply.get("/v1/prompts").headers["etag"]

    answer = reply.get("/v1/prompts", **{"If-None-Match": etag, "Prefer": "wait=1"})

    assert answer.status_code == 304


def test_a_long_poll_without_the_last_answer_is_answered_at_once(
    reply: ApplicationServer,
) -> None:
    assert reply.get("/v1/prompts", Prefer="wait=60").status_code == 200


def test_who_waits_is_answered_when_the_process_is_asked_to_end(reply: ApplicationServer) -> None:
    etag = reply.get("/v1/prompts").headers["etag"]
    asked = {"If-None-Match": etag, "Prefer": "wait=60"}
    with ThreadPoolExecutor(2) as pool:
        answer = waits(pool, lambda: reply.get("/v1/prompts", **asked))
        commit = waits(pool, lambda: reply.get(f"/v1/commits/{FIRST}?wait=60"))
        until_somebody_waits(reply)
        reply.is_stopping = True

        assert answer.result().status_code == 304
        assert commit.result().status_code == 404


# Commits


def test_a_commit_is_served_once_every_mapping_of_its_repository_follows_it(
    reply: ApplicationServer,
) -> None:
    reply.mappings = (
        ServedMapping("support", SOURCE, "github:acme/bot"),
        ServedMapping("sales", SOURCE, "github:acme/bot"),
        ServedMapping("other", SOURCE, "github:acme/other"),
        ServedMapping("foreign", "promptlayer:foreign", "github:acme/bot"),
    )
    reply.serve_commits("other", SECOND)
    assert reply.get(f"/v1/commits/{FIRST}").status_code == 404

    reply.serve_commits("support", FIRST)
    waiting = reply.get(f"/v1/commits/{FIRST}")
    assert waiting.status_code == 404
    assert "sales" in waiting.json()["error"]

    with ThreadPoolExecutor(1) as pool:
        answer = waits(pool, lambda: reply.get(f"/v1/commits/{FIRST}?wait=20"))
        until_somebody_waits(reply)
        reply.serve_commits("sales", FIRST, SECOND)
        assert answer.result().status_code == 200
    expected: JsonObject = {"commit": FIRST, "served": True, "mappings": ["sales", "support"]}
    assert answer.result().json() == expected
    assert reply.get(f"/v1/commits/{FIRST[:9].upper()}").status_code == 200


@pytest.mark.parametrize("commit", ["main", "a1a1", "g" * 40, "a" * 65])
def test_what_is_no_commit_is_refused(reply: ApplicationServer, commit: str) -> None:
    assert reply.get(f"/v1/commits/{commit}").status_code == 422
    assert reply.get(f"/v1/commits/{FIRST}?wait=soon").status_code == 422
