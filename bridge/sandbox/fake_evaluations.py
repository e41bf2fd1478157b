"""The evaluations of the stand-in: logged requests with scores, reports and workflows with a
scripted outcome, and tables.

The end of each run is announced as PromptLayer's webhooks do. Safe for threads.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from bridge.errors import NotFoundError
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.event_announcer import EventClock, EventListener, build_event_payload
from bridge.sandbox.fake_tables import FakeTables
from bridge.sandbox.registry import PromptRegistry, get_current_time
from bridge.sandbox.registry_entries import DEFAULT_EDITOR
from bridge.sandbox.request_logs import RequestLogs


@dataclass(frozen=True)
class ReportPipeline:
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
class ScriptedWorkflow:
    """A workflow: the results of its output nodes, the node that fails, and results for versions
    that are better or worse."""

    id: int
    name: str
    outputs: Mapping[str, Json]
    failure: str | None = None
    by_version: Mapping[int, Mapping[str, Json]] = field(default_factory=dict)
    version: int = 1
    inputs: tuple[str, ...] = ()  # names of the input variables that it requires

    def compute_outputs(self, variables: JsonObject) -> Mapping[str, Json]:
        return self.by_version.get(variables.get("prompt_version", 0), self.outputs)


class RunProgress(Enum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


@dataclass
class FakeReportRun:
    id: int
    name: str
    pipeline: ReportPipeline
    version: int | None  # of the pipeline's prompt
    started_at: datetime
    progress: RunProgress = RunProgress.RUNNING


@dataclass
class FakeWorkflowRun:
    id: int
    workflow: ScriptedWorkflow
    variables: JsonObject
    version: int
    progress: RunProgress = RunProgress.RUNNING


class FakeEvaluations:
    """The evaluations of one workspace. Runs are finished at once unless they are held back."""

    def __init__(self, registry: PromptRegistry, *, clock: EventClock = get_current_time) -> None:
        self.lock = threading.RLock()
        self.logs = RequestLogs(registry)
        self.pipelines: dict[int, ReportPipeline] = {}
        self.workflows: dict[str, ScriptedWorkflow] = {}
        self.report_runs: dict[int, FakeReportRun] = {}
        self.workflow_runs: dict[int, FakeWorkflowRun] = {}
        self.tables = FakeTables(registry.workspace_id, clock)
        self.workspace_id = registry.workspace_id
        self._registry = registry
        self._clock = clock
        self._listeners: list[EventListener] = []
        self._numbers = itertools.count(1)
        self._held = False

    def subscribe(self, listener: EventListener) -> None:
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
        """Add a report whose runs have this outcome; returns its id."""
        with self.lock:
            id = next(self._numbers)
            self.pipelines[id] = ReportPipeline(
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
        inputs: tuple[str, ...] = (),
    ) -> int:
        """Add a workflow whose runs have this outcome, or the next version of the one with this
        name; returns its id. With ``failure`` its nodes fail for that reason."""
        with self.lock:
            known = self.workflows.get(name)
            workflow = ScriptedWorkflow(
                known.id if known else next(self._numbers),
                name,
                outputs,
                failure,
                by_version or {},
                known.version + 1 if known else 1,
                inputs,
            )
            self.workflows[name] = workflow
            return workflow.id

    def cancel_runs(self) -> None:
        """Somebody stops everything that runs."""
        with self.lock:
            for report in self.report_runs.values():
                self._finish_report(report, RunProgress.CANCELLED)
            for workflow in self.workflow_runs.values():
                self._finish_workflow(workflow, RunProgress.CANCELLED)

    def hold_runs(self) -> None:
        """Let runs continue until ``release_runs``."""
        with self.lock:
            self._held = True

    def release_runs(self) -> None:
        with self.lock:
            self._held = False
            for report in self.report_runs.values():
                self._finish_report(report)
            for workflow in self.workflow_runs.values():
                self._finish_workflow(workflow)

    # What the API does

    def run_report(self, id: int, name: str) -> FakeReportRun:
        with self.lock:
            if id not in self.pipelines:
                raise NotFoundError(f"Report {id} not found.")
            pipeline = self.pipelines[id]
            version = None
            if pipeline.prompt_id is not None:
                entry = self._registry.find_entry(pipeline.prompt_id)
                version = self._registry.find_version(entry, label=pipeline.label).number
            run = FakeReportRun(next(self._numbers), name, pipeline, version, self._clock())
            self.report_runs[run.id] = run
            if not self._held:
                self._finish_report(run)
            return run

    def run_workflow(
        self, name: str, variables: JsonObject, version: int | None = None
    ) -> FakeWorkflowRun:
        with self.lock:
            workflow = self.find_workflow(name)
            number = version or workflow.version
            if number > workflow.version:
                raise NotFoundError(f"Workflow {name} has no version {number}.")
            run = FakeWorkflowRun(next(self._numbers), workflow, variables, number)
            self.workflow_runs[run.id] = run
            if not self._held:
                self._finish_workflow(run)
            return run

    def find_report_run(self, id: int) -> FakeReportRun:
        if id not in self.report_runs:
            raise NotFoundError(f"Report {id} not found.")
        return self.report_runs[id]

    def find_workflow_run(self, id: int | None) -> FakeWorkflowRun:
        if id not in self.workflow_runs:
            raise NotFoundError(f"Workflow version execution {id} not found.")
        return self.workflow_runs[id]

    def find_workflow(self, identifier: str) -> ScriptedWorkflow:
        for workflow in self.workflows.values():
            if identifier in (workflow.name, str(workflow.id)):
                return workflow
        raise NotFoundError(f"Workflow {identifier} not found.")

    def _finish_report(
        self, run: FakeReportRun, progress: RunProgress = RunProgress.COMPLETED
    ) -> None:
        if run.progress is RunProgress.RUNNING:
            run.progress = progress
            self._announce("report_finished", {"report_id": run.id, "report_name": run.name})

    def _finish_workflow(
        self, run: FakeWorkflowRun, progress: RunProgress = RunProgress.COMPLETED
    ) -> None:
        if run.progress is RunProgress.RUNNING:
            run.progress = progress
            workflow = run.workflow
            details = {"agent_name": workflow.name, "agent_id": workflow.id}
            self._announce("agent_run_finished", {**details, "agent_execution_id": run.id})

    def _announce(self, event_type: str, details: JsonObject) -> None:
        told = build_event_payload(
            event_type, details, DEFAULT_EDITOR, self.workspace_id, self._clock()
        )
        for listener in self._listeners:
            listener(told)
