"""Signals, from the very start of a process: it reads a lot before it runs."""

from __future__ import annotations

import signal
import threading


def asked_to_reload() -> threading.Event:
    """Set by SIGHUP, which thereby no longer ends the process."""
    asked = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: asked.set())
    return asked
