"""Send the heartbeats of a process, and take over the work of processes that stopped sending theirs."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.engine.loop_threads import LoopThreads
from bridge.storage.instances import InstanceRegistry

log = logging.getLogger("bridge.members")

_HEARTBEAT_SECONDS = 5.0  # seconds
_END = 1.5  # seconds that a stop waits for the current round


class HeartbeatLoop:
    """Send a heartbeat every five seconds, in a thread of its own, and take over from dead
    instances in another one. ``take_over`` is called with the id of a dead instance, and may be
    called with the same id again. Without it, other processes take over."""

    def __init__(
        self, instances: InstanceRegistry, take_over: Callable[[str], None] | None = None
    ) -> None:
        self._instances = instances
        self._take_over = take_over
        self._threads = LoopThreads(
            {"heartbeat": self._send_once, "takeover": self._take_over_once},
            error_pause=_HEARTBEAT_SECONDS,
        )

    def start(self) -> None:
        self._threads.start()

    def set_takeover(self, take_over: Callable[[str], None]) -> None:
        """Let this process take over the jobs of dead instances from now on."""
        self._take_over = take_over

    def stop(self) -> None:
        """Send no more heartbeats. The other instances notice when ``InstanceRegistry.unregister``
        is called, or after half a minute."""
        self._threads.stop(_END)

    def send(self) -> None:
        """Send one heartbeat."""
        # A process that was paused for so long does no harm when it goes on: it pushes with a lease,
        # searches for a pull request before it creates one, and settles a reconcile once.
        if not self._instances.send_heartbeat():
            log.warning("this process was taken for dead, and its work was given to others")

    def take_over_dead_instances(self) -> None:
        """Take over the jobs of every dead instance that this process could claim."""
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
