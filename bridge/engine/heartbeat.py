"""The pulse of a process: it beats, and takes over from those that do not beat any more."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.engine.loop_threads import LoopThreads
from bridge.storage.instances import InstanceRegistry

log = logging.getLogger("bridge.members")

_HEARTBEAT_SECONDS = 5.0  # seconds
_END = 1.5  # seconds for the round in hand


class HeartbeatLoop:
    """Beats every few seconds, however long it takes meanwhile to take over from somebody.
    ``take_over`` is given the id of a dead member, and may be called again with one it was given
    before; without it, the others see to that."""

    def __init__(
        self, instances: InstanceRegistry, take_over: Callable[[str], None] | None = None
    ) -> None:
        self._instances = instances
        self._take_over = take_over
        self._threads = LoopThreads(
            {"pulse": self._send_once, "heir": self._take_over_once}, breath=_HEARTBEAT_SECONDS
        )

    def start(self) -> None:
        self._threads.start()

    def set_takeover(self, take_over: Callable[[str], None]) -> None:
        """From now on this process can do what others leave."""
        self._take_over = take_over

    def stop(self) -> None:
        """Beat no more. The members learn of it by ``leave``."""
        self._threads.stop(_END)

    def send(self) -> None:
        """One beat."""
        # Who was paused for so long did no harm meanwhile, and does none now: a branch is pushed
        # with a lease, a pull request is looked for before it is made, a look is booked once.
        if not self._instances.send_heartbeat():
            log.warning("this process was taken for dead, and its work was given to others")

    def take_over_dead_instances(self) -> None:
        """A look at the others."""
        if self._take_over is None:
            return
        for gone in self._instances.claim_dead_instances():
            self._take_over(gone.id)
            self._instances.delete_claimed(gone)
            log.warning("took over from %s, which is gone", gone.name)

    def _send_once(self) -> None:
        self.send()
        self._threads.wait(_HEARTBEAT_SECONDS)

    def _take_over_once(self) -> None:
        self.take_over_dead_instances()
        self._threads.wait(_HEARTBEAT_SECONDS)
