"""A unit test starts no process and opens no connection: what does belongs to
``tests/integration``."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def refuse_processes_and_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every way out of this process raise."""
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, _refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)
    for name in ("system", "fork", "posix_spawn", "posix_spawnp"):
        monkeypatch.setattr(os, name, _refuse, raising=False)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise AssertionError(
        "a unit test opens no connection and starts no process: move it to tests/integration"
    )
