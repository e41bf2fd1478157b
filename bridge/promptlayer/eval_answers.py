"""The shapes of PromptLayer's answers about logs, tables, reports and workflow runs, as far as
they are read. See ``bridge.promptlayer.answers``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, RootModel


class LoggedRequest(BaseModel):
    id: int | str  # a number in the documentation, 32 hex digits in a younger recording


class Titled(BaseModel):
    """A table, a sheet or a column: all have an id and a title."""

    id: str
    title: str
    workspace_id: int | None = None


class TitledPage(BaseModel):
    items: list[Titled] = Field(alias="data")
    next_cursor: str | None = None
    has_more: bool = False


class MadeTable(BaseModel):
    table: Titled


class SheetImport(BaseModel):
    sheet: Titled


class ImportState(BaseModel):
    status: str  # pending, running, completed, failed
    error_message: str | None = None


class ImportAnswer(BaseModel):
    operation: ImportState


class ReportRun(BaseModel):
    report_id: int


class Report(BaseModel):
    prompt_registry_id: int | None = None
    prompt_version_number: int | None = None


class ReportStats(BaseModel):
    status_counts: dict[str, int] = Field(default_factory=dict)


class ReportAnswer(BaseModel):
    report: Report
    status: str  # RUNNING, COMPLETED
    stats: ReportStats = Field(default_factory=ReportStats)


class ColumnScore(BaseModel):
    column_name: str
    score: float | None = None


class ScoreDetails(BaseModel):
    """Of a custom score, and of none, nothing is read."""

    columns: list[ColumnScore] = Field(default_factory=list)
    column_name: str | None = None  # where there is only one
    score: float | None = None


class ReportScore(BaseModel):
    overall_score: float | None
    details: ScoreDetails = Field(default_factory=ScoreDetails)


class ReportScoreAnswer(BaseModel):
    score: ReportScore


class WorkflowRun(BaseModel):
    workflow_version_execution_id: int


class WorkflowNode(BaseModel):
    status: str  # QUEUED, RUNNING, SUCCESS, FAILED (or FAILURE), SKIPPED
    value: Any = None
    error_message: str | None = None
    is_output_node: bool = False


class WorkflowNodes(RootModel[dict[str, WorkflowNode]]):
    """By the nodes' names."""
