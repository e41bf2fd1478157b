"""Run evaluations in PromptLayer: a report (its older kind) or a workflow.

Neither takes the version to evaluate as a parameter. A report evaluates the version of its prompt
column: the newest, a label's, or a fixed one. So the result is checked: an evaluation of another
prompt or version than the requested one is refused. A workflow receives ``prompt_name``,
``prompt_id``, ``prompt_version``, ``prompt_label`` and ``commit`` as input variables and has to use
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Protocol
from urllib.parse import quote

from bridge.config.mapping_settings import EvalsSettings
from bridge.errors import NotFoundError, RequestRefusedError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.result_polling import PollingPace, poll_until_found
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.evaluation_response_models import (
    EvaluationPageResponse,
    ReportResponse,
    ReportRunResponse,
    ReportScoreResponse,
    ReportSummary,
    ScoreDetails,
    WorkflowNodeResult,
    WorkflowResponse,
    WorkflowResultsResponse,
    WorkflowRunResponse,
)
from bridge.promptlayer.response_models import validate_response
from bridge.promptlayer.webhook_events import (
    AgentRunEvent,
    ReportEvent,
    UnknownWebhookEvent,
    WebhookEvent,
)
from bridge.prompts.prompt import Json, JsonObject
from bridge.prompts.pull_request.markdown import shorten

_LONGEST_NAME = 255  # characters of a report's name
_RUNS_PAGE = 100  # the most evaluations on one page of their list
CONTENT_VARIABLE = "prompt_template"  # the input variable for a prompt that is no version yet


@dataclass(frozen=True)
class EvaluationDefinition:
    """The newest version of an evaluation, as PromptLayer has it now."""

    version: int | None = None  # None: it has none
    inputs: frozenset[str] = frozenset()  # names of the input variables that it requires

    @property
    def takes_content(self) -> bool:
        """Whether it evaluates a prompt that is no version of PromptLayer."""
        return CONTENT_VARIABLE in self.inputs


class PromptLayerEvaluation(Protocol):
    """Something at PromptLayer that evaluates a prompt when asked."""

    @property
    def title(self) -> str:
        """Its kind and its name or number: ``workflow quality``."""

    @property
    def takes_version(self) -> bool:
        """Whether it evaluates a version that is chosen for it, so that it can evaluate the
        base's too."""

    def read_definition(self) -> EvaluationDefinition:
        """Its newest version. Raises NotFoundError where PromptLayer has no such evaluation."""

    def start(
        self,
        prompt: PromptReference,
        commit: str | None,
        *,
        version: int | None = None,
        content: JsonObject | None = None,
    ) -> int:
        """Start it in its ``version``, or the newest; the number of this execution. ``content`` is
        the prompt itself, where it is no version of PromptLayer."""

    def find_started(self, prompt: PromptReference, commit: str | None) -> int | None:
        """The newest execution that was started for the same prompt and commit, where the answer
        was lost; None where PromptLayer lists none."""

    def find_result(self, execution: int, prompt: PromptReference) -> EvaluationRun | None:
        """Find the result; None while it runs. Raises RequestRefusedError when it failed or
        evaluated something else."""

    def is_finished_by(self, execution: int, event: WebhookEvent | UnknownWebhookEvent) -> bool:
        """Whether an event reports that this execution may be finished."""


def evaluate_prompt(
    evaluation: PromptLayerEvaluation,
    prompt: PromptReference,
    *,
    commit: str | None = None,
    pace: PollingPace | None = None,
) -> EvaluationRun:
    """Start an evaluation and wait for its result. Raises the errors of PromptLayer's client,
    RequestRefusedError when the evaluation failed, and UnavailableError when it takes longer
    than the pace's patience."""
    started = datetime.now(UTC)
    execution = evaluation.start(prompt, commit)
    run = poll_until_found(
        lambda: evaluation.find_result(execution, prompt),
        pace or PollingPace(),
        f"PromptLayer's evaluation {execution} of {prompt.title}",
    )
    return replace(run, commit=commit, started_at=started)


def create_evaluation(
    settings: EvalsSettings, promptlayer: PromptLayerClient
) -> PromptLayerEvaluation | None:
    """The evaluation that a mapping names; None where it names none."""
    if settings.report_id is not None:
        return ReportEvaluation(promptlayer, settings.report_id)
    if settings.workflow is not None:
        return WorkflowEvaluation(promptlayer, settings.workflow)
    return None


class ReportEvaluation:
    """An evaluation pipeline of PromptLayer, by its number. Its scores are from 0 to 100."""

    takes_version = False

    def __init__(self, promptlayer: PromptLayerClient, report_id: int) -> None:
        self._promptlayer = promptlayer
        self._report_id = report_id

    @property
    def title(self) -> str:
        return f"evaluation {self._report_id}"

    def read_definition(self) -> EvaluationDefinition:
        return EvaluationDefinition()

    def start(
        self,
        prompt: PromptReference,
        commit: str | None,
        *,
        version: int | None = None,  # noqa: ARG002 - it has no versions
        content: JsonObject | None = None,  # noqa: ARG002 - its prompt column says what it evaluates
    ) -> int:
        body: JsonObject = {"name": _name_run(prompt, commit)}
        answer = self._promptlayer.send("POST", f"/reports/{self._report_id}/run", body)
        return validate_response(
            ReportRunResponse, answer, f"the run of evaluation {self._report_id}"
        ).report_id

    def find_started(self, prompt: PromptReference, commit: str | None) -> int | None:
        if commit is None:  # the name of such a run tells it from no other
            return None
        params = {"include_runs": "true", "per_page": _RUNS_PAGE}
        place = "/api/public/v2/evaluations"
        answer = self._promptlayer.send_with_status("GET", place, params=params).body
        listed = validate_response(EvaluationPageResponse, answer, "the list of evaluations")
        name = _name_run(prompt, commit)
        runs = [
            run for each in listed.evaluations if each.id == self._report_id for run in each.runs
        ]
        return max((run.id for run in runs if run.name == name), default=None)

    def find_result(self, execution: int, prompt: PromptReference) -> EvaluationRun | None:
        place, what = f"/reports/{execution}", f"evaluation {execution}"
        response = validate_response(ReportResponse, self._promptlayer.send("GET", place), what)
        if response.status == "RUNNING":
            return None
        if response.status != "COMPLETED":
            raise RequestRefusedError(
                f"PromptLayer's evaluation {self._report_id} ended as {response.status.lower()}: run it"
                " again when its pipeline works."
            )
        _check_what(response.report, prompt)
        answer = self._promptlayer.send("GET", f"{place}/score")
        score = validate_response(ReportScoreResponse, answer, f"the score of {what}").score
        if score.overall_score is None:
            raise RequestRefusedError(
                f"PromptLayer's evaluation {self._report_id} has no score: choose the columns "
                "that are part of its score card."
            )
        return EvaluationRun(
            f"PromptLayer's evaluation {self._report_id}",
            prompt,
            overall_score=_from_percent(score.overall_score),
            named_scores=_column_scores(score.details),
            note=_failed_cells(response.stats.status_counts),
        )

    def is_finished_by(self, execution: int, event: WebhookEvent | UnknownWebhookEvent) -> bool:
        # Whether the event carries the run's number or the pipeline's is not documented.
        numbers = (execution, self._report_id)
        return isinstance(event, ReportEvent) and event.details.report_id in numbers


def _name_run(prompt: PromptReference, commit: str | None) -> str:
    named = " ".join(filter(None, [prompt.title, prompt.version_text, (commit or "")[:10]]))
    return shorten(named, _LONGEST_NAME)


def _check_what(report: ReportSummary, prompt: PromptReference) -> None:
    evaluated, about = report.prompt_version_number, report.prompt_registry_id
    if None not in (about, prompt.id) and about != prompt.id:
        raise RequestRefusedError(
            f"PromptLayer evaluated prompt {about}, not {prompt.title} (prompt {prompt.id}): name"
            " an evaluation of this prompt in evals.report_id, or a workflow, which is told what"
            " to evaluate."
        )
    if evaluated is None or prompt.version in (None, evaluated):
        return
    raise RequestRefusedError(
        f"PromptLayer evaluated version {evaluated} of {prompt.title}, not version "
        f"{prompt.version}: let the evaluation's prompt column use the newest version, or the "
        "label that the version has."
    )


def _column_scores(details: ScoreDetails) -> dict[str, float]:
    found = {column.column_name: column.score for column in details.columns}
    if details.column_name is not None:
        found[details.column_name] = details.score
    return {name: _from_percent(score) for name, score in found.items() if score is not None}


def _failed_cells(counts: Mapping[str, int]) -> str | None:
    failed, total = counts.get("FAILED", 0), sum(counts.values())
    return f"{failed:,} of {total:,} cells could not be computed." if failed else None


def _from_percent(score: float) -> float:
    return min(max(score / 100, 0.0), 1.0)


class WorkflowEvaluation:
    """A workflow of PromptLayer whose output nodes say how good the prompt is: a number from 0 to
    1, true or false, or an object with ``score`` and maybe ``scores``. The score is their mean.

    ``name`` may be its number, too: PromptLayer does not find a name with a slash in it. ``label``
    chooses the workflow's version, the newest without.
    """

    takes_version = True

    def __init__(
        self, promptlayer: PromptLayerClient, name: str, *, label: str | None = None
    ) -> None:
        self._promptlayer = promptlayer
        self._name = name
        self._label = label

    @property
    def title(self) -> str:
        return f"workflow {self._name}"

    def read_definition(self) -> EvaluationDefinition:
        place = f"/workflows/{quote(self._name, safe='')}"
        params = {"label": self._label}
        try:
            answer = self._promptlayer.send_with_status("GET", place, params=params).body
        except NotFoundError:
            raise NotFoundError(
                f"PromptLayer has no workflow {self._name!r}: correct the name or number in the"
                " mapping's settings."
            ) from None
        found = validate_response(WorkflowResponse, answer, f"workflow {self._name!r}")
        return EvaluationDefinition(found.number, frozenset(found.required_input_variables or ()))

    def start(
        self,
        prompt: PromptReference,
        commit: str | None,
        *,
        version: int | None = None,
        content: JsonObject | None = None,
    ) -> int:
        fields = {
            "prompt_name": prompt.name,
            "prompt_id": prompt.id,
            "prompt_version": prompt.version,
            "prompt_label": prompt.label,
            "commit": commit,
            CONTENT_VARIABLE: content,
        }
        variables = {key: value for key, value in fields.items() if value is not None}
        return start_workflow(
            self._promptlayer, self._name, variables, version=version, label=self._label
        )

    def find_started(self, prompt: PromptReference, commit: str | None) -> int | None:  # noqa: ARG002
        return None  # PromptLayer has no list of executions

    def find_result(self, execution: int, prompt: PromptReference) -> EvaluationRun | None:
        nodes = find_workflow_results(self._promptlayer, execution)
        if nodes is None:
            return None
        found = {name: self._read(name, node) for name, node in nodes.items() if _counts(node)}
        if not found:
            raise RequestRefusedError(
                f"PromptLayer's workflow {self._name!r} has no output to read a score from."
            )
        measured = {name: score for name, (score, _) in found.items()} if len(found) > 1 else {}
        for _, named in found.values():
            measured.update(named)
        return EvaluationRun(
            f"PromptLayer's workflow {self._name}",
            prompt,
            overall_score=fmean(score for score, _ in found.values()),
            named_scores=measured,
        )

    def is_finished_by(self, execution: int, event: WebhookEvent | UnknownWebhookEvent) -> bool:
        return isinstance(event, AgentRunEvent) and event.details.agent_execution_id == execution

    def _read(self, name: str, node: WorkflowNodeResult) -> tuple[float, dict[str, float]]:
        """Read the score in one output node, and its named scores."""
        if problem := describe_node_failure(self._name, name, node):
            raise RequestRefusedError(problem)
        value = _meant(node.value)
        if not isinstance(value, dict):
            return self._score(name, value), {}
        named = value.get("scores")
        scores = named.items() if isinstance(named, dict) else ()
        measured = {each: self._score(f"{name}.{each}", score) for each, score in scores}
        return self._score(name, value.get("score", value.get("passed"))), measured

    def _score(self, place: str, value: Json) -> float:
        if isinstance(value, bool | int | float) and 0 <= value <= 1:
            return float(value)
        raise RequestRefusedError(
            f"PromptLayer's workflow {self._name!r} should say a score from 0 to 1, or true or "
            f"false, at {place!r}, not {shorten(repr(value), 60)}."
        )


def start_workflow(
    promptlayer: PromptLayerClient,
    name: str,
    variables: JsonObject,
    *,
    version: int | None = None,
    label: str | None = None,
) -> int:
    """Start a workflow in this ``version``, or the one with the ``label``, or the newest; the
    number of the execution."""
    body: JsonObject = {"input_variables": variables, "return_all_outputs": True}
    if version is not None:
        body["workflow_version_number"] = version
    elif label:
        body["workflow_label_name"] = label
    answer = promptlayer.send("POST", f"/workflows/{quote(name, safe='')}/run", body)
    run = validate_response(WorkflowRunResponse, answer, f"the run of workflow {name!r}")
    return run.workflow_version_execution_id


def find_workflow_results(
    promptlayer: PromptLayerClient, execution: int
) -> Mapping[str, WorkflowNodeResult] | None:
    """The nodes of a workflow's run by their names; None while it runs."""
    params = {"workflow_version_execution_id": execution, "return_all_outputs": "true"}
    answer = promptlayer.send_with_status(
        "GET", "/workflow-version-execution-results", params=params
    )
    if answer.status == 202:
        return None
    return validate_response(WorkflowResultsResponse, answer.body, f"workflow run {execution}").root


def describe_node_failure(workflow: str, name: str, node: WorkflowNodeResult) -> str | None:
    """The message about a node that did not succeed; None for one that did."""
    status = node.status.upper()
    if status in ("SUCCESS", "SKIPPED"):
        return None
    if status.startswith("CANCEL"):
        return f"PromptLayer's workflow {workflow!r} was cancelled at {name!r}: run it again."
    why = (node.error_message or node.status.lower()).rstrip(".")
    return f"PromptLayer's workflow {workflow!r} failed at {name!r}: {why}."


def _counts(node: WorkflowNodeResult) -> bool:
    """Output nodes do, unless the workflow took another way; failures do wherever they are."""
    status = node.status.upper()
    ended_early = status.startswith(("FAIL", "CANCEL"))
    return ended_early or (node.is_output_node and status != "SKIPPED")


def _meant(value: Json) -> Json:
    """Nodes give text where they mean numbers and objects."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
