"""Evaluation results into PromptLayer, over real HTTP against the stand-in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.errors import NotFound, RateLimited, Refused, Unavailable
from bridge.evals.recording import LogRecorder, TableRecorder
from bridge.evals.results import EvalCase, EvalRun, PromptRef
from bridge.sandbox.entries import chat
from tests.integration.evals.world import QUICK, World
from tests.standins.faults import status

REPLY = PromptRef("support/reply", id=1, version=1)
STARTED = datetime(2026, 1, 31, 12, tzinfo=UTC)
RUN = EvalRun(
    "promptfoo",
    REPLY,
    (
        EvalCase(
            "refund",
            0.9,
            True,
            input="Where is my money?",
            output="On its way.\nPromise.",
            expected="contains: way",
            scores={"tone": 0.756, "length": 1.0},
            model="openai:chat:gpt-4o",
        ),
        EvalCase("order", passed=False, reason="no order number"),
        EvalCase("later"),
    ),
    commit="5f7532717a36",
    started=STARTED,
)


async def _passed_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """No fault: the one after it is kept for later."""
    await app(scope, receive, send)


# Logs


def test_each_graded_case_is_logged_with_its_score(world: World) -> None:
    assert LogRecorder(world.client).record(RUN) is None

    order, refund = world.logs()
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
    assert refund["output"] == chat(("assistant", "On its way.\nPromise."))


def test_named_scores_are_tracked_beside_it(world: World) -> None:
    LogRecorder(world.client).record(RUN)

    scores = [log.scores for log in world.evaluations.logs.values() if log.scores]
    assert scores == [{"tone": 76, "length": 100}]


def test_a_model_that_the_results_do_not_tell_is_the_recorders(world: World) -> None:
    LogRecorder(world.client, model=("anthropic", "claude")).record(RUN)

    order, _ = world.logs()
    assert (order["provider"], order["model"]) == ("anthropic", "claude")


def test_a_prompt_without_a_number_is_logged_by_its_name(world: World) -> None:
    LogRecorder(world.client).record(replace(RUN, prompt=PromptRef("support/reply")))

    (log, *_) = world.evaluations.logs.values()
    assert log.version is not None
    assert log.version.number == 2  # the newest, as PromptLayer takes it


def test_a_run_in_which_nothing_was_graded_is_not_logged(world: World) -> None:
    with pytest.raises(Refused, match=r"No case of support/reply was graded"):
        LogRecorder(world.client).record(replace(RUN, cases=(EvalCase("later"),)))
    assert not world.faults.requests


def test_an_unknown_version_is_told_in_promptlayers_words(world: World) -> None:
    unknown = replace(RUN, prompt=replace(REPLY, version=7))

    with pytest.raises(NotFound, match=r"Version 7 of support/reply not found.* 0 of 2 results"):
        LogRecorder(world.client, at_once=1).record(unknown)


def test_a_log_that_stops_halfway_says_how_far_it_came(world: World) -> None:
    many = replace(RUN, cases=tuple(EvalCase(f"case {n}", 1.0) for n in range(50)))
    world.faults.add("POST /log-request", _passed_on, times=3)
    world.faults.add("POST /log-request", status(429, {}, {"Retry-After": "7"}))

    with pytest.raises(RateLimited, match=r"3 of 50 results were logged before") as limited:
        LogRecorder(world.client, at_once=1).record(many)

    assert limited.value.retry_after == 7
    assert len(world.evaluations.logs) == 3
    assert len(world.faults.requests) == 4  # the rest was not tried


def test_many_cases_are_logged_at_the_same_time(world: World) -> None:
    many = replace(RUN, cases=tuple(EvalCase(f"case {n}", 1.0) for n in range(60)))

    LogRecorder(world.client, at_once=4).record(many)

    assert len(world.evaluations.logs) == 60
    assert len({request.client for request in world.faults.requests}) > 1


# Tables


def test_a_run_becomes_a_sheet_of_the_prompts_table(world: World) -> None:
    address = TableRecorder(world.client, dashboard="https://d.example/", pace=QUICK).record(RUN)

    (table,) = world.evaluations.tables.all
    (sheet,) = table.sheets
    assert address == f"https://d.example/workspace/42/smart-tables/{table.id}?sheet={sheet.id}"
    assert table.title == "Evaluations of support/reply"
    assert sheet.title.startswith("version 1 · 5f7532717a · score 0.450 · ")
    titles = [title for _, title in sheet.columns]
    assert titles[:4] == ["case", "input", "expected", "output"]
    assert titles[4:] == ["score", "passed", "reason", "score: length", "score: tone"]
    assert sheet.values("case") == ["refund", "order", "later"]
    assert sheet.values("output") == ["On its way.\nPromise.", "", ""]
    assert sheet.values("score") == ["0.9", "", ""]
    assert sheet.values("score: tone") == ["0.756", "", ""]
    assert sheet.values("passed") == ["true", "false", ""]


def test_the_scorecard_is_the_share_that_passed(world: World) -> None:
    TableRecorder(world.client, minimum=0.3, pace=QUICK).record(RUN)

    (sheet,) = world.evaluations.tables.all[0].sheets
    assert sheet.score == pytest.approx(1 / 3)
    assert sheet.scorecard is not None
    assert sheet.scorecard["aggregation"]["pass_threshold"] == 0.3


def test_a_run_that_was_only_scored_has_no_scorecard(world: World) -> None:
    scored = replace(RUN, cases=(EvalCase("refund", 0.5),))

    TableRecorder(world.client, pace=QUICK).record(scored)

    assert world.evaluations.tables.all[0].sheets[0].scorecard is None


def test_recording_a_run_twice_makes_one_sheet(world: World) -> None:
    recorder = TableRecorder(world.client, pace=QUICK)

    assert recorder.record(RUN) == recorder.record(RUN)

    (table,) = world.evaluations.tables.all
    assert len(table.sheets) == 1


def test_an_import_that_was_cut_off_is_taken_up_again(world: World) -> None:
    recorder = TableRecorder(world.client, pace=replace(QUICK, patience=0.001, every=0.0005))
    world.faults.add(lambda _, path: "/operations/" in path, status(503), times=1000)
    with pytest.raises(Unavailable, match="import of the results was not finished"):
        recorder.record(RUN)
    world.faults.clear()

    TableRecorder(world.client, pace=QUICK).record(RUN)

    (sheet,) = world.evaluations.tables.all[0].sheets
    assert sheet.values("case") == ["refund", "order", "later"]


def test_another_run_is_another_sheet_of_the_same_table(world: World) -> None:
    recorder = TableRecorder(world.client, pace=QUICK)
    recorder.record(RUN)

    recorder.record(replace(RUN, prompt=replace(REPLY, version=2)))

    (table,) = world.evaluations.tables.all
    assert len(table.sheets) == 2


def test_the_table_is_found_on_a_later_page(world: World) -> None:
    tables = world.evaluations.tables
    wanted = tables.create("Evaluations of support/reply", None)
    for number in range(150):
        tables.create(f"Evaluations of support/reply {number}", None)

    TableRecorder(world.client, pace=QUICK).record(RUN)

    assert len(tables.all) == 151
    assert len(wanted.sheets) == 1


def test_an_import_that_fails_is_told_in_promptlayers_words(world: World) -> None:
    world.evaluations.tables.failure = "The file is odd."

    with pytest.raises(
        Refused, match=r"could not import the results as a table: The file is odd\."
    ):
        TableRecorder(world.client, pace=QUICK).record(RUN)


def test_a_run_without_cases_makes_no_table(world: World) -> None:
    with pytest.raises(Refused, match="has no cases"):
        TableRecorder(world.client).record(replace(RUN, cases=()))


def test_an_answer_in_another_shape_is_told(world: World) -> None:
    world.faults.add("POST /log-request", status(201, {"number": 1}))
    with pytest.raises(Unavailable, match=r"a logged request is not in the documented shape"):
        LogRecorder(world.client, at_once=1).record(RUN)

    world.faults.add("GET /api/public/v2/tables", status(200, {"data": [{"id": 5}]}))
    with pytest.raises(Unavailable, match=r"not in the documented shape"):
        TableRecorder(world.client).record(RUN)
