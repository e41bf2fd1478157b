"""The pulse of a process: it beats, and takes over from those that do not beat any more."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.engine.loops import Loops
from bridge.storage.members import Members

log = logging.getLogger("bridge.members")

_BEAT = 5.0  # seconds
_END = 1.5  # seconds for the round in hand


class Pulse:
    """Beats every few seconds, however long it takes meanwhile to take over from somebody.
    ``take_over`` is given the id of a dead member, and may be called again with one it was given
    before; without it, the others see to that."""

    def __init__(self, members: Members, take_over: Callable[[str], None] | None = None) -> None:
        self._members = members
        self._take_over = take_over
        self._loops = Loops({"pulse": self._beat, "heir": self._inherit}, breath=_BEAT)

    def start(self) -> None:
        self._loops.start()

    def take_over_by(self, take_over: Callable[[str], None]) -> None:
        """From now on this process can do what others leave."""
        self._take_over = take_over

    def stop(self) -> None:
        """Beat no more. The members learn of it by ``leave``."""
        self._loops.stop(_END)

    def beat(self) -> None:
        """One beat."""
        # Who was paused for so long did no harm meanwhile, and does none now: a branch is pushed
        # with a lease, a pull request is looked for before it is made, a look is booked once.
        if not self._members.beat():
            log.warning("this process was taken for dead, and its work was given to others")

    def inherit(self) -> None:
        """A look at the others."""
        if self._take_over is None:
            return
        for gone in self._members.claim_silent():
            self._take_over(gone.id)
            self._members.forget(gone)
            log.warning("took over from %s, which is gone", gone.name)

    def _beat(self) -> None:
        self.beat()
        self._loops.rest(_BEAT)

    def _inherit(self) -> None:
        self.inherit()
        self._loops.rest(_BEAT)
