"""What the stand-in knows of evaluations: logged requests and their scores, reports and workflows
with a scripted outcome, and tables.

Every end of a run is announced as PromptLayer's webhooks announce it. May be used by many threads.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from bridge.errors import Malformed, NotFound, Refused
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.announcer import Clock, Listener, payload
from bridge.sandbox.entries import ADA, Version
from bridge.sandbox.registry import Registry, now
from bridge.sandbox.tables import Tables


@dataclass(frozen=True)
class Log:
    """One logged request, as it was sent, and the version it is about."""

    id: int
    body: JsonObject
    version: Version | None
    scores: dict[str, int] = field(default_factory=dict)  # tracked afterwards, by name


@dataclass(frozen=True)
class Pipeline:
    """A report that can be run. Scores are from 0 to 100; a prompt's newest version is evaluated,
    or the labelled one."""

    id: int
    name: str
    score: float | None
    columns: Mapping[str, float] = field(default_factory=dict)
    prompt_id: int | None = None
    label: str | None = None
    failed_cells: int = 0


@dataclass(frozen=True)
class Workflow:
    """A workflow that can be run: what its output nodes will say, the one that fails, and what
    they say of versions that are better or worse than the others."""

    id: int
    name: str
    outputs: Mapping[str, Json]
    failure: str | None = None
    by_version: Mapping[int, Mapping[str, Json]] = field(default_factory=dict)

    def says(self, variables: JsonObject) -> Mapping[str, Json]:
        return self.by_version.get(variables.get("prompt_version", 0), self.outputs)


class Progress(Enum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"


@dataclass
class ReportRun:
    id: int
    name: str
    pipeline: Pipeline
    version: int | None  # of the pipeline's prompt
    started_at: datetime
    progress: Progress = Progress.RUNNING


@dataclass
class WorkflowRun:
    id: int
    workflow: Workflow
    variables: JsonObject
    progress: Progress = Progress.RUNNING


class Evaluations:
    """The evaluations of one workspace. Runs are finished at once unless they are held."""

    def __init__(self, registry: Registry, *, clock: Clock = now) -> None:
        self.lock = threading.RLock()
        self.logs: dict[int, Log] = {}
        self.pipelines: dict[int, Pipeline] = {}
        self.workflows: dict[str, Workflow] = {}
        self.report_runs: dict[int, ReportRun] = {}
        self.workflow_runs: dict[int, WorkflowRun] = {}
        self.tables = Tables(registry.workspace_id, clock)
        self.workspace_id = registry.workspace_id
        self._registry = registry
        self._clock = clock
        self._listeners: list[Listener] = []
        self._numbers = itertools.count(1)
        self._held = False

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    # The script

    def add_report(
        self,
        name: str,
        score: float | None,
        *,
        columns: Mapping[str, float] | None = None,
        prompt_id: int | None = None,
        label: str | None = None,
        failed_cells: int = 0,
    ) -> int:
        """A report whose runs will have this outcome; its number."""
        with self.lock:
            id = next(self._numbers)
            self.pipelines[id] = Pipeline(
                id, name, score, columns or {}, prompt_id, label, failed_cells
            )
            return id

    def add_workflow(
        self,
        name: str,
        outputs: Mapping[str, Json],
        *,
        failure: str | None = None,
        by_version: Mapping[int, Mapping[str, Json]] | None = None,
    ) -> int:
        """A workflow whose runs will say this; its number. With ``failure`` its nodes fail for
        that reason."""
        with self.lock:
            workflow = Workflow(next(self._numbers), name, outputs, failure, by_version or {})
            self.workflows[name] = workflow
            return workflow.id

    def hold(self) -> None:
        """Keep runs running until ``release``."""
        with self.lock:
            self._held = True

    def release(self) -> None:
        with self.lock:
            self._held = False
            for report in self.report_runs.values():
                self._finish_report(report)
            for workflow in self.workflow_runs.values():
                self._finish_workflow(workflow)

    # What the API does

    def log(self, body: JsonObject) -> Log:
        with self.lock:
            log = Log(next(self._numbers), body, self._version_of(body))
            self.logs[log.id] = log
            return log

    def track_score(self, request_id: Json, name: str, score: int) -> None:
        with self.lock:
            if request_id not in self.logs:
                raise Malformed(f"Request {request_id} not found.")
            self.logs[request_id].scores[name] = score

    def run_report(self, id: int, name: str) -> ReportRun:
        with self.lock:
            if id not in self.pipelines:
                raise NotFound(f"Report {id} not found.")
            pipeline = self.pipelines[id]
            version = None
            if pipeline.prompt_id is not None:
                entry = self._registry.entry(pipeline.prompt_id)
                version = self._registry.version(entry, label=pipeline.label).number
            run = ReportRun(next(self._numbers), name, pipeline, version, self._clock())
            self.report_runs[run.id] = run
            if not self._held:
                self._finish_report(run)
            return run

    def run_workflow(self, name: str, variables: JsonObject) -> WorkflowRun:
        with self.lock:
            run = WorkflowRun(next(self._numbers), self._workflow(name), variables)
            self.workflow_runs[run.id] = run
            if not self._held:
                self._finish_workflow(run)
            return run

    def report_run(self, id: int) -> ReportRun:
        if id not in self.report_runs:
            raise NotFound(f"Report {id} not found.")
        return self.report_runs[id]

    def workflow_run(self, id: int | None) -> WorkflowRun:
        if id not in self.workflow_runs:
            raise NotFound(f"Workflow version execution {id} not found.")
        return self.workflow_runs[id]

    def _version_of(self, body: JsonObject) -> Version | None:
        identifier = body.get("prompt_id") or body.get("prompt_name")
        if identifier is None:
            if body.get("prompt_version_number") is not None:
                raise Refused("prompt_version_number needs prompt_id or prompt_name")
            return None
        number = body.get("prompt_version_number")
        return self._registry.version(self._registry.entry(identifier), number=number)

    def _workflow(self, identifier: str) -> Workflow:
        for workflow in self.workflows.values():
            if identifier in (workflow.name, str(workflow.id)):
                return workflow
        raise NotFound(f"Workflow {identifier} not found.")

    def _finish_report(self, run: ReportRun) -> None:
        if run.progress is Progress.RUNNING:
            run.progress = Progress.COMPLETED
            self._announce("report_finished", {"report_id": run.id, "report_name": run.name})

    def _finish_workflow(self, run: WorkflowRun) -> None:
        if run.progress is Progress.RUNNING:
            run.progress = Progress.COMPLETED
            workflow = run.workflow
            details = {"agent_name": workflow.name, "agent_id": workflow.id}
            self._announce("agent_run_finished", {**details, "agent_execution_id": run.id})

    def _announce(self, event_type: str, details: JsonObject) -> None:
        told = payload(event_type, details, ADA, self.workspace_id, self._clock())
        for listener in self._listeners:
            listener(told)
