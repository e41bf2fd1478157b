"""Run one errand: follow a push, review somebody's pull request, or evaluate a head. Its delivery says
what came of it, and is not done before the errand is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bridge.engine.controller import BridgeController
from bridge.engine.evaluation_job import run_evaluation_job
from bridge.engine.evaluation_requests import request_evaluation_of_pull_request
from bridge.engine.failures import describe_exception
from bridge.engine.pushes import Push, follow_push, note_followed
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
class ErrandRun:
    controller: BridgeController
    job: RepositoryJob
    occasion: str  # of the delivery
    attempt: int = 0  # how often it was tried before

    def run(self, enqueue: Enqueue) -> float | None:
        """Returns after how many seconds to try again, None when it is over."""
        job, records = self.job, self.controller.store.errands
        context = self.controller.contexts.get(job.mapping)
        if context is None:  # another process may have heard of it sooner
            words = f"no mapping {job.mapping} is known here"
            records.postpone(job, self.occasion, words)
            return None
        try:
            again = self._carry_out(context, enqueue)
        except TransientError as error:
            log.warning("%s of %s waits: %s", job.kind, job.mapping, error)
            records.postpone(job, self.occasion, str(error))
            return compute_backoff_delay(self.attempt + 1, error.retry_after)
        except BridgeError as error:
            log.error("%s of %s: %s", job.kind, job.mapping, error)
            records.settle(job, self.occasion, str(error))
            return None
        except Exception as error:  # a mistake of ours must not lose the errand
            return self._fail(error)
        self.controller.failures.mend(job.mapping, job.kind)
        if again is None:
            records.settle(job, self.occasion)
        return again

    def abandon(self) -> None:
        """Nobody knows the errand's mapping any more."""
        words = f"There is no mapping {self.job.mapping} any more."
        self.controller.store.errands.settle(self.job, self.occasion, words)

    def _fail(self, error: Exception) -> float | None:
        job, records = self.job, self.controller.store.errands
        again = self.controller.failures.record(job.mapping, job.kind, error)
        note = records.settle if again is None else records.postpone
        note(job, self.occasion, describe_exception(error))
        return again

    def _review(self, context: MappingContext, number: int) -> None:
        controller = self.controller
        if context.mapping.publish:
            write_review_comment(context, controller.file_index, number, controller.clock())
        if context.mapping.evals.is_started_for("pull_request"):
            request_evaluation_of_pull_request(controller, context, number)

    def _carry_out(self, context: MappingContext, enqueue: Enqueue) -> float | None:
        controller, job = self.controller, self.job
        if job.is_evaluation:
            again = run_evaluation_job(controller, context, job.argument, self.attempt)
            return again if job.kind is RepositoryJobKind.EVALUATION else None
        if job.kind is RepositoryJobKind.REVIEW:
            self._review(context, int(job.argument))
            return None
        push = Push.of(job.argument)
        if push.branch != context.base_branch:
            return None
        try:
            push_changes = (
                follow_push(context, controller.file_index, push.before) if push.before else None
            )
        except StaleStateError:  # the commit before is not to be had
            push_changes = None
        if push_changes is None:
            return ResyncRunner(controller).resync(job.mapping, enqueue, attempt=self.attempt)
        ResyncRunner(controller).create_prompts(context, push_changes)
        for proposal in note_followed(
            controller.store, context, push_changes, controller.file_index
        ):
            enqueue(proposal)
        return None
