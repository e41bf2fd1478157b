"""The pulse of a process: it beats, and takes over from those that do not beat any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bridge.engine.members import Members

log = logging.getLogger("bridge.members")

_BEAT = 5.0  # seconds
_END = 1.5  # seconds for the round in hand


class Pulse:
    """Beats every few seconds. ``take_over`` is given the id of a dead member, and may be called
    again with one it was given before; without it, the others see to that."""

    def __init__(self, members: Members, take_over: Callable[[str], None] | None) -> None:
        self._members = members
        self._take_over = take_over
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Beat no more. The members learn of it by ``leave``."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_END)

    def once(self) -> None:
        """One beat, and a look at the others."""
        # Who was paused for so long did no harm meanwhile, and does none now: a branch is pushed
        # with a lease, a pull request is looked for before it is made, a look is booked once.
        if not self._members.beat():
            log.warning("this process was taken for dead, and its work was given to others")
        if self._take_over is None:
            return
        for gone in self._members.claim_silent():
            self._take_over(gone.id)
            self._members.forget(gone)
            log.warning("took over from %s, which is gone", gone.name)

    def _beat_on(self) -> None:
        while not self._stopping.is_set():
            try:
                self.once()
            except Exception:  # the database may come back, and finds this process alive then
                log.exception("the pulse stumbled and goes on")
            self._stopping.wait(_BEAT)
