"""Evaluations that PromptLayer runs, over real HTTP against the stand-in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bridge.errors import NotFoundError, RequestRefusedError, UnavailableError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.promptlayer_evaluations import (
    PromptLayerEvaluation,
    ReportEvaluation,
    WorkflowEvaluation,
    evaluate_prompt,
)
from bridge.evals.result_polling import PollingPace
from bridge.promptlayer.webhook_events import parse_event
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template
from tests.integration.evals.evaluation_workspace import QUICK, EvaluationWorkspace
from tests.standins.fault_injection import status

REPLY = PromptReference("support/reply", id=1, version=2)
DEADLINE = 20.0  # seconds


# Reports


def test_a_report_is_run_and_its_scores_are_from_0_to_1(workspace: EvaluationWorkspace) -> None:
    columns = {"Accuracy": 90.0, "Tone": 80.0}
    report = workspace.evaluations.add_report("Regression", 87.5, columns=columns, prompt_id=1)

    run = evaluate_prompt(
        ReportEvaluation(workspace.client, report), REPLY, commit="5f75327", pace=QUICK
    )

    assert run.score == 0.875
    assert run.scores == {"Accuracy": 0.9, "Tone": 0.8}
    assert (run.prompt, run.commit, run.note) == (REPLY, "5f75327", None)
    assert run.started_at is not None
    (execution,) = workspace.evaluations.report_runs.values()
    assert execution.name == "support/reply version 2 5f75327"


def test_the_score_of_a_single_column_is_read(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", 50.0, columns={"Accuracy": 50.0})

    run = evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK)

    assert run.scores == {"Accuracy": 0.5}


def test_cells_that_failed_are_noted(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", 50.0, failed_cells=3)

    run = evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK)

    assert run.note == "3 of 10 cells could not be computed."


def test_an_evaluation_of_another_version_is_refused(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", 99.0, prompt_id=1, label="prod")

    with pytest.raises(
        RequestRefusedError, match=r"evaluated version 1 of support/reply, not version 2"
    ):
        evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK)


def test_an_evaluation_of_another_prompt_is_refused(workspace: EvaluationWorkspace) -> None:
    other = workspace.registry.save_version(
        "support/other", build_chat_template(("system", "Hello."))
    ).prompt_id
    report = workspace.evaluations.add_report("Regression", 99.0, prompt_id=other)

    with pytest.raises(
        RequestRefusedError, match=rf"evaluated prompt {other}, not support/reply \(prompt 1\)"
    ):
        evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK)


def test_a_report_without_a_score_is_refused(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", None)

    with pytest.raises(RequestRefusedError, match="has no score: choose the columns"):
        evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK)


def test_an_unknown_report_is_told_in_promptlayers_words(workspace: EvaluationWorkspace) -> None:
    with pytest.raises(NotFoundError, match=r"Report 99 not found"):
        evaluate_prompt(ReportEvaluation(workspace.client, 99), REPLY, pace=QUICK)


def test_a_bad_moment_while_waiting_is_waited_out(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", 50.0)
    workspace.faults.add("GET /reports/", status(503), times=2)

    assert (
        evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK).score == 0.5
    )


def test_an_answer_in_another_shape_is_told(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", 50.0)
    workspace.faults.add("POST /reports/", status(201, {"id": 5}))

    with pytest.raises(UnavailableError, match=r"not in the documented shape \(report_id\)"):
        evaluate_prompt(ReportEvaluation(workspace.client, report), REPLY, pace=QUICK)


# Waiting by webhook


class Woken(threading.Event):
    """Tells when somebody began to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_for.set()
        return super().wait(timeout)


def released_by_webhook(
    workspace: EvaluationWorkspace, evaluation: PromptLayerEvaluation
) -> EvaluationRun:
    """The run of an evaluation that is released while it is waited for, with polls so far apart
    that only its event can end the wait."""
    woken, heard = Woken(), list[JsonObject]()
    workspace.evaluations.hold_runs()

    def hear(payload: JsonObject) -> None:
        if any(
            evaluation.is_finished_by(execution, parse_event(payload)) for execution in executions()
        ):
            heard.append(payload)
            woken.set()

    def executions() -> list[int]:
        return [*workspace.evaluations.report_runs, *workspace.evaluations.workflow_runs]

    workspace.evaluations.subscribe(hear)
    with ThreadPoolExecutor(1) as pool:
        pace = PollingPace(timeout=1000, interval=1000, wake_event=woken)
        run = pool.submit(evaluate_prompt, evaluation, REPLY, pace=pace)
        try:
            assert woken.waited_for.wait(DEADLINE)
            workspace.evaluations.release_runs()
            assert heard
            return run.result(DEADLINE)
        finally:
            woken.set()  # a test that fails is not waited for


def test_the_event_of_a_report_ends_the_wait(workspace: EvaluationWorkspace) -> None:
    report = workspace.evaluations.add_report("Regression", 75.0)

    assert released_by_webhook(workspace, ReportEvaluation(workspace.client, report)).score == 0.75


def test_the_event_of_a_workflow_ends_the_wait(workspace: EvaluationWorkspace) -> None:
    workspace.evaluations.add_workflow("Judge", {"score": 0.5})

    assert (
        released_by_webhook(workspace, WorkflowEvaluation(workspace.client, "Judge")).score == 0.5
    )


def test_events_of_others_do_not_end_a_wait(workspace: EvaluationWorkspace) -> None:
    said = {"user_id": 1, "workspace_id": 42, "timestamp": "2026-01-31T12:00:00.000000"}
    report = {"event_type": "report_finished", "details": {"report_id": 5, "report_name": "a"}}
    agent = {"agent_name": "a", "agent_id": 5, "agent_execution_id": 6}
    agent_run = {"event_type": "agent_run_finished", "details": agent}
    events = [parse_event({**said, **event}) for event in (report, agent_run)]

    reports, workflows = (
        ReportEvaluation(workspace.client, 4),
        WorkflowEvaluation(workspace.client, "a"),
    )

    assert [reports.is_finished_by(5, event) for event in events] == [True, False]
    assert [reports.is_finished_by(7, event) for event in events] == [False, False]
    assert [workflows.is_finished_by(6, event) for event in events] == [False, True]
    assert [workflows.is_finished_by(5, event) for event in events] == [False, False]


# Workflows


@pytest.mark.parametrize(
    ("outputs", "score", "scores"),
    [
        ({"score": 0.25}, 0.25, {}),
        ({"score": "0.25"}, 0.25, {}),
        ({"good": True}, 1.0, {}),
        ({"good": "true", "tone": 0.5}, 0.75, {"good": 1.0, "tone": 0.5}),
        ({"judge": {"score": 0.5, "scores": {"tone": 1}}}, 0.5, {"tone": 1.0}),
        ({"judge": '{"passed": false}'}, 0.0, {}),
        ({"judge": 0.5, "other way": None}, 0.5, {}),
    ],
)
def test_a_workflow_says_the_score_in_its_outputs(
    workspace: EvaluationWorkspace, outputs: dict[str, Any], score: float, scores: dict[str, float]
) -> None:
    workspace.evaluations.add_workflow("My judge", outputs)

    run = evaluate_prompt(WorkflowEvaluation(workspace.client, "My judge"), REPLY, pace=QUICK)

    assert (run.score, run.scores) == (score, scores)
    assert run.source == "PromptLayer's workflow My judge"


def test_a_workflow_is_told_what_to_evaluate(workspace: EvaluationWorkspace) -> None:
    workspace.evaluations.add_workflow("Judge", {"score": 1})

    evaluate_prompt(
        WorkflowEvaluation(workspace.client, "Judge"), REPLY, commit="5f75327", pace=QUICK
    )

    (execution,) = workspace.evaluations.workflow_runs.values()
    assert execution.variables == {
        "prompt_name": "support/reply",
        "prompt_id": 1,
        "prompt_version": 2,
        "commit": "5f75327",
    }


def test_a_workflow_can_be_named_by_its_number(workspace: EvaluationWorkspace) -> None:
    number = workspace.evaluations.add_workflow("team/judge", {"score": 1})

    assert (
        evaluate_prompt(WorkflowEvaluation(workspace.client, str(number)), REPLY, pace=QUICK).score
        == 1
    )


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"score": 87}, "a score from 0 to 1, or true or false, at 'score', not 87"),
        ({"judge": {"verdict": "good"}}, "at 'judge', not None"),
        ({"judge": "splendid"}, "at 'judge', not 'splendid'"),
        ({}, "has no output to read a score from"),
    ],
)
def test_a_workflow_that_says_no_score_is_refused(
    workspace: EvaluationWorkspace, outputs: dict[str, Any], told: str
) -> None:
    workspace.evaluations.add_workflow("Judge", outputs)

    with pytest.raises(RequestRefusedError, match=told):
        evaluate_prompt(WorkflowEvaluation(workspace.client, "Judge"), REPLY, pace=QUICK)


def test_a_workflow_that_failed_is_told_in_its_words(workspace: EvaluationWorkspace) -> None:
    workspace.evaluations.add_workflow("Judge", {"score": 1}, failure="No model answered.")

    with pytest.raises(
        RequestRefusedError, match=r"'Judge' failed at 'score': No model answered\.$"
    ):
        evaluate_prompt(WorkflowEvaluation(workspace.client, "Judge"), REPLY, pace=QUICK)


def test_an_unknown_workflow_is_told(workspace: EvaluationWorkspace) -> None:
    with pytest.raises(NotFoundError, match=r"Workflow Judge not found"):
        evaluate_prompt(WorkflowEvaluation(workspace.client, "Judge"), REPLY, pace=QUICK)
