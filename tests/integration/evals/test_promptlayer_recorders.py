"""Evaluation results into PromptLayer, over real HTTP against the stand-in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.errors import NotFoundError, RateLimitedError, RequestRefusedError, UnavailableError
from bridge.evals.eval_run import EvaluationCase, EvaluationRun, PromptReference
from bridge.evals.promptlayer_recorders import LogRecorder, TableRecorder
from bridge.sandbox.registry_entries import build_chat_template
from tests.integration.evals.evaluation_workspace import QUICK, EvaluationWorkspace
from tests.standins.fault_injection import status

REPLY = PromptReference("support/reply", id=1, version=1)
STARTED = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = EvaluationRun(
    "promptfoo",
    REPLY,
    (
        EvaluationCase(
            "refund",
            0.9,
            True,
            input="Where is my money?",
            output="On its way.\nPromise.",
            expected="contains: way",
            scores={"tone": 0.756, "length": 1.0},
            model="openai:chat:gpt-4o",
        ),
        EvaluationCase("order", passed=False, reason="no order number"),
        EvaluationCase("later"),
    ),
    commit="5f7532717a36",
    started_at=STARTED,
)


async def _passed_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """No fault: the one after it is kept for later."""
    await app(scope, receive, send)


# Logs


def test_each_graded_case_is_logged_with_its_score(workspace: EvaluationWorkspace) -> None:
    assert LogRecorder(workspace.client).record(RUN) is None

    order, refund = workspace.logs()
    assert (refund["score"], order["score"]) == (90, 0)
    assert (refund["prompt_id"], refund["prompt_version_number"]) == (1, 1)
    assert "prompt_name" not in refund
    assert (refund["provider"], refund["model"]) == ("openai", "gpt-4o")
    assert refund["tags"] == ["evaluation", "promptfoo"]
    assert refund["request_start_time"] == "2026-01-31T12:00:00+00:00"
    assert refund["metadata"] == {
        "case": "refund",
        "commit": "5f7532717a36",
        "expected": "contains: way",
        "passed": "true",
    }
    assert refund["output"] == build_chat_template(("assistant", "On its way.\nPromise."))


def test_named_scores_are_tracked_beside_it(workspace: EvaluationWorkspace) -> None:
    LogRecorder(workspace.client).record(RUN)

    scores = [log.scores for log in workspace.evaluations.logs.requests.values() if log.scores]
    assert scores == [{"tone": 76, "length": 100}]


def test_a_model_that_the_results_do_not_tell_is_the_recorders(
    workspace: EvaluationWorkspace,
) -> None:
    LogRecorder(workspace.client, model=("anthropic", "claude")).record(RUN)

    order, _ = workspace.logs()
    assert (order["provider"], order["model"]) == ("anthropic", "claude")


def test_a_prompt_without_a_number_is_logged_by_its_name(workspace: EvaluationWorkspace) -> None:
    LogRecorder(workspace.client).record(replace(RUN, prompt=PromptReference("support/reply")))

    (log, *_) = workspace.evaluations.logs.requests.values()
    assert log.version is not None
    assert log.version.number == 2  # the newest, as PromptLayer takes it


def test_a_run_in_which_nothing_was_graded_is_not_logged(workspace: EvaluationWorkspace) -> None:
    with pytest.raises(RequestRefusedError, match=r"No case of support/reply was graded"):
        LogRecorder(workspace.client).record(replace(RUN, cases=(EvaluationCase("later"),)))
    assert not workspace.faults.requests


def test_an_unknown_version_is_told_in_promptlayers_words(workspace: EvaluationWorkspace) -> None:
    unknown = replace(RUN, prompt=replace(REPLY, version=7))

    with pytest.raises(
        NotFoundError, match=r"Version 7 of support/reply not found.* 0 of 2 results"
    ):
        LogRecorder(workspace.client, at_once=1).record(unknown)


def test_a_log_that_stops_halfway_says_how_far_it_came(workspace: EvaluationWorkspace) -> None:
    many = replace(RUN, cases=tuple(EvaluationCase(f"case {n}", 1.0) for n in range(50)))
    workspace.faults.add("POST /log-request", _passed_on, times=3)
    workspace.faults.add("POST /log-request", status(429, {}, {"Retry-After": "7"}))

    with pytest.raises(RateLimitedError, match=r"3 of 50 results were logged before") as limited:
        LogRecorder(workspace.client, at_once=1).record(many)

    assert limited.value.retry_after == 7
    assert len(workspace.evaluations.logs.requests) == 3
    assert len(workspace.faults.requests) == 4  # the rest was not tried


def test_many_cases_are_logged_at_the_same_time(workspace: EvaluationWorkspace) -> None:
    many = replace(RUN, cases=tuple(EvaluationCase(f"case {n}", 1.0) for n in range(60)))

    LogRecorder(workspace.client, at_once=4).record(many)

    assert len(workspace.evaluations.logs.requests) == 60
    assert len({request.client for request in workspace.faults.requests}) > 1


# Tables


def test_a_run_becomes_a_sheet_of_the_prompts_table(workspace: EvaluationWorkspace) -> None:
    address = TableRecorder(workspace.client, dashboard="https://d.example/", pace=QUICK).record(
        RUN
    )

    (table,) = workspace.evaluations.tables.all
    (sheet,) = table.sheets
    assert address == f"https://d.example/workspace/42/smart-tables/{table.id}?sheet={sheet.id}"
    assert table.title == "Evaluations of support/reply"
    assert sheet.title.startswith("version 1 · 5f7532717a · score 0.450 · ")
    titles = [title for _, title in sheet.columns]
    assert titles[:4] == ["case", "input", "expected", "output"]
    assert titles[4:] == ["score", "passed", "reason", "score: length", "score: tone"]
    assert sheet.list_column_values("case") == ["refund", "order", "later"]
    assert sheet.list_column_values("output") == ["On its way.\nPromise.", "", ""]
    assert sheet.list_column_values("score") == ["0.9", "", ""]
    assert sheet.list_column_values("score: tone") == ["0.756", "", ""]
    assert sheet.list_column_values("passed") == ["true", "false", ""]


def test_the_scorecard_is_the_share_that_passed(workspace: EvaluationWorkspace) -> None:
    TableRecorder(workspace.client, minimum=0.3, pace=QUICK).record(RUN)

    (sheet,) = workspace.evaluations.tables.all[0].sheets
    assert sheet.score == pytest.approx(1 / 3)
    assert sheet.scorecard is not None
    assert sheet.scorecard["aggregation"]["pass_threshold"] == 0.3


def test_a_run_that_was_only_scored_has_no_scorecard(workspace: EvaluationWorkspace) -> None:
    scored = replace(RUN, cases=(EvaluationCase("refund", 0.5),))

    TableRecorder(workspace.client, pace=QUICK).record(scored)

    assert workspace.evaluations.tables.all[0].sheets[0].scorecard is None


def test_recording_a_run_twice_makes_one_sheet(workspace: EvaluationWorkspace) -> None:
    recorder = TableRecorder(workspace.client, pace=QUICK)

    assert recorder.record(RUN) == recorder.record(RUN)

    (table,) = workspace.evaluations.tables.all
    assert len(table.sheets) == 1


def test_an_import_that_was_cut_off_is_taken_up_again(workspace: EvaluationWorkspace) -> None:
    recorder = TableRecorder(workspace.client, pace=replace(QUICK, timeout=0.001, interval=0.0005))
    workspace.faults.add(lambda _, path: "/operations/" in path, status(503), times=1000)
    with pytest.raises(UnavailableError, match="import of the results was not finished"):
        recorder.record(RUN)
    workspace.faults.clear()

    TableRecorder(workspace.client, pace=QUICK).record(RUN)

    (sheet,) = workspace.evaluations.tables.all[0].sheets
    assert sheet.list_column_values("case") == ["refund", "order", "later"]


def test_another_run_is_another_sheet_of_the_same_table(workspace: EvaluationWorkspace) -> None:
    recorder = TableRecorder(workspace.client, pace=QUICK)
    recorder.record(RUN)

    recorder.record(replace(RUN, prompt=replace(REPLY, version=2)))

    (table,) = workspace.evaluations.tables.all
    assert len(table.sheets) == 2


def test_the_table_is_found_on_a_later_page(workspace: EvaluationWorkspace) -> None:
    tables = workspace.evaluations.tables
    wanted = tables.create("Evaluations of support/reply", None)
    for number in range(150):
        tables.create(f"Evaluations of support/reply {number}", None)

    TableRecorder(workspace.client, pace=QUICK).record(RUN)

    assert len(tables.all) == 151
    assert len(wanted.sheets) == 1


def test_an_import_that_fails_is_told_in_promptlayers_words(workspace: EvaluationWorkspace) -> None:
    workspace.evaluations.tables.failure = "The file is odd."

    with pytest.raises(
        RequestRefusedError, match=r"could not import the results as a table: The file is odd\."
    ):
        TableRecorder(workspace.client, pace=QUICK).record(RUN)


def test_a_run_without_cases_makes_no_table(workspace: EvaluationWorkspace) -> None:
    with pytest.raises(RequestRefusedError, match="has no cases"):
        TableRecorder(workspace.client).record(replace(RUN, cases=()))


def test_an_answer_in_another_shape_is_told(workspace: EvaluationWorkspace) -> None:
    workspace.faults.add("POST /log-request", status(201, {"number": 1}))
    with pytest.raises(UnavailableError, match=r"a logged request is not in the documented shape"):
        LogRecorder(workspace.client, at_once=1).record(RUN)

    workspace.faults.add("GET /api/public/v2/tables", status(200, {"data": [{"id": 5}]}))
    with pytest.raises(UnavailableError, match=r"not in the documented shape"):
        TableRecorder(workspace.client).record(RUN)
