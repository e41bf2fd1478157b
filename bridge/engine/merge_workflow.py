"""The workflow that a merge starts in PromptLayer (``on_merge.workflow``): once, and its end in a comment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.engine.controller import BridgeController
from bridge.engine.evaluation_store import (
    EvaluationRequest,
    EvaluationStore,
    PlannedRun,
    RequestProgress,
    StartedRun,
)
from bridge.errors import BridgeError, TransientError
from bridge.evals.promptlayer_evaluations import (
    WorkflowEvaluation,
    describe_node_failure,
    find_workflow_results,
    start_workflow,
)
from bridge.evals.pull_request_feedback import find_proposed_prompts
from bridge.forge.forge import PullRequest
from bridge.promptlayer.evaluation_response_models import WorkflowNodeResult
from bridge.prompts.prompt import JsonObject
from bridge.prompts.pull_request.markdown import escape_prose, format_code_span, shorten
from bridge.reconcile.mapping_context import MappingContext
from bridge.status.history_events import HistoryEvent, HistoryEventKind, index_by_event_id

COMMENT_MARKER = "promptlayer-bridge-workflow"
MERGE_TIMEOUT = timedelta(hours=24)  # after which nobody waits for a workflow's end
_LONGEST_OUTPUT = 200  # characters of an output that the comment shows


@dataclass(frozen=True)
class MergeWorkflow:
    """The workflow of one merge."""

    controller: BridgeController
    context: MappingContext
    request: EvaluationRequest

    def process(self, progress: RequestProgress) -> bool:
        """Take every step that can be taken now; whether the request is settled."""
        settings = self.context.mapping.on_merge
        pull = self.context.forge.find_pull_request(self.request.number)
        if settings is None or settings.workflow is None or pull is None:
            self.store.close_request(self.request, "the settings no longer ask for it")
            return True
        is_overdue = self.controller.clock() - progress.requested_at > MERGE_TIMEOUT
        try:
            run = self._plan(settings.workflow, progress)
            execution = run.execution_id or self._start(run, settings.workflow, pull)
            nodes = find_workflow_results(self.context.promptlayer, execution)
        except TransientError:
            if not is_overdue:
                raise
            nodes = None
        except BridgeError as error:
            return self._report(pull, settings.workflow, str(error))
        if nodes is not None:
            return self._report(
                pull, settings.workflow, _find_failure(settings.workflow, nodes), nodes
            )
        if is_overdue:
            hours = MERGE_TIMEOUT.total_seconds() / 3600
            return self._report(
                pull, settings.workflow, f"It was not finished after {hours:g} hours."
            )
        return False

    @property
    def store(self) -> EvaluationStore:
        return self.controller.store.evaluations

    def _plan(self, workflow: str, progress: RequestProgress) -> StartedRun:
        """The one run of the merge, stored before it is started."""
        if progress.begun_at is None:
            evaluation = WorkflowEvaluation(self.context.promptlayer, workflow)
            version = evaluation.read_definition().version or 0
            self.store.add_runs(self.request, [PlannedRun(evaluation.title, version, 0, 0)])
        return self.store.find_runs(self.request)[0]

    def _start(self, run: StartedRun, workflow: str, pull: PullRequest) -> int:
        self.store.claim_run(self.request, run)
        execution = start_workflow(
            self.context.promptlayer,
            workflow,
            self._build_variables(pull),
            version=run.evaluation_version or None,
        )
        self.store.record_execution(self.request, run, execution)
        return execution

    def _build_variables(self, pull: PullRequest) -> JsonObject:
        """The settings' input variables, and what was merged; of the same name, the settings'."""
        prompts = find_proposed_prompts(pull, self.context.promptlayer)
        merged: JsonObject = {
            "pull_request": pull.url,
            "commit": pull.merge_commit or pull.head_commit,
            "prompts": [
                {"id": one.id, "name": one.name, "version": one.version, "label": one.label}
                for one in prompts
            ],
        }
        if len(prompts) == 1:
            merged |= {f"prompt_{key}": value for key, value in merged["prompts"][0].items()}
        given = self.context.mapping.on_merge.input if self.context.mapping.on_merge else {}
        return {**merged, **given}

    def _report(
        self,
        pull: PullRequest,
        workflow: str,
        problem: str | None,
        nodes: Mapping[str, WorkflowNodeResult] | None = None,
    ) -> bool:
        """Tell the workflow's end on the pull request and on its prompts, and settle."""
        name = format_code_span(workflow)
        if problem is not None:
            words = f"**Workflow {name}, started by this merge, did not succeed.** {escape_prose(problem)}"
        else:
            words = f"**Workflow {name}, started by this merge, is finished.**"
        outputs = _render_outputs(nodes or {})
        self.context.forge.upsert_comment(
            pull.number, COMMENT_MARKER, "\n\n".join(filter(None, [words, outputs]))
        )
        outcome = problem or f"workflow {workflow} is finished"
        self._record_history(pull, outcome)
        for run in self.store.find_runs(self.request):
            self.store.finish_run(self.request, run, problem)
        self.store.close_request(self.request, outcome)
        return True

    def _record_history(self, pull: PullRequest, text: str) -> None:
        statuses = self.controller.store.target_statuses.find_by_pull_request(
            self.request.mapping, pull.number
        )
        told = [
            (
                HistoryEvent(
                    HistoryEventKind.WORKFLOW_FINISHED,
                    status.mapping,
                    status.prompt_id,
                    status.label,
                    self.controller.clock(),
                    text=text,
                    number=pull.number,
                    url=pull.url,
                ),
                (pull.number,),
            )
            for status in statuses
        ]
        self.controller.store.request((), index_by_event_id(told))


def _find_failure(workflow: str, nodes: Mapping[str, WorkflowNodeResult]) -> str | None:
    failures = (describe_node_failure(workflow, name, node) for name, node in nodes.items())
    return next(filter(None, failures), None)


def _render_outputs(nodes: Mapping[str, WorkflowNodeResult]) -> str:
    """The values of the output nodes, shortened."""
    shown = [
        f"- {format_code_span(name)}: {format_code_span(shorten(_to_text(node.value), _LONGEST_OUTPUT))}"
        for name, node in nodes.items()
        if node.is_output_node and node.status.upper() == "SUCCESS" and node.value is not None
    ]
    return "\n".join(shown)


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
