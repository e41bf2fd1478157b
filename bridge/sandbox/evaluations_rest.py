"""The stand-in's endpoints about evaluations, as far as the bridge uses them."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.fake_evaluations import (
    FakeEvaluations,
    FakeReportRun,
    FakeWorkflowRun,
    RunProgress,
    ScriptedWorkflow,
)
from bridge.sandbox.rest_endpoint import (
    EndpointAction,
    create_endpoint,
    get_flag_parameter,
    get_number_parameter,
)


class EvaluationsRestApi:
    """Reports and workflows."""

    def __init__(self, evaluations: FakeEvaluations) -> None:
        self._evaluations = evaluations

    def create_routes(self, api_key: str) -> list[Route]:
        table: list[tuple[str, str, EndpointAction]] = [
            ("POST", "/reports/{id:int}/run", self.run_report),
            ("GET", "/reports/{id:int}", self.report),
            ("GET", "/reports/{id:int}/score", self.report_score),
            ("GET", "/api/public/v2/evaluations", self.list_reports),
            ("GET", "/workflows/{name}", self.read_workflow),
            ("POST", "/workflows/{name}/run", self.run_workflow),
            ("GET", "/workflow-version-execution-results", self.read_workflow_results),
        ]
        return [
            Route(path, create_endpoint(action, api_key), methods=[method])
            for method, path, action in table
        ]

    def run_report(self, request: Request, body: JsonObject) -> Response:
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise RequestRefusedError("name: String should have 1 to 255 characters")
        run = self._evaluations.run_report(request.path_params["id"], name)
        return JSONResponse({"success": True, "report_id": run.id}, 201)

    def report(self, request: Request, _: JsonObject) -> Response:
        run = self._evaluations.find_report_run(request.path_params["id"])
        return JSONResponse(_report_answer(run, self._evaluations.workspace_id))

    def report_score(self, request: Request, _: JsonObject) -> Response:
        run = self._evaluations.find_report_run(request.path_params["id"])
        return JSONResponse({"success": True, "message": "success", "score": _report_score(run)})

    def list_reports(self, request: Request, _: JsonObject) -> Response:
        with_runs = bool(get_flag_parameter(request, "include_runs"))
        return JSONResponse(_report_list_answer(self._evaluations, with_runs=with_runs))

    def read_workflow(self, request: Request, _: JsonObject) -> Response:
        workflow = self._evaluations.find_workflow(unquote(request.path_params["name"]))
        return JSONResponse(_workflow_answer(workflow))

    def run_workflow(self, request: Request, body: JsonObject) -> Response:
        variables, version = body.get("input_variables") or {}, body.get("workflow_version_number")
        if version is not None and body.get("workflow_label_name") is not None:
            raise RequestRefusedError(
                "workflow_version_number and workflow_label_name are exclusive"
            )
        # The server decoded once before routing; clients encode slashes.
        name = unquote(request.path_params["name"])
        run = self._evaluations.run_workflow(name, variables, version)
        answer = {"success": True, "message": "Workflow started", "warning": None}
        return JSONResponse({**answer, "workflow_version_execution_id": run.id}, 201)

    def read_workflow_results(self, request: Request, _: JsonObject) -> Response:
        run = self._evaluations.find_workflow_run(
            get_number_parameter(request, "workflow_version_execution_id")
        )
        status = 202 if run.progress is RunProgress.RUNNING else 200
        nodes = _nodes(run)
        if get_flag_parameter(request, "return_all_outputs"):
            return JSONResponse(nodes, status)
        return JSONResponse([*nodes.values()][-1]["value"], status)


def _report_list_answer(evaluations: FakeEvaluations, *, with_runs: bool) -> JsonObject:
    listed = []
    for pipeline in evaluations.pipelines.values():
        told: JsonObject = {"id": pipeline.id, "name": pipeline.name, "is_blueprint": True}
        if with_runs:
            told["runs"] = [
                {"id": run.id, "name": run.name, "status": run.progress.value}
                for run in evaluations.report_runs.values()
                if run.pipeline.id == pipeline.id
            ]
        listed.append(told)
    counted = {"page": 1, "per_page": 100, "total": len(listed), "pages": 1}
    return {"success": True, "message": "success", "evaluations": listed, **counted}


def _workflow_answer(workflow: ScriptedWorkflow) -> JsonObject:
    nodes = [
        {
            "id": name,
            "workflow_version_id": workflow.id,
            "name": name,
            "node_type": "CODE_EXECUTION",
            "is_output_node": True,
            "configuration": {},
            "dependencies": [],
        }
        for name in workflow.outputs
    ]
    return {
        "success": True,
        "workflow_id": workflow.id,
        "workflow_name": workflow.name,
        "version": workflow.version,
        "workflow_version_id": workflow.id * 1000 + workflow.version,
        "commit_message": None,
        "required_input_variables": dict.fromkeys(workflow.inputs, "string"),
        "release_labels": [],
        "created_at": None,
        "nodes": nodes,
        "edges": [],
    }


def _report_answer(run: FakeReportRun, workspace_id: int) -> JsonObject:
    done, cells = run.progress is RunProgress.COMPLETED, max(len(run.pipeline.columns), 1) * 10
    failed = run.pipeline.failed_cells if done else 0
    at = run.started_at.isoformat()
    return {
        "success": True,
        "report": {
            "id": run.id,
            "name": run.name,
            "deleted": False,
            "is_blueprint": False,
            "created_at": at,
            "updated_at": at,
            "parent_report_id": run.pipeline.id,
            "workspace_id": workspace_id,
            "prompt_registry_id": run.pipeline.prompt_id,
            "prompt_version_number": run.version,
        },
        "status": run.progress.value,
        "stats": {
            "status_counts": {
                "COMPLETED": cells - failed if done else 0,
                "FAILED": failed,
                "QUEUED": 0,
                "RUNNING": 0 if done else cells,
            }
        },
        "report_columns": [],
    }


def _report_score(run: FakeReportRun) -> JsonObject:
    columns = [
        {"column_name": name, "score": score, "score_type": "boolean", "num_skipped": 0}
        for name, score in run.pipeline.columns.items()
    ]
    kind, details = "multi_column", JsonObject(columns=columns)
    if run.pipeline.score is None:
        kind, details = "none", {"message": "No score is configured."}
    elif len(columns) == 1:
        kind, details = "single_column", columns[0]
    score = {"overall_score": run.pipeline.score, "score_type": kind, "details": details}
    return {**score, "has_custom_scoring": False}


def _nodes(run: FakeWorkflowRun) -> JsonObject:
    """What every node said. One that is not for output is done at once, the others at the end;
    an output of None stands for a node that was skipped."""
    nodes = {"start": _node("SUCCESS", "started") | {"is_output_node": False}}
    for name, value in run.workflow.compute_outputs(run.variables).items():
        nodes[name] = _output_node(run, value)
    return nodes


def _output_node(run: FakeWorkflowRun, value: Json) -> JsonObject:
    if run.progress is not RunProgress.COMPLETED:
        return _node(run.progress.value)
    if run.workflow.failure:
        return _node("FAILED", error=run.workflow.failure)
    return _node("SKIPPED") if value is None else _node("SUCCESS", value)


def _node(status: str, value: Json = None, error: str | None = None) -> JsonObject:
    return {
        "status": status,
        "value": value,
        "error_message": error,
        "raw_error_message": error,
        "is_output_node": True,
    }
