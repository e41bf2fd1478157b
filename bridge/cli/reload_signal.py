"""Handle SIGHUP from the start of a process, as loading its modules takes a while."""

from __future__ import annotations

import os
import signal
import threading


def install_reload_signal() -> threading.Event:
    """An event that SIGHUP sets, instead of ending the process. The SIGHUP of a closed terminal
    still ends it, as SIGTERM would, unless it was started with nohup."""
    reload_requested = threading.Event()
    at_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def handle(*_: object) -> None:
        if at_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            reload_requested.set()

    signal.signal(signal.SIGHUP, handle)
    return reload_requested


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
