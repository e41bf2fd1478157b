"""``served``, ``export`` and ``get``, against a running bridge."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.cli.app import main
from bridge.sandbox.registry_entries import build_chat_template, build_model_metadata
from bridge.serve.serve_services import ServedMapping
from tests.integration.serve.application_server import (
    COMMIT,
    SOURCE,
    TOKEN,
    ApplicationServer,
)
from tests.standins.fault_injection import Faults, WithFaults, status
from tests.standins.serve_app import serve

REPLY = build_chat_template(("system", "Be kind."), ("user", "Wy\u00df {question}?"))


@dataclass(frozen=True)
class Said:
    status: object
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def reply(server: ApplicationServer) -> ApplicationServer:
    metadata = build_model_metadata("openai", "gpt-4o")
    server.registry.save_version("support/reply", REPLY, metadata=metadata)
    server.release("support/reply")
    server.mappings = (ServedMapping("support", SOURCE, "github:acme/bot"),)
    return server


@pytest.fixture
def run(
    server: ApplicationServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.setenv("BRIDGE_TOKEN", TOKEN)
    monkeypatch.setenv("BRIDGE_URL", server.url)

    def call(*words: str) -> Said:
        with pytest.raises(SystemExit) as left:
            main(words)
        said = capsys.readouterr()
        return Said(left.value.code or 0, said.out, said.err)

    return call


def test_served_exits_with_0_once_the_commit_is_served(reply: ApplicationServer, run: Run) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(reply.serve_commits, "support", COMMIT)
        said = run("served", "--commit", COMMIT, "--wait", "20s")

    assert (said.status, said.err) == (0, "")
    assert COMMIT in said.out


def test_served_exits_with_2_when_it_is_not_in_time(reply: ApplicationServer, run: Run) -> None:
    said = run("served", "--commit", "d" * 40, "--wait", "1s")

    assert said.status == 2
    assert "is not served" in said.err
    assert run("served", "--commit", "d" * 40).status == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--commit", "main"), "hexadecimal"),
        (("--commit", COMMIT, "--wait", "soon"), "--wait soon"),
        (("--commit", COMMIT, "--url", "bridge"), "--url bridge"),
    ],
)
def test_served_exits_with_1_for_what_can_never_be(
    reply: ApplicationServer, run: Run, words: tuple[str, ...], told: str
) -> None:
    said = run("served", *words)

    assert said.status == 1
    assert told in said.err


def test_served_waits_for_a_bridge_that_starts_again(
    reply: ApplicationServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply.serve_commits("support", COMMIT)
    faults = Faults()
    faults.add("/", status(502), times=1)
    with serve(WithFaults(reply.app, faults)) as url:
        said = run("served", "--commit", COMMIT, "--wait", "20s", "--url", url)

    assert said.status == 0
    assert len(faults.requests) == 2


def test_a_token_that_is_missing_or_wrong_is_told_and_never_shown(
    reply: ApplicationServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in ("", "planted-wrong-token", "tök"):
        monkeypatch.setenv("BRIDGE_TOKEN", token)
        said = run("get", "support/reply")
        assert said.status == 1
        assert "BRIDGE_TOKEN" in said.err
        assert not token or token not in said.err


def test_a_bridge_that_is_not_there_is_told(run: Run) -> None:
    said = run("get", "support/reply", "--url", "http://127.0.0.1:9")

    assert said.status == 1
    assert "cannot be reached at http://127.0.0.1:9" in said.err


def test_what_is_no_bridge_is_told(reply: ApplicationServer, run: Run) -> None:
    faults = Faults()
    faults.add("/", status(200, "<html>"), times=9)
    with serve(WithFaults(reply.app, faults)) as url:
        said = run("get", "support/reply", "--url", url)

    assert said.status == 1
    assert "no JSON" in said.err


def test_get_shows_a_prompt(reply: ApplicationServer, run: Run) -> None:
    said = run("get", "support/reply", "--label", "prod")

    assert said.status == 0
    assert said.out.splitlines()[1] == f"prompts/support/reply.yaml at {COMMIT}"
    assert "version 1" in said.out
    assert "system: Be kind." in said.out
    assert "user: Wy\u00df {question}?" in said.out
    as_json = json.loads(run("get", "1", "--json").out)
    assert as_json == reply.get("/v1/prompts/support/reply").json()


def test_get_tells_of_doubt_and_of_what_is_not_there(reply: ApplicationServer, run: Run) -> None:
    reply.release("support/reply", warning="version 2 is merged and not published yet")

    assert "warning: version 2" in run("get", "support/reply").out
    missing = run("get", "support/nothing")
    assert missing.status == 1
    assert "is served" in missing.err


def test_export_writes_all_that_is_served(
    reply: ApplicationServer, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.json"
    file.write_text("before")

    said = run("export", "--label", "prod", "--out", str(file))

    assert said.status == 0
    assert json.loads(file.read_text("utf-8")) == reply.get("/v1/prompts?label=prod").json()
    assert "Wy\u00df" in file.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [file]
    assert json.loads(run("export").out) == json.loads(file.read_text("utf-8"))
    nowhere = run("export", "--out", str(tmp_path / "no" / "prompts.json"))
    assert nowhere.status == 1
    assert "cannot be written" in nowhere.err


def test_an_export_that_is_refused_leaves_the_file_as_it_was(
    reply: ApplicationServer, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.json"
    file.write_text("before")

    assert run("export", "--label", "canary", "--out", str(file)).status == 1
    assert file.read_text() == "before"
