"""Ask for evaluations and workflows: of heads that a reconcile or a review found, of merges, and again
when PromptLayer says that one may be over."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.engine.controller import BridgeController
from bridge.engine.evaluation_store import (
    EvaluationPurpose,
    EvaluationRequest,
    EvaluationStore,
)
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind
from bridge.errors import MalformedPayloadError
from bridge.forge.forge import PullRequestState
from bridge.promptlayer.webhook_events import AgentRunEvent, ReportEvent
from bridge.promptlayer.workspace_source import is_promptlayer_source
from bridge.prompts.planning.outcome import ReconcileOutcome
from bridge.reconcile.mapping_context import MappingContext
from bridge.storage.inbox import Delivery

RUN_EVENTS = ("agent_run_finished", "report_finished")  # types of PromptLayer's events about runs


def request_evaluations(
    controller: BridgeController, context: MappingContext, outcome: ReconcileOutcome
) -> None:
    """Store what a reconcile's outcome asks for, before the outcome itself is stored: the
    evaluation of an open pull request's head, and the workflow that a merge starts."""
    mapping, store = context.mapping, controller.store.evaluations
    if mapping.evals.is_started_for("proposal") and outcome.number and outcome.commit:
        store.request(
            EvaluationRequest(
                mapping.name, EvaluationPurpose.PROPOSAL, outcome.number, outcome.commit
            )
        )
    decided = outcome.decided_pull_request
    if decided is None or decided.state is not PullRequestState.MERGED:
        return
    if mapping.on_merge is None or mapping.on_merge.workflow is None:
        return
    # Merges of before the workflow was set, or before the bridge had this database, start nothing.
    statuses = controller.store.target_statuses.find_by_pull_request(mapping.name, decided.number)
    if any(status.has_open_pull_request for status in statuses):
        store.request(EvaluationRequest(mapping.name, EvaluationPurpose.MERGE, decided.number, ""))


def request_evaluation_of_pull_request(
    controller: BridgeController, context: MappingContext, number: int
) -> None:
    """Store that the head of an engineer's pull request is to be evaluated. One from a fork is not:
    anybody can open it."""
    pull = context.forge.find_pull_request(number)
    if pull is None or pull.state is not PullRequestState.OPEN or pull.is_from_fork:
        return
    if pull.base_branch == context.base_branch:
        controller.store.evaluations.request(
            EvaluationRequest(
                context.mapping.name, EvaluationPurpose.PULL_REQUEST, number, pull.head_commit
            )
        )


def build_evaluation_jobs(
    delivery: Delivery, contexts: Mapping[str, MappingContext], store: EvaluationStore
) -> tuple[RepositoryJob, ...]:
    """The jobs that poll what PromptLayer's delivery says may be over; none for other deliveries."""
    if not is_promptlayer_source(delivery.source):
        return ()
    try:
        event = delivery.parse_event()
    except MalformedPayloadError:
        return ()
    if isinstance(event, AgentRunEvent):
        woken = store.find_requests_of_executions([event.details.agent_execution_id])
    elif isinstance(event, ReportEvent):
        # Whether the event carries the run's number or the pipeline's is not documented.
        number = event.details.report_id
        woken = store.find_requests_of_executions([number])
        woken += store.find_requests_of_evaluation(f"evaluation {number}")
    else:
        return ()
    return tuple(
        RepositoryJob(request.mapping, RepositoryJobKind.EVALUATION_EVENT, request.job_argument)
        for request in dict.fromkeys(woken)
        if (context := contexts.get(request.mapping)) is not None
        and context.mapping.source == delivery.source
    )
