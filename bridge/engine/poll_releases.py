"""Poll the stored releases while a process serves: what any process stored is announced here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.engine.controller import BridgeController
from bridge.engine.loop_threads import LoopThreads
from bridge.errors import BridgeError
from bridge.serve.release_replica import POLL_SECONDS

log = logging.getLogger("bridge.serve")

_END = 1.0  # seconds for the round under way


@contextmanager
def poll_releases(controller: BridgeController) -> Iterator[None]:
    """Read the stored releases, and then every second what changed, while this lasts. A database
    that does not answer takes nothing away from what is served."""
    confirmer, stopping, failing = (
        controller.release_confirmer,
        threading.Event(),
        threading.Event(),
    )

    def poll() -> None:
        try:
            if confirmer is not None:
                confirmer.replica.refresh()
            failing.clear()
        except BridgeError as error:
            if not failing.is_set():
                log.warning("what is served stays as it is: %s", error)
            failing.set()

    def poll_after_pause() -> None:
        if not stopping.wait(POLL_SECONDS):
            poll()

    poll()
    threads = LoopThreads({"releases": poll_after_pause}, breath=POLL_SECONDS)
    threads.start()
    try:
        yield
    finally:
        threads.stop(_END, stopping.set)
