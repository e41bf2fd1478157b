"""Wait for PromptLayer to finish something: poll at an interval, and at once after its
event."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from bridge.errors import TransientError, UnavailableError

PolledValue = TypeVar("PolledValue")


@dataclass(frozen=True)
class PollingPace:
    """How to wait. Durations are in seconds; ``wake_event`` is set by whoever hears that there may be
    something to see (a webhook), which ends a pause early."""

    timeout: float = 900.0
    interval: float = 5.0
    wake_event: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic


def poll_until_found(
    poll: Callable[[], PolledValue | None], pace: PollingPace, what: str
) -> PolledValue:
    """Poll until the result is not None, and return it. Raises UnavailableError, naming
    ``what``, when the patience is at its end; transient errors until then are waited out."""
    deadline = pace.clock() + pace.timeout
    while True:
        pace.wake_event.clear()  # before asking: what happens meanwhile is not missed
        pause, trouble = pace.interval, ""
        try:
            found = poll()
            if found is not None:
                return found
        except TransientError as error:
            pause, trouble = max(pause, error.retry_after or 0.0), f" {error}"
        remaining = deadline - pace.clock()
        if remaining <= 0:
            raise UnavailableError(f"{what} was not finished after {pace.timeout:g} s.{trouble}")
        pace.wake_event.wait(min(pause, remaining))
