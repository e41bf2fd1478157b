"""The durable queues (DBOS), which say when a proposal is reconciled and how many run at once.

A reconcile passes two queues. ``looks`` debounces: further events for the same proposal prolong the
wait, and an event that arrives while the reconcile runs starts a new wait, so none is lost. ``work``
runs it, one job at a time in each partition. A repository has a few partitions, so that no branch
has two writers and no repository takes every worker. See
https://docs.dbos.dev/python/tutorials/queue-tutorial#partitioning-queues.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from dbos import DBOS, DBOSConfig, Debouncer, SetEnqueueOptions, SetWorkflowID

from bridge.engine.adaptive_polling import AdaptivePolling, PollableQueue, QueueTiming
from bridge.engine.background_loops import BackgroundLoops
from bridge.engine.controller import BridgeController
from bridge.engine.dbos_jobs import has_pending_jobs, list_running_jobs, run_outside_jobs
from bridge.engine.reconciler import Reconciler
from bridge.engine.repository_job_runner import RepositoryJobRunner
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind, parse_delivery_id
from bridge.engine.resync import ResyncRunner
from bridge.engine.retention import RetentionPruner
from bridge.errors import TransientError
from bridge.prompts.target import Proposal
from bridge.storage.connection_timeouts import add_timeouts_to_address
from bridge.storage.instances import InstanceRegistry
from bridge.telemetry.log_context import span

log = logging.getLogger("bridge.queues")

RECONCILE_QUEUE, WORK_QUEUE = "looks", "work"

# A reconcile may be repeated at any time, so a newer release may finish a job of an older one.
_APPLICATION_VERSION = "1"
_LONGEST_ABSORPTION = 30.0  # seconds after which a prompt is proposed that is saved all the time
_DATABASE_PAUSE = 10.0  # seconds until the next attempt, where the database does not answer
_UNHEARD_PAUSE, _UNHEARD_ATTEMPTS = 30.0, 4  # seconds
_NEVER = 86_400.0  # seconds
# Together with the end of the background loops and the web server's grace this stays within ten seconds.
_STEPS_END = 5  # seconds that a stop waits for the running steps
_BETWEEN_SWEEPS = 0.2  # seconds between the starts of two resyncs
_PARTITIONS = 4  # for each repository
_SWEEPS_BEGIN = 60.0  # seconds within which all resyncs have started


class DurableQueues:
    """The queues of one process. A process has one DBOS, and so one of these."""

    _running: DurableQueues | None = None

    def __init__(
        self,
        controller: BridgeController,
        *,
        database: str,
        instances: InstanceRegistry,
        workers: int,
        timing: QueueTiming,
        retention: RetentionPruner,
    ) -> None:
        self.controller = controller
        self.timing = timing
        self._workers = workers
        self._steps = 0
        self._counting = threading.Lock()
        self._loops = BackgroundLoops(self, instances, retention)
        self._polled: list[PollableQueue] = []
        self._polling = AdaptivePolling(
            self._polled, often=timing.polling, quiet=self._quiet, has_pending_jobs=has_pending_jobs
        )
        self._config: DBOSConfig = {
            "name": "promptlayer-bridge",
            "system_database_url": add_timeouts_to_address(database),
            "application_version": _APPLICATION_VERSION,
            "executor_id": instances.id,
            "log_level": "WARNING",
            "enable_otlp": False,
            "scheduler_polling_interval_sec": _NEVER,  # nothing of ours is scheduled by it
        }

    def start(self) -> None:
        """Resume the unfinished jobs of this process, and start the loops."""
        DurableQueues._running = self
        DBOS(config=self._config)
        DBOS.launch()
        polling = self.timing.polling
        debounce_queue = DBOS.register_queue(
            RECONCILE_QUEUE, polling_interval_sec=polling, on_conflict="always_update"
        )
        work_queue = DBOS.register_queue(
            WORK_QUEUE,
            worker_concurrency=self._workers,
            partition_concurrency=1,
            polling_interval_sec=polling,
            on_conflict="always_update",
        )
        self._polled += [debounce_queue, work_queue]  # a resumed job may have run already
        self._loops.start()

    def stop(self) -> bool:
        """Wait for the running steps. Returns whether all ended; the others are resumed at the next
        start."""
        self._loops.stop()
        DBOS.destroy(workflow_completion_timeout_sec=_STEPS_END)
        DurableQueues._running = None
        return self._steps == 0

    @staticmethod
    def requeue_jobs_of(executor: str) -> None:
        """Put the jobs that another process was running back into their queues."""
        for job in list_running_jobs(executor):
            DBOS.resume_workflow(job.workflow_id, queue_name=job.queue_name)

    @contextmanager
    def hold_controller(self) -> Iterator[BridgeController]:
        """Give the controller to a step; ``stop`` waits until the block ends."""
        with self._counting:
            self._steps += 1
        try:
            yield self.controller
        finally:
            with self._counting:
                self._steps -= 1

    def enqueue_reconcile(self, proposal: Proposal) -> None:
        """Reconcile a proposal once no event about it came for ``quiet``."""
        self.enqueue_reconcile_after(proposal, self._quiet())

    @run_outside_jobs
    def enqueue_reconcile_after(self, proposal: Proposal, seconds: float) -> None:
        """Reconcile a proposal in so many seconds. A later call may set another delay."""
        self._polling.note_work()
        repository = self.find_repository(proposal.mapping)
        longest = max(seconds, _LONGEST_ABSORPTION)
        Debouncer.create(
            _forward_job, queue=RECONCILE_QUEUE, debounce_timeout_sec=longest
        ).debounce(
            f"{proposal.mapping}/{proposal.branch}",
            seconds,
            proposal.mapping,
            proposal.branch,
            compute_partition_key(repository, proposal.branch),
        )

    def enqueue_resync(
        self, deduplication_key: str, mappings: Collection[str] | None = None
    ) -> None:
        """Resync every mapping, or these, once for each deduplication key."""
        self._polling.note_work()
        contexts = self.controller.contexts
        wanted = [name for name in contexts if mappings is None or name in mappings]
        between = min(_BETWEEN_SWEEPS, _SWEEPS_BEGIN / max(len(wanted), 1))
        for number, name in enumerate(wanted):
            self.enqueue_resync_after(number * between, name, deduplication_key, 0)

    @run_outside_jobs
    def enqueue_resync_after(
        self, seconds: float, mapping: str, deduplication_key: str, attempt: int
    ) -> None:
        """Resync a mapping in so many seconds, once for each deduplication key and attempt."""
        files = compute_file_partition_key(self.find_repository(mapping))
        suffix = f"/{attempt}" if attempt else ""
        with (
            SetWorkflowID(f"sweep/{mapping}/{deduplication_key}{suffix}"),
            SetEnqueueOptions(queue_partition_key=files, delay_seconds=seconds),
        ):
            DBOS.enqueue_workflow(WORK_QUEUE, _resync_job, mapping, deduplication_key, attempt)

    @run_outside_jobs
    def enqueue_job(
        self, job: RepositoryJob, deduplication_key: str, attempt: int = 0, after: float = 0.0
    ) -> None:
        """Run a repository job in ``after`` seconds, once for each deduplication key and attempt."""
        self._polling.note_work()
        repository = self.find_repository(job.mapping)
        number = f"errand/{job.mapping}/{job.kind}/{deduplication_key}/{attempt}"
        partition = compute_file_partition_key(repository)
        if job.is_evaluation:
            number = f"errand/{job.mapping}/{job.kind}/{job.argument}/{deduplication_key}/{attempt}"
            partition = compute_evaluation_partition_key(repository)
        with (
            SetWorkflowID(number),
            SetEnqueueOptions(queue_partition_key=partition, delay_seconds=after),
        ):
            arguments = (job.mapping, str(job.kind), job.argument, deduplication_key, attempt)
            DBOS.enqueue_workflow(WORK_QUEUE, _repository_job, *arguments)

    def enqueue_evaluations(self, mapping: str | None = None, *, not_begun: bool = False) -> None:
        """Run the evaluations that are requested and not settled, of a mapping or of all, or those
        only that have ``not_begun``; asked twice for the same request, each is run once."""
        unsettled = self.controller.store.evaluations.find_unsettled(mapping, not_begun=not_begun)
        for request, requested_at in unsettled.items():
            job = RepositoryJob(request.mapping, RepositoryJobKind.EVALUATION, request.job_argument)
            self.enqueue_job(job, f"evaluation {requested_at.timestamp():.6f}")

    def _quiet(self) -> float:
        return self.timing.quiet.total_seconds()

    def set_timing(self, timing: QueueTiming) -> None:
        """Replace the delays of the queues and loops."""
        self.timing = timing
        self._loops.apply_timing()

    def note_idle(self) -> None:
        """Report that there is nothing to dispatch, so that the queues are polled less often."""
        self._polling.note_idle()

    def find_retry_delay_of_unknown_mapping(self, mapping: str, attempt: int) -> float | None:
        """Seconds until the next attempt of a job whose mapping this process does not know, as
        another process may have read the new configuration sooner; None to give up."""
        known = mapping in self.controller.contexts
        return None if known or attempt >= _UNHEARD_ATTEMPTS else _UNHEARD_PAUSE

    def find_repository(self, mapping: str) -> str:
        """The repository whose partitions a mapping's jobs go to."""
        context = self.controller.contexts.get(mapping)
        return context.forge.repository if context else mapping


def _current() -> DurableQueues:
    running = DurableQueues._running
    if running is None:
        raise RuntimeError("A job was started before the queues were.")
    return running


@DBOS.workflow(name="pass_on")
def _forward_job(mapping: str, branch: str, lane: str) -> None:
    with SetEnqueueOptions(queue_partition_key=lane):
        DBOS.enqueue_workflow(WORK_QUEUE, _reconcile_job, mapping, branch)


@DBOS.workflow(name="look_at")
def _reconcile_job(mapping: str, branch: str) -> None:
    queues, proposal = _current(), Proposal(mapping, branch)
    with queues.hold_controller() as controller:
        try:
            again = Reconciler(controller).reconcile(proposal)
            for released in controller.release_waiting_proposals(mapping):
                queues.enqueue_reconcile(released)
            queues.enqueue_evaluations(mapping, not_begun=True)
        except TransientError as error:  # the database does not answer
            log.warning("%s waits: %s", branch, error)
            again = error.retry_after or _DATABASE_PAUSE
    if again is not None:
        queues.enqueue_reconcile_after(proposal, again)


@DBOS.workflow(name="sweep")
def _resync_job(mapping: str, deduplication_key: str, attempt: int) -> None:
    queues = _current()
    with queues.hold_controller() as controller, span("sweep", mapping=mapping):
        again = ResyncRunner(controller).resync(
            mapping, queues.enqueue_reconcile, with_others=True, attempt=attempt
        )
        again = again or queues.find_retry_delay_of_unknown_mapping(mapping, attempt)
    if again is not None:
        queues.enqueue_resync_after(again, mapping, deduplication_key, attempt + 1)


@DBOS.workflow(name="errand")
def _repository_job(
    mapping: str, kind: str, about: str, deduplication_key: str, attempt: int
) -> None:
    queues, job = _current(), RepositoryJob(mapping, RepositoryJobKind(kind), about)
    with (
        queues.hold_controller() as controller,
        span(kind, mapping=mapping, delivery=parse_delivery_id(deduplication_key)),
    ):
        try:
            run = RepositoryJobRunner(controller, job, deduplication_key, attempt)
            again = run.run(queues.enqueue_reconcile)
            again = again or queues.find_retry_delay_of_unknown_mapping(mapping, attempt)
            if again is None and mapping not in controller.contexts:
                run.cancel()
            if job.kind is RepositoryJobKind.REVIEW:
                queues.enqueue_evaluations(mapping, not_begun=True)
        except TransientError as error:  # the database does not answer
            log.warning("%s of %s waits: %s", kind, mapping, error)
            again = error.retry_after or _DATABASE_PAUSE
    if again is not None:
        queues.enqueue_job(job, deduplication_key, attempt + 1, again)


def compute_partition_key(repository: str, branch: str) -> str:
    """The partition of a branch: always the same one of the repository's four."""
    return f"{repository} {zlib.crc32(branch.encode()) % _PARTITIONS}"


def compute_file_partition_key(repository: str) -> str:
    """The partition of resyncs and repository jobs, which create prompts of new files: two that run
    at once could both create a prompt of the same file."""
    return f"{repository} files"


def compute_evaluation_partition_key(repository: str) -> str:
    """The partition of evaluations: one job at a time starts and polls those of a repository."""
    return f"{repository} evaluations"
