"""No secret in a log, an error, a process list, a mirror, a database or a pull request."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path

import httpx2
import pytest

from tests.e2e.planted_secrets import CommandLines, Planted
from tests.e2e.product_environment import (
    API_KEY,
    DASHBOARD_SECRET,
    ON_GITHUB,
    SECRET,
    ProductEnvironment,
)
from tests.integration.forge.github.setting import private_key
from tests.standins.fault_injection import status

APP = 7

needs_proc = pytest.mark.skipif(
    not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(),
    reason="this system does not show what processes others start",
)


@needs_proc
def test_secrets_stay_where_they_belong_with_a_token(environment: ProductEnvironment) -> None:
    secrets = {"key": API_KEY, "secret": SECRET, "token": environment.github_token}
    planted = Planted(secrets | {"dashboard's secret": DASHBOARD_SECRET})
    environment.configure(ON_GITHUB, dashboard={"operator_secret": "${DASHBOARD_SECRET}"})
    bridge = environment.serve()
    commands = CommandLines(bridge.process.pid)

    with commands.watched():
        environment.save("greeting", "Say hello.")
        environment.until_settled()
        _bad_days(environment)
    pages = _every_page(environment)
    bridge.end()

    assert [pull.state for pull in environment.pulls()] == ["open", "open"]
    assert len(pages) > 9
    for path, page in pages.items():
        planted.search(path, page)
    _search_everywhere(environment, planted, commands)
    assert planted.found == []


@needs_proc
def test_secrets_stay_where_they_belong_with_an_app(environment: ProductEnvironment) -> None:
    private, public = private_key()
    key_file = environment.folder / "app.pem"
    key_file.write_text(private)
    environment.github.register_app(APP, public)
    environment.github.install_app(APP, "acme")
    app = {
        "type": "github",
        "url": environment.github.url,
        "app_id": APP,
        "private_key_file": "app.pem",
    }
    environment.configure(ON_GITHUB, forges={"github": app})
    bridge = environment.serve()
    commands = CommandLines(bridge.process.pid)

    with commands.watched():
        environment.save("greeting", "Say hello.")
        environment.until_settled()
    bridge.end()

    minted = [token for token in environment.github.credentials if token.startswith("ghs_")]
    lines = [line for line in private.splitlines() if not line.startswith("-----")]
    named = {f"installation token {n}": token for n, token in enumerate(minted)}
    planted = Planted({"key": API_KEY, **named, "first line": lines[0], "last line": lines[-2]})
    assert minted
    assert [pull.state for pull in environment.pulls()] == ["open"]
    _search_everywhere(environment, planted, commands, but=key_file)
    assert planted.found == []


def test_wrong_secrets_are_not_repeated_by_the_errors_about_them(
    environment: ProductEnvironment,
) -> None:
    wrong = {"PROMPTLAYER_API_KEY": "pl_wrong-and-secret", "GITHUB_TOKEN": "ghp_wrong-and-secret"}
    planted = Planted(wrong)

    checked = environment.run("check", **wrong)
    synced = environment.run("sync", **wrong)

    assert (checked.returncode, synced.returncode) == (1, 1)
    for about in ("PromptLayer", "forges.github.token"):
        assert about in checked.stdout + checked.stderr
    for ended in (checked, synced):
        planted.search(str(ended.args[3]), ended.stdout + ended.stderr)
        assert "Traceback" not in ended.stderr
    planted.search_files(environment.data)
    assert planted.found == []


def test_a_planted_secret_would_be_found(tmp_path: Path) -> None:
    planted = Planted({"token": "ghp_planted"})
    (tmp_path / "log").write_text("remote: https://ghp_planted@example.com")
    (tmp_path / "header").write_text("Basic eC1hY2Nlc3MtdG9rZW46Z2hwX3BsYW50ZWQ=")

    assert planted.search_files(tmp_path) == 2
    assert len(planted.found) == 2


def _bad_days(environment: ProductEnvironment) -> None:
    """Things go wrong in every way that might tell too much."""
    soon = {"Retry-After": "1"}
    pushing = "POST /acme/support-bot.git/git-receive-pack"
    environment.github.faults.add(pushing, status(500, environment.github_token))
    environment.save("farewell", "Say goodbye.")
    environment.until_settled()
    environment.platform_faults.add("/prompt-templates/", status(500, f"key {API_KEY}", soon))
    environment.github.faults.add(
        "/api/v3/", status(502, f"token {environment.github_token}", soon)
    )
    environment.save("farewell", "Say goodbye, kindly.")
    environment.until_settled()


def _every_page(environment: ProductEnvironment) -> dict[str, str]:
    """All of the dashboard that an operator reaches by its links."""
    found: dict[str, str] = {}
    with httpx2.Client(base_url=environment.address, follow_redirects=True) as client:
        (token,) = re.findall(r'name="token" value="([^"]+)"', client.get("/sign-in").text)
        client.post("/sign-in", data={"token": token, "secret": DASHBOARD_SECRET})
        ahead = ["/"]
        while ahead and len(found) < 25:
            path = ahead.pop(0)
            found[path] = client.get(path).raise_for_status().text
            links = re.findall(r'<a [^>]*href="(/[^"]*)"', found[path])
            ahead += [each for each in map(html.unescape, links) if each not in (*found, *ahead)]
    return found


def _search_everywhere(
    environment: ProductEnvironment,
    planted: Planted,
    commands: CommandLines,
    but: Path | None = None,
) -> None:
    planted.search("the log", environment.logs)
    for command in commands.seen:
        planted.search("a command line", command)
    assert any(b"push" in command for command in commands.seen), "no push was seen"
    for pull in environment.pulls():
        planted.search("a pull request", json.dumps([pull.title, pull.body, pull.head]))
    assert planted.search_files(environment.folder, but=[but] if but else []) > 10
