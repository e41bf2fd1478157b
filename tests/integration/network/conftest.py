"""Every client, a private authority, and a process that has read nothing of its environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.network import trust
from tests.integration.network.clients import CLIENTS, Ask
from tests.standins.certificates import CertificateAuthority


@pytest.fixture(params=CLIENTS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """One of all clients."""
    return CLIENTS[request.param]


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is read once for each process is read for each test."""
    for name in (*trust.ENVIRONMENT, "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    forget_environment()
    yield
    forget_environment()


def forget_environment() -> None:
    trust._named_by_environment.cache_clear()
    trust.create_ssl_context.cache_clear()
