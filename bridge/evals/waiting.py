"""Waiting for PromptLayer to finish something: asked now and then, or as soon as it says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from bridge.errors import Transient, Unavailable

Found = TypeVar("Found")


@dataclass(frozen=True)
class Pace:
    """How to wait. Durations are in seconds; ``woken`` is set by whoever hears that there may be
    something to see (a webhook), which ends a pause early."""

    patience: float = 900.0
    every: float = 5.0
    woken: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic


def wait_for(poll: Callable[[], Found | None], pace: Pace, what: str) -> Found:
    """What ``poll`` finds, asked until it is not None. Raises Unavailable, naming ``what``, when
    the patience is at its end; what is transient until then is waited out."""
    deadline = pace.clock() + pace.patience
    while True:
        pace.woken.clear()  # before asking: what happens meanwhile is not missed
        pause, trouble = pace.every, ""
        try:
            found = poll()
            if found is not None:
                return found
        except Transient as error:
            pause, trouble = max(pause, error.retry_after or 0.0), f" {error}"
        remaining = deadline - pace.clock()
        if remaining <= 0:
            raise Unavailable(f"{what} was not finished after {pace.patience:g} s.{trouble}")
        pace.woken.wait(min(pause, remaining))
