"""What goes on beside the queues, each in a thread of its own: deliveries are dispatched, mappings
swept, jobs that were lost found again, and what is too old deleted."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from typing import Protocol

from bridge.books.problems import ANY_MAPPING
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.errands import Errand
from bridge.engine.failures import LONGEST_PAUSE
from bridge.engine.jobs import asked_ahead, forget_finished, running_jobs
from bridge.engine.loops import Loops
from bridge.engine.polling import Timing
from bridge.engine.retention import Retention
from bridge.engine.worker import Worker
from bridge.errors import BridgeError
from bridge.prompts.target import Proposal
from bridge.steps.site import Site
from bridge.storage.members import Members

log = logging.getLogger("bridge.queues")

_IDLE = 1.0  # seconds between two looks for what another process put into the inbox
_END = 1.5  # seconds for the rounds in hand
_CARE = 120.0  # seconds between two looks for jobs that were lost
_TOGETHER = timedelta(minutes=3)  # processes that start within are one occasion for a sweep
_TIDIED = timedelta(hours=1)  # how often what is too old is deleted, by one of all processes
_FINISHED = timedelta(hours=1)  # how long the engine's word on a finished job stays


class Asked(Protocol):
    """Who is asked for work: the queues."""

    @property
    def worker(self) -> Worker: ...

    @property
    def timing(self) -> Timing: ...

    def look_soon(self, proposal: Proposal) -> None:
        """Look at a proposal once it has been quiet for a while."""

    def send(self, errand: Errand, occasion: str) -> None:
        """Run an errand; asked twice for the same occasion, it is run once."""

    def sweep_now(self, occasion: str, mappings: Collection[str] | None = None) -> None:
        """Sweep every mapping, or these; asked twice for the same occasion, it is done once."""

    def calm(self) -> None:
        """There is nothing to dispatch at the moment."""


class Chores:
    def __init__(self, queues: Asked, members: Members, retention: Retention) -> None:
        self._queues = queues
        self._members = members
        self._retention = retention
        self._roused = threading.Event()  # whoever waits for the next sweep
        self._failing = set[str]()  # rounds whose last one raised what nobody expected
        self._loops = Loops(
            {
                "dispatcher": self._recorded("dispatcher", self._dispatch),
                "sweeper": self._recorded("sweeper", self._sweep),
                "caretaker": self._recorded("caretaker", self._take_care),
                "tidier": self._recorded("tidier", self._tidy),
            },
            breath=_IDLE,
        )

    def _recorded(self, name: str, round: Callable[[], None]) -> Callable[[], None]:
        """A round whose errors that nobody expected are written down; it is called again after a
        pause that grows from error to error."""

        def recorded() -> None:
            try:
                round()
            except BridgeError:
                raise
            except Exception as error:
                if not self._loops.stopping():
                    pause = self._worker.failures.record(ANY_MAPPING, name, error)
                    self._failing.add(name)
                    self._loops.rest(pause or LONGEST_PAUSE)
            else:
                if name in self._failing:
                    self._worker.failures.mend(ANY_MAPPING, name)
                    self._failing.discard(name)

        return recorded

    def start(self) -> None:
        self._loops.start()

    def stop(self) -> None:
        """Wait a little for what is in hand."""
        self._loops.stop(_END, self._roused.set)

    def retimed(self) -> None:
        """Other times hold from now on."""
        self._roused.set()

    def lost(self) -> list[Proposal]:
        """What waits for too long and has no job. A busy bridge has jobs for what it is behind
        with; one more for each of them would only put it further behind."""
        overdue = self._worker.overdue()
        ahead = asked_ahead() if overdue else set()
        return [each for each in overdue if (each.mapping, each.branch) not in ahead]

    @property
    def _worker(self) -> Worker:
        return self._queues.worker

    def _dispatch(self) -> None:
        with self._members.turns.alone("dispatch") as alone:
            some = alone and Dispatcher(self._worker).dispatch_deliveries(
                self._queues.look_soon, self._queues.send
            )
        if not some:
            self._queues.calm()
            self._worker.inbox.wait_for_fresh(_IDLE)

    def _sweep(self) -> None:
        started = self._worker.clock().timestamp()
        self._queues.sweep_now(f"start {started:.6f}", self._not_swept())
        while not self._loops.stopping():
            every = self._queues.timing.sweep.total_seconds()
            if self._roused.wait(every - self._worker.clock().timestamp() % every):
                self._roused.clear()  # told to end, or to go by other times
                continue
            self._queues.sweep_now(f"{self._worker.clock().timestamp() // every:.0f}")

    def _not_swept(self) -> list[str]:
        """The mappings to sweep at the start. Of processes that are started together one sweeps
        each; a process that is alone, or has other settings, sweeps at once."""
        recent = _TOGETHER if self._members.others() else timedelta()
        return [
            name
            for name, site in self._worker.sites.items()
            if self._members.turns.take(f"sweep {name} {_settings_of(site)}", recent)
        ]

    def _take_care(self) -> None:
        self._find_orphans()
        Dispatcher(self._worker).redispatch_ignored()
        self._take_up(self._worker.unfinished())
        while not self._loops.rest(_CARE):
            if self._members.turns.take("take up", timedelta(seconds=_CARE / 2)):
                self._find_orphans()
                Dispatcher(self._worker).redispatch_ignored()
                self._take_up(self.lost())
                self._take_up(self._worker.retry_parked())

    def _find_orphans(self) -> None:
        self._members.presume_dead(
            {each.executor_id for each in running_jobs() if each.executor_id}
        )

    def _take_up(self, proposals: Iterable[Proposal]) -> None:
        """Look at what waits, should its job have been lost."""
        for proposal in proposals:
            if self._loops.stopping():
                return
            self._queues.look_soon(proposal)

    def _tidy(self) -> None:
        """At the start, and every hour: a turn that another process took is not taken again."""
        if self._members.turns.take("tidy", _TIDIED - _TOGETHER):
            if gone := self._retention.run(self._worker.sites.keys(), self._loops.rest):
                log.info("too old to keep: %s", gone)
            forget_finished(self._worker.clock() - _FINISHED, self._loops.rest)
        self._loops.rest(_TIDIED.total_seconds())


def _settings_of(site: Site) -> str:
    """Different for different settings of a mapping."""
    return f"{zlib.crc32(site.mapping.model_dump_json().encode()):08x}"
