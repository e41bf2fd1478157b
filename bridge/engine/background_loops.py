"""Run the loops beside the queues, each in a thread of its own: dispatch deliveries, resync mappings,
recover lost jobs, delete old rows, and announce what needs a person."""

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
from bridge.engine.problem_notifier import ProblemNotifier
from bridge.engine.repository_jobs import RepositoryJob
from bridge.engine.retention import RetentionPruner
from bridge.errors import BridgeError
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.status.problems import ANY_MAPPING
from bridge.storage.instances import InstanceRegistry

log = logging.getLogger("bridge.queues")

_IDLE = 1.0  # seconds between two checks of the inbox for other processes' deliveries
_END = 1.5  # seconds that a stop waits for the current rounds
_RECOVERY_SECONDS = 120.0  # between two searches for lost jobs
_TOGETHER = timedelta(minutes=3)  # processes that start within this time resync a mapping once
_PRUNE_PERIOD = timedelta(hours=1)  # between two deletions of old rows, by one of all processes
_NOTIFY_SECONDS = 10.0  # between two searches for what is to be announced
_FINISHED = timedelta(hours=1)  # how long DBOS' row of a finished job stays


class JobQueues(Protocol):
    """The queues, as the loops use them."""

    @property
    def controller(self) -> BridgeController: ...

    @property
    def timing(self) -> QueueTiming: ...

    def enqueue_reconcile(self, proposal: Proposal) -> None:
        """Reconcile a proposal once no event about it came for ``quiet``."""

    def enqueue_job(self, job: RepositoryJob, deduplication_key: str) -> None:
        """Run a repository job, once for each deduplication key."""

    def enqueue_resync(
        self, deduplication_key: str, mappings: Collection[str] | None = None
    ) -> None:
        """Resync every mapping, or these, once for each deduplication key."""

    def enqueue_evaluations(self) -> None:
        """Run the evaluations that are requested and not settled; each is run once."""

    def note_idle(self) -> None:
        """Report that there is nothing to dispatch."""


class BackgroundLoops:
    """The dispatcher, sweeper, caretaker, tidier and notifier of one process; these names are the subjects of
    their problems on the dashboard."""

    def __init__(
        self, queues: JobQueues, instances: InstanceRegistry, retention: RetentionPruner
    ) -> None:
        self._queues = queues
        self._instances = instances
        self._retention = retention
        self._resync_wake_up = threading.Event()
        self._begun = set[str]()  # the loops that ran their first round
        self._had_webhooks = True  # an earlier process may have
        self._threads = LoopThreads(
            {
                "dispatcher": self._recorded("dispatcher", self._dispatch),
                "sweeper": self._recorded("sweeper", self._sweep),
                "caretaker": self._recorded("caretaker", self._recover),
                "tidier": self._recorded("tidier", self._prune),
                "confirmer": self._recorded("confirmer", self._confirm_releases),
                "notifier": self._recorded("notifier", self._notify),
            },
            error_pause=_IDLE,
        )
        # The loops with an open problem. At the start all, as an earlier process may have left one.
        self._failing = {"dispatcher", "sweeper", "caretaker", "tidier", "confirmer", "notifier"}

    def _recorded(self, name: str, round: Callable[[], None]) -> Callable[[], None]:
        """Wrap a round: record its unexpected errors as problems, each with a longer pause before the
        next round."""

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
                    self._controller.failures.resolve(ANY_MAPPING, name)
                    self._failing.discard(name)

        return recorded

    def start(self) -> None:
        self._threads.start()

    def stop(self) -> None:
        """Wait for the current rounds, for 1.5 seconds at most."""
        self._threads.stop(_END, self._resync_wake_up.set)

    def apply_timing(self) -> None:
        """Apply changed delays: the wait for the next resync starts over."""
        self._resync_wake_up.set()

    def find_orphaned_proposals(self) -> list[Proposal]:
        """The overdue proposals that have no job. On a busy bridge the others have one, and a second
        would delay them further."""
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
            self._queues.enqueue_resync(f"start {now:.6f}", self._find_mappings_to_resync())
            self._begun.add("sweeper")
            return
        every = self._queues.timing.sweep.total_seconds()
        if self._resync_wake_up.wait(every - now % every):
            self._resync_wake_up.clear()  # the process stops, or the delays changed
            return
        self._queues.enqueue_resync(f"{self._controller.clock().timestamp() // every:.0f}")

    def _find_mappings_to_resync(self) -> list[str]:
        """The mappings to resync at the start. Of processes that start together, one resyncs each
        mapping; a process that is alone, or has other settings, resyncs all of its own."""
        recent = _TOGETHER if self._instances.list_other_live_instances() else timedelta()
        return [
            name
            for name, context in self._controller.contexts.items()
            if self._instances.locks.try_acquire_turn(
                f"sweep {name} {_settings_of(context)}", recent
            )
        ]

    def _recover(self) -> None:
        if "caretaker" not in self._begun:
            self._find_orphans()
            Dispatcher(self._controller).redispatch_ignored()
            self._enqueue_proposals(self._controller.find_pending_proposals())
            self._queues.enqueue_evaluations()
            self._begun.add("caretaker")
        elif not self._threads.wait(_RECOVERY_SECONDS) and self._instances.locks.try_acquire_turn(
            "take up", timedelta(seconds=_RECOVERY_SECONDS / 2)
        ):
            self._find_orphans()
            Dispatcher(self._controller).redispatch_ignored()
            self._enqueue_proposals(self.find_orphaned_proposals())
            self._enqueue_proposals(self._controller.request_due_retries())
            self._queues.enqueue_evaluations()

    def _find_orphans(self) -> None:
        self._instances.mark_dead(
            {each.executor_id for each in list_running_jobs() if each.executor_id}
        )

    def _enqueue_proposals(self, proposals: Iterable[Proposal]) -> None:
        """Enqueue proposals again, in case their job was lost."""
        for proposal in proposals:
            if self._threads.is_stopping():
                return
            self._queues.enqueue_reconcile(proposal)

    def _prune(self) -> None:
        """Delete old rows at the start and every hour, unless another process did."""
        if self._instances.locks.try_acquire_turn("tidy", _PRUNE_PERIOD - _TOGETHER):
            if gone := self._retention.prune(self._controller.contexts.keys(), self._threads.wait):
                log.info("too old to keep: %s", gone)
            delete_finished_jobs(self._controller.clock() - _FINISHED, self._threads.wait)
        self._threads.wait(_PRUNE_PERIOD.total_seconds())

    def _confirm_releases(self) -> None:
        confirmer = self._controller.release_confirmer
        if confirmer is None:
            self._threads.wait(_IDLE)
            return
        confirmer.wait_until_due(_IDLE)
        confirmer.confirm_pending()

    def _notify(self) -> None:
        """Announce what is due. A round without webhooks follows the last one with some, as it
        resolves their problems."""
        has_webhooks = bool(self._controller.notifications.settings.webhooks)
        if self._threads.wait(_NOTIFY_SECONDS) or not (has_webhooks or self._had_webhooks):
            return
        with self._instances.locks.try_hold("notify") as alone:
            if alone:
                ProblemNotifier(self._controller).send_due()
                self._had_webhooks = has_webhooks


def _settings_of(context: MappingContext) -> str:
    """A checksum (hexadecimal) of a mapping's settings."""
    return f"{zlib.crc32(context.mapping.model_dump_json().encode()):08x}"
