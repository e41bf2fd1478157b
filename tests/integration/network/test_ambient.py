"""What lies around on a machine: proxies are honoured, credentials and git's settings are not."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.errors import BridgeError, NotFoundError
from bridge.network import failures
from tests.integration.network.clients import TOKEN, Ask
from tests.standins.tls_server import serving_nothing

HOST = "forge.invalid"  # which only a proxy could know


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_for_https_is_asked(
    variable: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as (url, asked):
        monkeypatch.setenv(variable, url)
        with pytest.raises(BridgeError):
            ask(f"https://{HOST}", "", tmp_path)
    assert {line.split()[:2] == ["CONNECT", f"{HOST}:443"] for line in asked} == {True}


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_for_plain_http_is_asked(
    variable: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as (url, asked):
        monkeypatch.setenv(variable, url)
        with pytest.raises(BridgeError):
            ask(f"http://{HOST}", "", tmp_path)
    assert {line.split()[1].startswith(f"http://{HOST}") for line in asked} == {True}


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_asked_for_a_host_that_is_excepted(
    variable: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy() as (url, asked):
        for scheme in ("HTTPS_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(scheme, url)
        monkeypatch.setenv(variable, f"localhost,{HOST}")
        for scheme in ("https", "http"):
            with pytest.raises(BridgeError, match=failures.UNKNOWN_HOST):
                ask(f"{scheme}://{HOST}", "", tmp_path)
    assert asked == []


def test_no_credential_but_the_bridges_own_is_sent(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (home / ".netrc").chmod(0o600)
    (home / ".git-credentials").write_text("http://somebody:else@127.0.0.1\n")
    (home / ".gitconfig").write_text(
        '[credential]\n\thelper = store\n[http]\n\textraHeader = "Authorization: Basic ZQ=="\n'
    )
    monkeypatch.setenv("HOME", str(home))
    with serving_nothing() as (url, credentials), pytest.raises(NotFoundError):
        ask(url, "", tmp_path)

    basic = "Basic YnJpZGdlOnRva2VuLW9mLXRoZS1icmlkZ2U="  # bridge and the token
    assert set(credentials) <= {TOKEN, f"token {TOKEN}", f"Bearer {TOKEN}", basic}
    assert credentials


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that reaches nobody: its address, and the first line of each request."""
    asked: list[str] = []

    class Door(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode().strip())
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
