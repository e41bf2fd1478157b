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
from dataclasses import replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Protocol
from urllib.parse import quote

from bridge.errors import RequestRefusedError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.result_polling import PollingPace, poll_until_found
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.evaluation_response_models import (
    ReportResponse,
    ReportRunResponse,
    ReportScoreResponse,
    ReportSummary,
    ScoreDetails,
    WorkflowNodeResult,
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


class PromptLayerEvaluation(Protocol):
    """Something at PromptLayer that evaluates a prompt when asked."""

    @property
    def takes_version(self) -> bool:
        """Whether it evaluates a version that is chosen for it, so that it can evaluate the
        base's too."""

    def start(self, prompt: PromptReference, commit: str | None) -> int:
        """Start it; the number of this execution."""

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


class ReportEvaluation:
    """An evaluation pipeline of PromptLayer, by its number. Its scores are from 0 to 100."""

    takes_version = False

    def __init__(self, promptlayer: PromptLayerClient, report_id: int) -> None:
        self._promptlayer = promptlayer
        self._report_id = report_id

    def start(self, prompt: PromptReference, commit: str | None) -> int:
        named = " ".join(filter(None, [prompt.title, prompt.version_text, (commit or "")[:10]]))
        body = {"name": shorten(named, _LONGEST_NAME)}
        answer = self._promptlayer.send("POST", f"/reports/{self._report_id}/run", body)
        return validate_response(
            ReportRunResponse, answer, f"the run of evaluation {self._report_id}"
        ).report_id

    def find_result(self, execution: int, prompt: PromptReference) -> EvaluationRun | None:
        place, what = f"/reports/{execution}", f"evaluation {execution}"
        response = validate_response(ReportResponse, self._promptlayer.send("GET", place), what)
        if response.status == "RUNNING":
            return None
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

    def start(self, prompt: PromptReference, commit: str | None) -> int:
        fields = {
            "prompt_name": prompt.name,
            "prompt_id": prompt.id,
            "prompt_version": prompt.version,
            "prompt_label": prompt.label,
            "commit": commit,
        }
        variables = {key: value for key, value in fields.items() if value is not None}
        body: JsonObject = {"input_variables": variables, "return_all_outputs": True}
        if self._label:
            body["workflow_label_name"] = self._label
        answer = self._promptlayer.send(
            "POST", f"/workflows/{quote(self._name, safe='')}/run", body
        )
        run = validate_response(WorkflowRunResponse, answer, f"the run of workflow {self._name!r}")
        return run.workflow_version_execution_id

    def find_result(self, execution: int, prompt: PromptReference) -> EvaluationRun | None:
        params = {"workflow_version_execution_id": execution, "return_all_outputs": "true"}
        answer = self._promptlayer.send_with_status(
            "GET", "/workflow-version-execution-results", params=params
        )
        if answer.status == 202:
            return None
        nodes = validate_response(
            WorkflowResultsResponse, answer.body, f"workflow run {execution}"
        ).root
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
        if node.status.upper() != "SUCCESS":
            why = (node.error_message or node.status.lower()).rstrip(".")
            raise RequestRefusedError(
                f"PromptLayer's workflow {self._name!r} failed at {name!r}: {why}."
            )
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


def _counts(node: WorkflowNodeResult) -> bool:
    """Output nodes do, unless the workflow took another way; failures do wherever they are."""
    status = node.status.upper()
    return status.startswith("FAIL") or (node.is_output_node and status != "SKIPPED")


def _meant(value: Json) -> Json:
    """Nodes give text where they mean numbers and objects."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
