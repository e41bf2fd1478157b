"""Evaluate one head of a pull request: store what has to run, start it, poll it, report the results.

Every step may be interrupted and is taken up by the next call: what is stored is not started twice.
Only where PromptLayer's answer to a start was lost, a workflow is started again: PromptLayer lists no
executions. A report's runs are listed, so that one that was started is found by its name.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bridge.engine.controller import BridgeController
from bridge.engine.evaluation_plan import EvaluationPlan, plan_evaluation
from bridge.engine.evaluation_store import (
    SUPERSEDED,
    EvaluationPurpose,
    EvaluationRequest,
    EvaluationStore,
    RequestProgress,
    StartedRun,
    parse_job_argument,
)
from bridge.engine.merge_workflow import MergeWorkflow
from bridge.errors import BridgeError, TransientError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.promptlayer_evaluations import PromptLayerEvaluation, create_evaluation
from bridge.evals.pull_request_feedback import (
    COMMENT_MARKER,
    STATUS_NAME,
    WAITING_TEXT,
    EvaluationProblem,
    JudgedRun,
    judge_single_run,
    publish_results,
)
from bridge.evals.verdict_report import EvaluationThreshold, render_status_text
from bridge.forge.forge import PullRequest, PullRequestState, StatusState
from bridge.prompts.pull_request.markdown import escape_prose
from bridge.reconcile.mapping_context import MappingContext
from bridge.status.history_events import HistoryEvent, HistoryEventKind, index_by_event_id
from bridge.status.target_status import IdentifiedEvent

log = logging.getLogger("bridge.worker")

_POLL_INTERVALS = ((12, 5.0), (40, 15.0))  # so many polls at most, each after so many seconds
_LONGEST_INTERVAL = 60.0  # seconds
NO_VERSION_TEXT = "Nothing to evaluate: no version of a prompt is proposed."


def run_evaluation_job(
    controller: BridgeController, context: MappingContext, argument: str, attempt: int
) -> float | None:
    """Do what can be done now for the request with this ``job_argument``. Returns after how many
    seconds to call it again, None when the request is settled."""
    request = parse_job_argument(context.mapping.name, argument)
    progress = controller.store.evaluations.find_progress(request)
    if progress is None or progress.settled_at is not None:
        return None
    step = (
        MergeWorkflow(controller, context, request)
        if request.purpose is EvaluationPurpose.MERGE
        else HeadEvaluation(controller, context, request)
    )
    try:
        is_settled = step.process(progress)
    except TransientError as error:
        log.warning("%s of %s waits: %s", argument, request.mapping, error)
        return max(compute_poll_interval(attempt), error.retry_after or 0.0)
    except BridgeError as error:
        controller.store.evaluations.close_request(request, str(error))
        raise
    return None if is_settled else compute_poll_interval(attempt)


def compute_poll_interval(attempt: int) -> float:
    """Seconds until the next poll: growing, as events wake a poll earlier."""
    for most, interval in _POLL_INTERVALS:
        if attempt < most:
            return interval
    return _LONGEST_INTERVAL


@dataclass(frozen=True)
class HeadEvaluation:
    """The evaluation of one head."""

    controller: BridgeController
    context: MappingContext
    request: EvaluationRequest

    def process(self, progress: RequestProgress) -> bool:
        """Take every step that can be taken now; whether the request is settled."""
        settings = self.context.mapping.evals
        evaluation = create_evaluation(settings, self.context.promptlayer)
        of_proposal = self.request.purpose is EvaluationPurpose.PROPOSAL
        wanted = settings.is_started_for("proposal" if of_proposal else "pull_request")
        if evaluation is None or not wanted:
            self.store.close_request(self.request, "the settings no longer ask for it")
            return True
        is_overdue = self.controller.clock() - progress.requested_at > settings.timeout
        try:
            if progress.begun_at is None:
                if not self._is_head:
                    return self._wait_for_head(is_overdue=is_overdue)
                if not self._begin(evaluation):
                    return True
            for run in self.store.find_runs(self.request):
                if run.finished_at is None:
                    self._advance_run(evaluation, run, is_overdue=is_overdue)
            runs = self.store.find_runs(self.request)
            if any(run.finished_at is None for run in runs):
                return False
            if not self._is_head:
                return self._wait_for_head(is_overdue=is_overdue)
            return self._report(evaluation, runs)
        except TransientError:
            raise
        except BridgeError as error:
            return self._report_failure(str(error))

    @property
    def store(self) -> EvaluationStore:
        return self.controller.store.evaluations

    @cached_property
    def _pull_request(self) -> PullRequest | None:
        """The pull request, if it is open."""
        pull = self.context.forge.find_pull_request(self.request.number)
        return pull if pull is not None and pull.state is PullRequestState.OPEN else None

    @property
    def _is_head(self) -> bool:
        pull = self._pull_request
        return pull is not None and pull.head_commit == self.request.commit

    def _wait_for_head(self, *, is_overdue: bool) -> bool:
        """The forge may not know the commit yet, or the bridge not the next one: whether to give up."""
        if self._pull_request is not None and not is_overdue:
            return False
        self.store.close_request(self.request, SUPERSEDED)
        return True

    def _begin(self, evaluation: PromptLayerEvaluation) -> bool:
        """Store the runs that the head needs; whether there are any."""
        pull = self._pull_request
        assert pull is not None
        plan = plan_evaluation(
            self.controller, self.context, evaluation, pull, self.request.purpose
        )
        if not plan.runs:
            self._report_nothing(plan)
            return False
        self._set_status(StatusState.PENDING, WAITING_TEXT)
        self.store.add_runs(self.request, plan.runs)
        return True

    def _advance_run(
        self, evaluation: PromptLayerEvaluation, run: StartedRun, *, is_overdue: bool
    ) -> None:
        try:
            execution = run.execution_id or self._start(evaluation, run)
            found = evaluation.find_result(execution, run.prompt)
        except TransientError:
            if not is_overdue:
                raise
            found = None
        except BridgeError as error:
            self.store.finish_run(self.request, run, str(error))
            return
        if found is not None:
            self.store.finish_run(self.request, run)
        elif is_overdue:
            minutes = self.context.mapping.evals.timeout.total_seconds() / 60
            self.store.finish_run(
                self.request,
                run,
                f"PromptLayer's {run.evaluation} was not finished after {minutes:g} minutes: see"
                " what it does there, or raise evals.timeout.",
            )

    def _start(self, evaluation: PromptLayerEvaluation, run: StartedRun) -> int:
        commit = None if run.is_base else self.request.commit
        found = evaluation.find_started(run.prompt, commit) if run.claimed_at else None
        if found is None:
            self.store.claim_run(self.request, run)
            found = evaluation.start(
                run.prompt,
                commit,
                version=run.evaluation_version or None,
                content=run.content,
            )
        self.store.record_execution(self.request, run, found)
        return found

    def _report(self, evaluation: PromptLayerEvaluation, runs: Sequence[StartedRun]) -> bool:
        """Tell what came out."""
        pull = self._pull_request
        assert pull is not None
        results = self._judge(evaluation, runs)
        problems = [
            EvaluationProblem(run.prompt, run.problem)
            for run in runs
            if run.problem is not None and not run.is_base
        ]
        text = publish_results(self.context.forge, self.request.commit, pull, results, problems)
        self._record_history(pull, results, problems)
        self.store.close_request(self.request, text)
        return True

    def _judge(
        self, evaluation: PromptLayerEvaluation, runs: Sequence[StartedRun]
    ) -> list[JudgedRun]:
        settings = self.context.mapping.evals
        threshold = EvaluationThreshold(settings.minimum, settings.drop)
        found = [(run, self._read_result(evaluation, run)) for run in runs if run.problem is None]
        by_version = {(run.prompt_id, run.prompt_version): made for run, made in found}
        return [
            judge_single_run(
                made, by_version.get((run.prompt_id, run.base_version or 0)), threshold
            )
            for run, made in found
            if not run.is_base
        ]

    def _read_result(self, evaluation: PromptLayerEvaluation, run: StartedRun) -> EvaluationRun:
        assert run.execution_id is not None
        found = evaluation.find_result(run.execution_id, run.prompt)
        assert found is not None
        return replace(found, commit=self.request.commit, started_at=run.claimed_at)

    def _report_nothing(self, plan: EvaluationPlan) -> None:
        """Say why there is nothing to evaluate, where somebody may wait for it."""
        if plan.reason is not None:
            self._comment(plan.reason)
        if self.context.mapping.evals.required and plan.changes_prompts:
            if plan.reason is None:
                self._set_status(StatusState.SUCCESS, NO_VERSION_TEXT)
            else:
                self._set_status(StatusState.ERROR, plan.reason)
        self.store.close_request(self.request, plan.reason or NO_VERSION_TEXT)

    def _report_failure(self, problem: str) -> bool:
        """Say that no evaluation can be started, and why."""
        if self._pull_request is not None:
            self._set_status(StatusState.ERROR, problem)
            self._comment(problem)
        self.store.close_request(self.request, problem)
        return True

    def _set_status(self, state: StatusState, text: str) -> None:
        self.context.forge.set_commit_status(self.request.commit, STATUS_NAME, state, text, None)

    def _comment(self, text: str) -> None:
        words = f"**No evaluation.** {escape_prose(text)}"
        self.context.forge.upsert_comment(self.request.number, COMMENT_MARKER, words)

    def _record_history(
        self,
        pull: PullRequest,
        results: Sequence[JudgedRun],
        problems: Sequence[EvaluationProblem],
    ) -> None:
        told = [
            self._build_event(pull, one.run.prompt, render_status_text(one.run, one.verdict))
            for one in results
        ]
        told += [self._build_event(pull, each.prompt, each.text) for each in problems]
        self.controller.store.request((), index_by_event_id(told))

    def _build_event(
        self, pull: PullRequest, prompt: PromptReference, text: str
    ) -> IdentifiedEvent:
        event = HistoryEvent(
            HistoryEventKind.EVALUATED,
            self.request.mapping,
            prompt.id or 0,
            prompt.label,
            self.controller.clock(),
            text=text,
            version=prompt.version,
            number=pull.number,
            url=pull.url,
            branch=pull.head_branch,
        )
        return event, (pull.number, self.request.commit, prompt.version, text)
