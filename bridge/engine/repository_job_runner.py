"""Run one repository job: handle a push to the base branch, comment on a person's pull request, or
evaluate a head. Its result is stored with the delivery that asked for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bridge.engine.controller import BridgeController
from bridge.engine.evaluation_job import run_evaluation_job
from bridge.engine.evaluation_requests import request_evaluation_of_pull_request
from bridge.engine.failures import describe_exception
from bridge.engine.push_jobs import PushArgument, read_push_changes, record_push_changes
from bridge.engine.reconciler import PAUSED_MAPPING_DELAY
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind
from bridge.engine.resync import ResyncRunner
from bridge.errors import BridgeError, StaleStateError, TransientError
from bridge.prompts.target import Proposal
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.review_comment import write_review_comment
from bridge.storage.backoff import compute_backoff_delay

log = logging.getLogger("bridge.worker")

Enqueue = Callable[[Proposal], None]


@dataclass(frozen=True)
class RepositoryJobRunner:
    controller: BridgeController
    job: RepositoryJob
    deduplication_key: str  # of the delivery
    attempt: int = 0  # how many attempts failed before

    def run(self, enqueue: Enqueue) -> float | None:
        """Run the job. Returns after how many seconds to try again; None when it is settled."""
        job, records = self.job, self.controller.store.repository_jobs
        context = self.controller.contexts.get(job.mapping)
        if context is None:  # another process may have read the new configuration sooner
            message = f"no mapping {job.mapping} is known here"
            records.postpone(job, self.deduplication_key, message)
            return None
        if context.mapping.pause and job.kind is RepositoryJobKind.REVIEW:
            records.postpone(job, self.deduplication_key, context.mapping.explain_pause())
            return PAUSED_MAPPING_DELAY
        try:
            again = self._apply(context, enqueue)
        except TransientError as error:
            log.warning("%s of %s waits: %s", job.kind, job.mapping, error)
            records.postpone(job, self.deduplication_key, str(error))
            return compute_backoff_delay(self.attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("%s of %s: %s", job.kind, job.mapping, error)
            records.record_result(job, self.deduplication_key, str(error))
            return None
        except Exception as error:  # a bug must not lose the job
            return self._fail(error)
        self.controller.failures.resolve(job.mapping, job.kind)
        if again is None:
            records.record_result(job, self.deduplication_key)
        return again

    def cancel(self) -> None:
        """Settle the job with the problem that its mapping is gone."""
        message = f"There is no mapping {self.job.mapping} any more."
        self.controller.store.repository_jobs.record_result(
            self.job, self.deduplication_key, message
        )

    def _fail(self, error: Exception) -> float | None:
        job, records = self.job, self.controller.store.repository_jobs
        again = self.controller.failures.record(job.mapping, job.kind, error)
        note = records.record_result if again is None else records.postpone
        note(job, self.deduplication_key, describe_exception(error))
        return again

    def _review(self, context: MappingContext, number: int) -> None:
        controller = self.controller
        if context.mapping.publish:
            write_review_comment(context, controller.file_index, number, controller.clock())
        if context.mapping.evals.is_started_for("pull_request"):
            request_evaluation_of_pull_request(controller, context, number)

    def _apply(self, context: MappingContext, enqueue: Enqueue) -> float | None:
        controller, job = self.controller, self.job
        if job.is_evaluation:
            again = run_evaluation_job(controller, context, job.argument, self.attempt)
            return again if job.kind is RepositoryJobKind.EVALUATION else None
        if job.kind is RepositoryJobKind.REVIEW:
            self._review(context, int(job.argument))
            return None
        push = PushArgument.parse(job.argument)
        if push.branch != context.base_branch:
            return None
        try:
            push_changes = (
                read_push_changes(context, controller.file_index, push.before)
                if push.before
                else None
            )
        except StaleStateError:  # the forge no longer has the commit before
            push_changes = None
        if push_changes is None:
            return ResyncRunner(controller).resync(job.mapping, enqueue, attempt=self.attempt)
        if controller.release_confirmer is not None:
            controller.release_confirmer.request_targets(
                job.mapping,
                push_changes.targets,
                is_complete=bool(push_changes.deleted_targets) and not push_changes.mistakes,
            )
        ResyncRunner(controller).create_prompts(context, push_changes)
        for proposal in record_push_changes(
            controller.store, context, push_changes, controller.file_index
        ):
            enqueue(proposal)
        return None
