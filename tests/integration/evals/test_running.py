"""Evaluations that PromptLayer runs, over real HTTP against the stand-in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bridge.errors import NotFound, Refused, Unavailable
from bridge.evals.results import EvalRun, PromptRef
from bridge.evals.running import Evaluation, ReportEvaluation, WorkflowEvaluation, evaluate
from bridge.evals.waiting import Pace
from bridge.promptlayer.events import parse
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.entries import chat
from tests.integration.evals.world import QUICK, World
from tests.standins.faults import status

REPLY = PromptRef("support/reply", id=1, version=2)
DEADLINE = 20.0  # seconds


# Reports


def test_a_report_is_run_and_its_scores_are_from_0_to_1(world: World) -> None:
    columns = {"Accuracy": 90.0, "Tone": 80.0}
    report = world.evaluations.add_report("Regression", 87.5, columns=columns, prompt_id=1)

    run = evaluate(ReportEvaluation(world.client, report), REPLY, commit="5f75327", pace=QUICK)

    assert run.score == 0.875
    assert run.scores == {"Accuracy": 0.9, "Tone": 0.8}
    assert (run.prompt, run.commit, run.note) == (REPLY, "5f75327", None)
    assert run.started is not None
    (execution,) = world.evaluations.report_runs.values()
    assert execution.name == "support/reply version 2 5f75327"


def test_the_score_of_a_single_column_is_read(world: World) -> None:
    report = world.evaluations.add_report("Regression", 50.0, columns={"Accuracy": 50.0})

    run = evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK)

    assert run.scores == {"Accuracy": 0.5}


def test_cells_that_failed_are_noted(world: World) -> None:
    report = world.evaluations.add_report("Regression", 50.0, failed_cells=3)

    run = evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK)

    assert run.note == "3 of 10 cells could not be computed."


def test_an_evaluation_of_another_version_is_refused(world: World) -> None:
    report = world.evaluations.add_report("Regression", 99.0, prompt_id=1, label="prod")

    with pytest.raises(Refused, match=r"evaluated version 1 of support/reply, not version 2"):
        evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK)


def test_an_evaluation_of_another_prompt_is_refused(world: World) -> None:
    other = world.registry.save("support/other", chat(("system", "Hello."))).prompt_id
    report = world.evaluations.add_report("Regression", 99.0, prompt_id=other)

    with pytest.raises(Refused, match=rf"evaluated prompt {other}, not support/reply \(prompt 1\)"):
        evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK)


def test_a_report_without_a_score_is_refused(world: World) -> None:
    report = world.evaluations.add_report("Regression", None)

    with pytest.raises(Refused, match="has no score: choose the columns"):
        evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK)


def test_an_unknown_report_is_told_in_promptlayers_words(world: World) -> None:
    with pytest.raises(NotFound, match=r"Report 99 not found"):
        evaluate(ReportEvaluation(world.client, 99), REPLY, pace=QUICK)


def test_a_bad_moment_while_waiting_is_waited_out(world: World) -> None:
    report = world.evaluations.add_report("Regression", 50.0)
    world.faults.add("GET /reports/", status(503), times=2)

    assert evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK).score == 0.5


def test_an_answer_in_another_shape_is_told(world: World) -> None:
    report = world.evaluations.add_report("Regression", 50.0)
    world.faults.add("POST /reports/", status(201, {"id": 5}))

    with pytest.raises(Unavailable, match=r"not in the documented shape \(report_id\)"):
        evaluate(ReportEvaluation(world.client, report), REPLY, pace=QUICK)


# Waiting by webhook


class Woken(threading.Event):
    """Tells when somebody began to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_for.set()
        return super().wait(timeout)


def released_by_webhook(world: World, evaluation: Evaluation) -> EvalRun:
    """The run of an evaluation that is released while it is waited for, with polls so far apart
    that only its event can end the wait."""
    woken, heard = Woken(), list[JsonObject]()
    world.evaluations.hold()

    def hear(payload: JsonObject) -> None:
        if any(evaluation.finished(execution, parse(payload)) for execution in executions()):
            heard.append(payload)
            woken.set()

    def executions() -> list[int]:
        return [*world.evaluations.report_runs, *world.evaluations.workflow_runs]

    world.evaluations.subscribe(hear)
    with ThreadPoolExecutor(1) as pool:
        pace = Pace(patience=1000, every=1000, woken=woken)
        run = pool.submit(evaluate, evaluation, REPLY, pace=pace)
        try:
            assert woken.waited_for.wait(DEADLINE)
            world.evaluations.release()
            assert heard
            return run.result(DEADLINE)
        finally:
            woken.set()  # a test that fails is not waited for


def test_the_event_of_a_report_ends_the_wait(world: World) -> None:
    report = world.evaluations.add_report("Regression", 75.0)

    assert released_by_webhook(world, ReportEvaluation(world.client, report)).score == 0.75


def test_the_event_of_a_workflow_ends_the_wait(world: World) -> None:
    world.evaluations.add_workflow("Judge", {"score": 0.5})

    assert released_by_webhook(world, WorkflowEvaluation(world.client, "Judge")).score == 0.5


def test_events_of_others_do_not_end_a_wait(world: World) -> None:
    said = {"user_id": 1, "workspace_id": 42, "timestamp": "2026-01-31T12:00:00.000000"}
    report = {"event_type": "report_finished", "details": {"report_id": 5, "report_name": "a"}}
    agent = {"agent_name": "a", "agent_id": 5, "agent_execution_id": 6}
    agent_run = {"event_type": "agent_run_finished", "details": agent}
    events = [parse({**said, **event}) for event in (report, agent_run)]

    reports, workflows = ReportEvaluation(world.client, 4), WorkflowEvaluation(world.client, "a")

    assert [reports.finished(5, event) for event in events] == [True, False]
    assert [reports.finished(7, event) for event in events] == [False, False]
    assert [workflows.finished(6, event) for event in events] == [False, True]
    assert [workflows.finished(5, event) for event in events] == [False, False]


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
    world: World, outputs: dict[str, Any], score: float, scores: dict[str, float]
) -> None:
    world.evaluations.add_workflow("My judge", outputs)

    run = evaluate(WorkflowEvaluation(world.client, "My judge"), REPLY, pace=QUICK)

    assert (run.score, run.scores) == (score, scores)
    assert run.source == "PromptLayer's workflow My judge"


def test_a_workflow_is_told_what_to_evaluate(world: World) -> None:
    world.evaluations.add_workflow("Judge", {"score": 1})

    evaluate(WorkflowEvaluation(world.client, "Judge"), REPLY, commit="5f75327", pace=QUICK)

    (execution,) = world.evaluations.workflow_runs.values()
    assert execution.variables == {
        "prompt_name": "support/reply",
        "prompt_id": 1,
        "prompt_version": 2,
        "commit": "5f75327",
    }


def test_a_workflow_can_be_named_by_its_number(world: World) -> None:
    number = world.evaluations.add_workflow("team/judge", {"score": 1})

    assert evaluate(WorkflowEvaluation(world.client, str(number)), REPLY, pace=QUICK).score == 1


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
    world: World, outputs: dict[str, Any], told: str
) -> None:
    world.evaluations.add_workflow("Judge", outputs)

    with pytest.raises(Refused, match=told):
        evaluate(WorkflowEvaluation(world.client, "Judge"), REPLY, pace=QUICK)


def test_a_workflow_that_failed_is_told_in_its_words(world: World) -> None:
    world.evaluations.add_workflow("Judge", {"score": 1}, failure="No model answered.")

    with pytest.raises(Refused, match=r"'Judge' failed at 'score': No model answered\.$"):
        evaluate(WorkflowEvaluation(world.client, "Judge"), REPLY, pace=QUICK)


def test_an_unknown_workflow_is_told(world: World) -> None:
    with pytest.raises(NotFound, match=r"Workflow Judge not found"):
        evaluate(WorkflowEvaluation(world.client, "Judge"), REPLY, pace=QUICK)
