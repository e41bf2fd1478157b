"""SIGHUP: a wish to reload, unless a terminal was closed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

PROGRAM = """
from bridge.cli.reload_signal import install_reload_signal
asked = install_reload_signal()
print("ready", flush=True)
while True:
    asked.wait()
    asked.clear()
    print("asked", flush=True)
"""
DEADLINE = 20


# Whoever runs the tests may have done so with nohup.
TAKE_TERMINAL = """
import fcntl, signal, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""


@dataclass
class AtTerminal:
    """A process with a terminal of its own, of which ``terminal`` is the other side."""

    process: subprocess.Popen[bytes]
    terminal: int

    def line(self) -> str:
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.terminal, 1)
        return line.decode().strip()


@pytest.fixture
def at_terminal() -> Iterator[AtTerminal]:
    terminal, its_side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL + PROGRAM],
        stdin=its_side,
        stdout=its_side,
        start_new_session=True,
    )
    os.close(its_side)
    try:
        yield AtTerminal(process, terminal)
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):
            os.close(terminal)


def test_a_hangup_is_a_wish_to_reload_at_a_terminal_too(at_terminal: AtTerminal) -> None:
    assert at_terminal.line() == "ready"

    at_terminal.process.send_signal(signal.SIGHUP)

    assert at_terminal.line() == "asked"


def test_a_terminal_that_is_closed_ends_what_was_started_there(at_terminal: AtTerminal) -> None:
    assert at_terminal.line() == "ready"

    os.close(at_terminal.terminal)

    assert at_terminal.process.wait(DEADLINE) == -signal.SIGTERM


def test_what_was_started_with_nohup_outlives_its_terminal() -> None:
    terminal, its_side = pty.openpty()
    program = TAKE_TERMINAL + "\nimport signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    with subprocess.Popen(
        [sys.executable, "-c", program + PROGRAM],
        stdin=its_side,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

            os.close(its_side)
            os.close(terminal)
            assert process.stdout.readline() == "asked\n"
            process.send_signal(signal.SIGHUP)

            assert process.stdout.readline() == "asked\n"
        finally:
            process.kill()


def test_a_service_without_a_terminal_is_asked_to_reload() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

            process.send_signal(signal.SIGHUP)

            assert process.stdout.readline() == "asked\n"
        finally:
            process.kill()
