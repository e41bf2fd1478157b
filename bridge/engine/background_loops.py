"""What goes on beside the queues, each in a thread of its own: deliveries are dispatched, mappings
swept, jobs that were lost found again, and what is too old deleted."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from typing import Protocol

from bridge.engine.adaptive_polling import QueueTiming
from bridge.engine.controller import BridgeController
from bridge.engine.dbos_jobs import (
    delete_finished_jobs,
    list_pending_job_arguments,
    list_running_jobs,
)
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.failures import LONGEST_PAUSE
from bridge.engine.loop_threads import LoopThreads
from bridge.engine.repository_jobs import RepositoryJob
from bridge.engine.retention import RetentionPruner
from bridge.errors import BridgeError
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.status.problems import ANY_MAPPING
from bridge.storage.instances import InstanceRegistry

log = logging.getLogger("bridge.queues")

_IDLE = 1.0  # seconds between two looks for what another process put into the inbox
_END = 1.5  # seconds for the rounds in hand
_CARE = 120.0  # seconds between two looks for jobs that were lost
_TOGETHER = timedelta(minutes=3)  # processes that start within are one occasion for a sweep
_TIDIED = timedelta(hours=1)  # how often what is too old is deleted, by one of all processes
_FINISHED = timedelta(hours=1)  # how long the engine's word on a finished job stays


class JobQueues(Protocol):
    """Who is asked for work: the queues."""

    @property
    def controller(self) -> BridgeController: ...

    @property
    def timing(self) -> QueueTiming: ...

    def enqueue_reconcile(self, proposal: Proposal) -> None:
        """Look at a proposal once it has been quiet for a while."""

    def enqueue_job(self, job: RepositoryJob, deduplication_key: str) -> None:
        """Run an errand; asked twice for the same occasion, it is run once."""

    def enqueue_resync(
        self, deduplication_key: str, mappings: Collection[str] | None = None
    ) -> None:
        """Sweep every mapping, or these; asked twice for the same occasion, it is done once."""

    def enqueue_evaluations(self) -> None:
        """Run the evaluations that are requested and not settled; each is run once."""

    def note_idle(self) -> None:
        """There is nothing to dispatch at the moment."""


class BackgroundLoops:
    def __init__(
        self, queues: JobQueues, instances: InstanceRegistry, retention: RetentionPruner
    ) -> None:
        self._queues = queues
        self._instances = instances
        self._retention = retention
        self._roused = threading.Event()  # whoever waits for the next sweep
        self._begun = set[str]()  # loops that have done what belongs to the start
        self._threads = LoopThreads(
            {
                "dispatcher": self._recorded("dispatcher", self._dispatch),
                "sweeper": self._recorded("sweeper", self._sweep),
                "caretaker": self._recorded("caretaker", self._take_care),
                "tidier": self._recorded("tidier", self._tidy),
            },
            breath=_IDLE,
        )
        # Loops whose last round raised what nobody expected; at the start, in an earlier process.
        self._failing = {"dispatcher", "sweeper", "caretaker", "tidier"}

    def _recorded(self, name: str, round: Callable[[], None]) -> Callable[[], None]:
        """A round whose errors that nobody expected are written down; it is called again after a
        pause that grows from error to error."""

        def recorded() -> None:
            try:
                round()
            except BridgeError:
                raise
            except Exception as error:
                if not self._threads.is_stopping():
                    pause = self._controller.failures.record(ANY_MAPPING, name, error)
                    self._failing.add(name)
                    self._threads.wait(pause or LONGEST_PAUSE)
            else:
                if name in self._failing:
                    self._controller.failures.mend(ANY_MAPPING, name)
                    self._failing.discard(name)

        return recorded

    def start(self) -> None:
        self._threads.start()

    def stop(self) -> None:
        """Wait a little for what is in hand."""
        self._threads.stop(_END, self._roused.set)

    def apply_timing(self) -> None:
        """Other times hold from now on."""
        self._roused.set()

    def find_orphaned_proposals(self) -> list[Proposal]:
        """What waits for too long and has no job. A busy bridge has jobs for what it is behind
        with; one more for each of them would only put it further behind."""
        overdue = self._controller.find_overdue_proposals()
        ahead = list_pending_job_arguments() if overdue else set()
        return [each for each in overdue if (each.mapping, each.branch) not in ahead]

    @property
    def _controller(self) -> BridgeController:
        return self._queues.controller

    def _dispatch(self) -> None:
        with self._instances.locks.try_hold("dispatch") as alone:
            some = alone and Dispatcher(self._controller).dispatch_deliveries(
                self._queues.enqueue_reconcile, self._queues.enqueue_job
            )
        if not some:
            self._queues.note_idle()
            self._controller.inbox.wait_for_new(_IDLE)

    def _sweep(self) -> None:
        now = self._controller.clock().timestamp()
        if "sweeper" not in self._begun:
            self._queues.enqueue_resync(f"start {now:.6f}", self._not_swept())
            self._begun.add("sweeper")
            return
        every = self._queues.timing.sweep.total_seconds()
        if self._roused.wait(every - now % every):
            self._roused.clear()  # told to end, or to go by other times
            return
        self._queues.enqueue_resync(f"{self._controller.clock().timestamp() // every:.0f}")

    def _not_swept(self) -> list[str]:
        """The mappings to sweep at the start. Of processes that are started together one sweeps
        each; a process that is alone, or has other settings, sweeps at once."""
        recent = _TOGETHER if self._instances.list_other_live_instances() else timedelta()
        return [
            name
            for name, context in self._controller.contexts.items()
            if self._instances.locks.try_acquire_turn(
                f"sweep {name} {_settings_of(context)}", recent
            )
        ]

    def _take_care(self) -> None:
        if "caretaker" not in self._begun:
            self._find_orphans()
            Dispatcher(self._controller).redispatch_ignored()
            self._take_up(self._controller.find_pending_proposals())
            self._queues.enqueue_evaluations()
            self._begun.add("caretaker")
        elif not self._threads.wait(_CARE) and self._instances.locks.try_acquire_turn(
            "take up", timedelta(seconds=_CARE / 2)
        ):
            self._find_orphans()
            Dispatcher(self._controller).redispatch_ignored()
            self._take_up(self.find_orphaned_proposals())
            self._take_up(self._controller.retry_parked())
            self._queues.enqueue_evaluations()

    def _find_orphans(self) -> None:
        self._instances.mark_dead(
            {each.executor_id for each in list_running_jobs() if each.executor_id}
        )

    def _take_up(self, proposals: Iterable[Proposal]) -> None:
        """Look at what waits, should its job have been lost."""
        for proposal in proposals:
            if self._threads.is_stopping():
                return
            self._queues.enqueue_reconcile(proposal)

    def _tidy(self) -> None:
        """At the start, and every hour: a turn that another process took is not taken again."""
        if self._instances.locks.try_acquire_turn("tidy", _TIDIED - _TOGETHER):
            if gone := self._retention.prune(self._controller.contexts.keys(), self._threads.wait):
                log.info("too old to keep: %s", gone)
            delete_finished_jobs(self._controller.clock() - _FINISHED, self._threads.wait)
        self._threads.wait(_TIDIED.total_seconds())


def _settings_of(context: MappingContext) -> str:
    """Different for different settings of a mapping."""
    return f"{zlib.crc32(context.mapping.model_dump_json().encode()):08x}"
