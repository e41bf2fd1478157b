"""The durable queues (DBOS): when proposals are looked at, how often, and by how many at once.

Two stages. A look first waits in ``looks``, where more events for the same proposal are absorbed
(a debouncer: what arrives while its proposal is being looked at starts a fresh wait, so nothing is
swallowed). Then it runs in ``work``, whose partitions are lanes: one look at a time in each, a few
lanes for each repository, so that no branch has two writers and no repository takes every worker.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from dbos import DBOS, DBOSConfig, Debouncer, SetEnqueueOptions, SetWorkflowID

from bridge.engine.chores import Chores
from bridge.engine.errand_run import ErrandRun
from bridge.engine.errands import Errand, ErrandKind, delivery_of
from bridge.engine.jobs import (
    anything_ahead,
    outside_jobs,
    running_jobs,
)
from bridge.engine.polling import Polled, Polling, Timing
from bridge.engine.reconciler import Reconciler
from bridge.engine.resync import ResyncRunner
from bridge.engine.retention import Retention
from bridge.engine.worker import Worker
from bridge.errors import Transient
from bridge.prompts.target import Proposal
from bridge.storage.members import Members
from bridge.storage.patience import impatient_address
from bridge.telemetry.trail import step

log = logging.getLogger("bridge.queues")

LOOKS, WORK = "looks", "work"

# Looking again is always safe, so a job of an older release may be finished by a newer one.
_APPLICATION_VERSION = "1"
_LONGEST_ABSORPTION = 30.0  # seconds: a prompt that is saved all the time is proposed all the same
_BOOKS_PAUSE = 10.0  # seconds
_UNHEARD_PAUSE, _UNHEARD_ATTEMPTS = 30.0, 4  # seconds
_NEVER = 86_400.0  # seconds
# Together with the chores' end and the web server's grace this stays within ten seconds.
_STEPS_END = 5  # seconds for the steps in hand
_BETWEEN_SWEEPS = 0.2  # seconds, so that hundreds of mappings do not ask all at once
_LANES = 4  # for each repository
_SWEEPS_BEGIN = 60.0  # seconds within which all have begun


class Queues:
    """The queues of one process. DBOS is one for each process, and so is this."""

    _running: Queues | None = None

    def __init__(
        self,
        worker: Worker,
        *,
        database: str,
        members: Members,
        workers: int,
        timing: Timing,
        retention: Retention,
    ) -> None:
        self.worker = worker
        self.timing = timing
        self._workers = workers
        self._steps = 0
        self._counting = threading.Lock()
        self._chores = Chores(self, members, retention)
        self._polled: list[Polled] = []
        self._polling = Polling(
            self._polled, often=timing.polling, quiet=self._quiet, anything_ahead=anything_ahead
        )
        self._config: DBOSConfig = {
            "name": "promptlayer-bridge",
            "system_database_url": impatient_address(database),
            "application_version": _APPLICATION_VERSION,
            "executor_id": members.id,
            "log_level": "WARNING",
            "enable_otlp": False,
            "scheduler_polling_interval_sec": _NEVER,  # nothing of ours is scheduled by it
        }

    def start(self) -> None:
        """Take up what was left, and go on."""
        Queues._running = self
        DBOS(config=self._config)
        DBOS.launch()
        polling = self.timing.polling
        looks = DBOS.register_queue(
            LOOKS, polling_interval_sec=polling, on_conflict="always_update"
        )
        work = DBOS.register_queue(
            WORK,
            worker_concurrency=self._workers,
            partition_concurrency=1,
            polling_interval_sec=polling,
            on_conflict="always_update",
        )
        self._polled += [looks, work]  # a job that was left may have run already
        self._chores.start()

    def stop(self) -> bool:
        """Finish the steps in hand. Returns whether all of them were; what is not finished is
        taken up at the next start."""
        self._chores.stop()
        DBOS.destroy(workflow_completion_timeout_sec=_STEPS_END)
        Queues._running = None
        return self._steps == 0

    @staticmethod
    def take_over(executor: str) -> None:
        """Put what another process was running back into its queues, for whoever is free."""
        for job in running_jobs(executor):
            DBOS.resume_workflow(job.workflow_id, queue_name=job.queue_name)

    @contextmanager
    def step(self) -> Iterator[Worker]:
        """The worker, for a step that ``stop`` waits for."""
        with self._counting:
            self._steps += 1
        try:
            yield self.worker
        finally:
            with self._counting:
                self._steps -= 1

    def look_soon(self, proposal: Proposal) -> None:
        """Look at a proposal once it has been quiet for a while."""
        self.look_after(proposal, self._quiet())

    @outside_jobs
    def look_after(self, proposal: Proposal, seconds: float) -> None:
        """Look at a proposal in so many seconds, or sooner if something else asks for it."""
        self._polling.work_ahead()
        repository = self.repository_of(proposal.mapping)
        longest = max(seconds, _LONGEST_ABSORPTION)
        Debouncer.create(_pass_on, queue=LOOKS, debounce_timeout_sec=longest).debounce(
            f"{proposal.mapping}/{proposal.branch}",
            seconds,
            proposal.mapping,
            proposal.branch,
            lane(repository, proposal.branch),
        )

    def sweep_now(self, occasion: str, mappings: Collection[str] | None = None) -> None:
        """Sweep every mapping, or these; asked twice for the same occasion, it is done once."""
        self._polling.work_ahead()
        sites = self.worker.sites
        wanted = [name for name in sites if mappings is None or name in mappings]
        between = min(_BETWEEN_SWEEPS, _SWEEPS_BEGIN / max(len(wanted), 1))
        for number, name in enumerate(wanted):
            self.sweep_after(number * between, name, occasion, 0)

    @outside_jobs
    def sweep_after(self, seconds: float, mapping: str, occasion: str, attempt: int) -> None:
        """Sweep a mapping in so many seconds; asked twice for the same attempt, it is done once."""
        files = lane_of_files(self.repository_of(mapping))
        tried = f"/{attempt}" if attempt else ""
        with (
            SetWorkflowID(f"sweep/{mapping}/{occasion}{tried}"),
            SetEnqueueOptions(queue_partition_key=files, delay_seconds=seconds),
        ):
            DBOS.enqueue_workflow(WORK, _sweep_mapping, mapping, occasion, attempt)

    @outside_jobs
    def send(self, errand: Errand, occasion: str, attempt: int = 0, after: float = 0.0) -> None:
        """Run an errand in so many seconds; asked twice for the same occasion, it is run once."""
        self._polling.work_ahead()
        files = lane_of_files(self.repository_of(errand.mapping))
        number = f"errand/{errand.mapping}/{errand.kind}/{occasion}/{attempt}"
        with (
            SetWorkflowID(number),
            SetEnqueueOptions(queue_partition_key=files, delay_seconds=after),
        ):
            told = (errand.mapping, str(errand.kind), errand.about)
            DBOS.enqueue_workflow(WORK, _run_errand, *told, occasion, attempt)

    def _quiet(self) -> float:
        return self.timing.quiet.total_seconds()

    def retime(self, timing: Timing) -> None:
        """Go by other times from now on."""
        self.timing = timing
        self._chores.retimed()

    def calm(self) -> None:
        """There is nothing to dispatch at the moment: nobody has to look at the queues often."""
        self._polling.calm()

    def unheard_of(self, mapping: str, attempt: int) -> float | None:
        """In how many seconds to try again what is asked of a mapping that this process does not
        know: of a new one, another process may have heard sooner. None for giving up."""
        known = mapping in self.worker.sites
        return None if known or attempt >= _UNHEARD_ATTEMPTS else _UNHEARD_PAUSE

    def repository_of(self, mapping: str) -> str:
        """What bundles the work of a mapping into lanes."""
        site = self.worker.sites.get(mapping)
        return site.forge.repository if site else mapping


def _current() -> Queues:
    running = Queues._running
    if running is None:
        raise RuntimeError("A job was started before the queues were.")
    return running


@DBOS.workflow(name="pass_on")
def _pass_on(mapping: str, branch: str, lane: str) -> None:
    with SetEnqueueOptions(queue_partition_key=lane):
        DBOS.enqueue_workflow(WORK, _look_at, mapping, branch)


@DBOS.workflow(name="look_at")
def _look_at(mapping: str, branch: str) -> None:
    queues, proposal = _current(), Proposal(mapping, branch)
    with queues.step() as worker:
        try:
            again = Reconciler(worker).reconcile(proposal)
            for admitted in worker.make_room(mapping):
                queues.look_soon(admitted)
        except Transient as error:  # the books do not answer; nobody else would look again
            log.warning("%s waits: %s", branch, error)
            again = error.retry_after or _BOOKS_PAUSE
    if again is not None:
        queues.look_after(proposal, again)


@DBOS.workflow(name="sweep")
def _sweep_mapping(mapping: str, occasion: str, attempt: int) -> None:
    queues = _current()
    with queues.step() as worker, step("sweep", mapping=mapping):
        again = ResyncRunner(worker).resync(
            mapping, queues.look_soon, with_others=True, attempt=attempt
        )
        again = again or queues.unheard_of(mapping, attempt)
    if again is not None:
        queues.sweep_after(again, mapping, occasion, attempt + 1)


@DBOS.workflow(name="errand")
def _run_errand(mapping: str, kind: str, about: str, occasion: str, attempt: int) -> None:
    queues, errand = _current(), Errand(mapping, ErrandKind(kind), about)
    with queues.step() as worker, step(kind, mapping=mapping, delivery=delivery_of(occasion)):
        try:
            run = ErrandRun(worker, errand, occasion, attempt)
            again = run.run(queues.look_soon)
            again = again or queues.unheard_of(mapping, attempt)
            if again is None and mapping not in worker.sites:
                run.abandon()
        except Transient as error:  # the books do not answer; nobody else would try again
            log.warning("%s of %s waits: %s", kind, mapping, error)
            again = error.retry_after or _BOOKS_PAUSE
    if again is not None:
        queues.send(errand, occasion, attempt + 1, again)


def lane(repository: str, branch: str) -> str:
    """The lane of a branch: always the same, one of few for each repository."""
    return f"{repository} {zlib.crc32(branch.encode()) % _LANES}"


def lane_of_files(repository: str) -> str:
    """The lane of whatever makes prompts of files that have none yet, sweeps and errands: two that
    find the same file at once would both make one of it."""
    return f"{repository} files"
