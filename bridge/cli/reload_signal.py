"""Signals, from the very start of a process: it reads a lot before it runs."""

from __future__ import annotations

import os
import signal
import threading


def install_reload_signal() -> threading.Event:
    """Set by SIGHUP, which thereby no longer ends the process; only a terminal that was closed
    still does, as SIGTERM would: who started a bridge there to try it wants none to stay. Who
    started it with nohup does."""
    asked = threading.Event()
    at_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def hear(*_: object) -> None:
        if at_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            asked.set()

    signal.signal(signal.SIGHUP, hear)
    return asked


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
