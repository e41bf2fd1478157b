"""What keeps the tiers of the tests apart sees what it should see."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.programs import find_program

REFUSED = "move it to tests/integration"


def test_a_unit_test_starts_no_process() -> None:
    with pytest.raises(AssertionError, match=REFUSED):
        subprocess.run([sys.executable, "--version"], check=True)
    with pytest.raises(AssertionError, match=REFUSED):
        os.system("true")


@pytest.mark.parametrize("use", ["connect", "connect_ex", "bind"])
def test_a_unit_test_opens_no_connection(use: str) -> None:
    with socket.socket() as opened, pytest.raises(AssertionError, match=REFUSED):
        getattr(opened, use)(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("environment", "ending"),
    [({}, pytest.skip.Exception), ({"CI": "true"}, pytest.fail.Exception)],
)
def test_a_missing_program_skips_a_test_and_fails_it_in_ci(
    environment: dict[str, str], ending: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ending, match="no-such-program is not installed here"):
        find_program("no-such-program")
