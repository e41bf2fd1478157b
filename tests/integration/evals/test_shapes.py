"""The stand-in's answers about evaluations, against PromptLayer's own description."""

from __future__ import annotations

import base64
import re
from typing import Any

from jsonschema import Draft202012Validator

from bridge.evals.eval_run import EvaluationCase, EvaluationRun, PromptReference
from bridge.evals.promptlayer_evaluations import (
    ReportEvaluation,
    WorkflowEvaluation,
    evaluate_prompt,
)
from bridge.evals.promptlayer_recorders import LogRecorder, TableRecorder
from bridge.promptlayer.webhook_events import AgentRunEvent, ReportEvent, parse_event
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template
from tests.integration.evals.evaluation_workspace import QUICK, EvaluationWorkspace
from tests.integration.promptlayer_schemas import nullable
from tests.standins.fault_injection import RecordedRequest
from tests.unit.promptlayer.recorded_payloads import fact

TABLES = "/api/public/v2/tables"


class Described:
    """Asks the stand-in, and checks what is said both ways."""

    def __init__(self, workspace: EvaluationWorkspace) -> None:
        self._workspace = workspace
        self._description = _overlapping(nullable(fact("openapi.json")))

    def ask(self, method: str, path: str, template: str, body: Any = None, **params: Any) -> Any:
        operation = self._description["paths"][template][method.lower()]
        if body is not None:
            self.check(body, operation["requestBody"]["content"])
        answer = self._workspace.client.send_with_status(method, path, json=body, params=params)
        self.check(answer.body, operation["responses"][str(answer.status)]["content"])
        return answer.body

    def check_request(self, request: RecordedRequest) -> None:
        path = next(path for path in self._description["paths"] if _is_of(request.path, path))
        operation = self._description["paths"][path][request.method.lower()]
        self.check(request.json, operation["requestBody"]["content"])

    def check(self, value: Any, content: Any) -> None:
        schema = {**content["application/json"]["schema"]}
        schema["components"] = self._description["components"]
        Draft202012Validator(schema).validate(value)


def test_logs_and_scores_are_as_described(workspace: EvaluationWorkspace) -> None:
    described = Described(workspace)
    log = {
        "provider": "openai",
        "model": "gpt-4o",
        "input": build_chat_template(("user", "Hello")),
        "output": build_chat_template(("assistant", "Hi")),
        "request_start_time": "2026-01-31T12:00:00Z",
        "request_end_time": "2026-01-31T12:00:00Z",
        "prompt_id": 1,
        "prompt_version_number": 1,
        "score": 90,
    }

    logged = described.ask("POST", "/log-request", "/log-request", log)
    described.ask("POST", "/log-request", "/log-request", {**log, "prompt_id": 1})
    score = {"request_id": logged["id"], "score": 5, "name": "tone"}
    described.ask("POST", "/rest/track-score", "/rest/track-score", score)


def test_reports_are_as_described(workspace: EvaluationWorkspace) -> None:
    described, heard = Described(workspace), list[JsonObject]()
    workspace.evaluations.subscribe(heard.append)
    multi, single = {"Accuracy": 90.0, "Tone": 80.0}, {"Accuracy": 90.0}
    for score, columns in ((85.0, multi), (90.0, single), (None, {})):
        report = workspace.evaluations.add_report("Regression", score, columns=columns, prompt_id=1)
        workspace.evaluations.hold_runs()

        path = f"/reports/{report}/run"
        run = described.ask("POST", path, "/reports/{report_id}/run", {"name": "Nightly"})
        place = f"/reports/{run['report_id']}"
        assert described.ask("GET", place, "/reports/{report_id}")["status"] == "RUNNING"
        workspace.evaluations.release_runs()
        assert described.ask("GET", place, "/reports/{report_id}")["status"] == "COMPLETED"
        described.ask("GET", f"{place}/score", "/reports/{report_id}/score")

    assert [type(parse_event(payload)) for payload in heard] == [ReportEvent] * 3


def test_workflows_are_as_described(workspace: EvaluationWorkspace) -> None:
    described, heard = Described(workspace), list[JsonObject]()
    workspace.evaluations.subscribe(heard.append)
    results = "/workflow-version-execution-results"
    workspace.evaluations.add_workflow("Judge", {"score": 0.5})
    workspace.evaluations.hold_runs()

    body = {"input_variables": {"prompt_name": "support/reply"}, "return_all_outputs": True}
    run = described.ask("POST", "/workflows/Judge/run", "/workflows/{workflow_name}/run", body)
    wanted = {"workflow_version_execution_id": run["workflow_version_execution_id"]}
    assert workspace.client.send_with_status("GET", results, params=wanted).status == 202
    workspace.evaluations.release_runs()
    assert workspace.client.send_with_status("GET", results, params=wanted) == (200, 0.5)

    nodes = described.ask("GET", results, results, return_all_outputs="true", **wanted)
    assert nodes["score"]["status"] == "SUCCESS"
    assert [type(parse_event(payload)) for payload in heard] == [AgentRunEvent]


def test_tables_are_as_described(workspace: EvaluationWorkspace) -> None:
    described = Described(workspace)
    new = {"title": "Evaluations", "create_default_sheet": False}
    table = described.ask("POST", TABLES, TABLES, new)["table"]["id"]
    described.ask("GET", TABLES, TABLES, name="eval", limit=100)

    sheets, one = f"{TABLES}/{table}/sheets", f"{TABLES}/{{table_id}}/sheets"
    content = base64.b64encode(b"case,passed\r\na,true\r\nb,false\r\n").decode()
    source = {"type": "file", "file_name": "results.csv", "file_content_base64": content}
    begun = described.ask("POST", sheets, one, {"title": "Run", "source": source})
    operation = f"{sheets}/operations/{begun['operation_id']}"
    states = [
        described.ask("GET", operation, f"{one}/operations/{{operation_id}}")["operation"]["status"]
        for _ in range(3)
    ]
    assert states == ["running", "completed", "completed"]

    described.ask("GET", sheets, one)
    sheet, template = f"{sheets}/{begun['sheet']['id']}", f"{one}/{{sheet_id}}"
    columns = described.ask("GET", f"{sheet}/columns", f"{template}/columns")["data"]
    assert [column["title"] for column in columns] == ["case", "passed"]
    check_scorecard(described, sheet, template, columns[1]["id"])


def check_scorecard(described: Described, sheet: str, template: str, column: str) -> None:
    card, described_card = f"{sheet}/scorecard", f"{template}/scorecard"
    assert described.ask("GET", card, described_card)["scorecard"] is None
    aggregation = {
        "method": "weighted_mean",
        "required_step_failure_behavior": "fail",
        "pass_threshold": 0.8,
        "warn_threshold": 0.6,
    }
    config = {"source": column, "value": "true"}
    step = {"title": "passed", "primitive_type": "CONTAINS", "primitive_config": config}
    body = {"name": "Evaluation", "aggregation": aggregation, "steps": [step]}
    described.ask("PATCH", card, described_card, body)
    described.ask("POST", f"{card}/recalculate", f"{described_card}/recalculate", {})
    calculation = described.ask("GET", card, described_card)["latest_calculation"]
    assert (calculation["aggregate_score"], calculation["aggregate_verdict"]) == (0.5, "fail")


def test_what_the_bridge_sends_is_as_described(workspace: EvaluationWorkspace) -> None:
    described = Described(workspace)
    workspace.evaluations.add_workflow("Judge", {"score": 0.5})
    report = workspace.evaluations.add_report("Regression", 85.0)
    reply = PromptReference("support/reply", id=1, version=2)
    case = EvaluationCase("refund", 0.5, True, "in", "out", "expected", "reason", {"tone": 0.5})

    LogRecorder(workspace.client).record(
        EvaluationRun("promptfoo", reply, (case,), commit="5f75327")
    )
    TableRecorder(workspace.client, pace=QUICK).record(EvaluationRun("promptfoo", reply, (case,)))
    evaluate_prompt(ReportEvaluation(workspace.client, report), reply, commit="5f75327", pace=QUICK)
    evaluate_prompt(
        WorkflowEvaluation(workspace.client, "Judge"), reply, commit="5f75327", pace=QUICK
    )

    sent = [request for request in workspace.faults.requests if request.method != "GET"]
    assert len(sent) == 8
    for request in sent:
        described.check_request(request)


def _overlapping(node: Any) -> Any:
    """The description with every ``oneOf`` as ``anyOf``: its alternatives without required fields
    hold for each other's values, too."""
    if isinstance(node, list):
        return [_overlapping(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {"anyOf" if key == "oneOf" else key: _overlapping(node[key]) for key in node}


def _is_of(path: str, template: str) -> bool:
    return bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path))
