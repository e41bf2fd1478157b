"""Models of PromptLayer's responses about logs, tables, reports and workflow runs, with the fields
that are read. See ``bridge.promptlayer.response_models``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, RootModel


class LoggedRequestResponse(BaseModel):
    id: int | str  # a number in the documentation, 32 hex digits in a younger recording


class TitledItem(BaseModel):
    """A table, a sheet or a column, each with an id and a title."""

    id: str
    title: str
    workspace_id: int | None = None


class TitledItemPage(BaseModel):
    items: list[TitledItem] = Field(alias="data")
    next_cursor: str | None = None
    has_more: bool = False


class CreatedTableResponse(BaseModel):
    table: TitledItem


class SheetImportResponse(BaseModel):
    sheet: TitledItem


class ImportOperation(BaseModel):
    status: str  # pending, running, completed, failed
    error_message: str | None = None


class ImportResponse(BaseModel):
    operation: ImportOperation


class ReportRunResponse(BaseModel):
    report_id: int


class ReportSummary(BaseModel):
    prompt_registry_id: int | None = None
    prompt_version_number: int | None = None


class ReportStatusCounts(BaseModel):
    status_counts: dict[str, int] = Field(default_factory=dict)


class ReportResponse(BaseModel):
    report: ReportSummary
    status: str  # RUNNING, COMPLETED
    stats: ReportStatusCounts = Field(default_factory=ReportStatusCounts)


class ReportRunItem(BaseModel):
    id: int
    name: str


class ReportItem(BaseModel):
    """A report in the list of evaluations, with its runs."""

    id: int
    runs: list[ReportRunItem] = Field(default_factory=list)


class EvaluationPageResponse(BaseModel):
    evaluations: list[ReportItem]


class ColumnScore(BaseModel):
    column_name: str
    score: float | None = None


class ScoreDetails(BaseModel):
    """The details of a built-in score. Those of a custom score are not read."""

    columns: list[ColumnScore] = Field(default_factory=list)
    column_name: str | None = None  # where there is only one
    score: float | None = None


class ReportScore(BaseModel):
    overall_score: float | None
    details: ScoreDetails = Field(default_factory=ScoreDetails)


class ReportScoreResponse(BaseModel):
    score: ReportScore


class WorkflowResponse(BaseModel):
    """The documentation's schema calls the version ``version``, its example ``version_number``."""

    version: int | None = None
    version_number: int | None = None
    required_input_variables: dict[str, Any] | None = None

    @property
    def number(self) -> int | None:
        return self.version if self.version is not None else self.version_number


class WorkflowRunResponse(BaseModel):
    workflow_version_execution_id: int


class WorkflowNodeResult(BaseModel):
    status: str  # QUEUED, RUNNING, SUCCESS, FAILED (or FAILURE), SKIPPED
    value: Any = None
    error_message: str | None = None
    is_output_node: bool = False


class WorkflowResultsResponse(RootModel[dict[str, WorkflowNodeResult]]):
    """The results, by the names of nodes."""
