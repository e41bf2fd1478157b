"""The tables of the stand-in: sheets imported from CSV files, their columns, and a scorecard.

An import advances with each poll. Of scorecard steps, only the bridge's own is computed,
``CONTAINS``.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from bridge.errors import NotFoundError, RequestRefusedError
from bridge.prompts.prompt import Json, JsonObject
from bridge.sandbox.event_announcer import EventClock


@dataclass
class FakeImport:
    id: str
    file_name: str
    rows: list[list[str]]  # the header first
    status: str = "pending"
    error: str | None = None


@dataclass
class FakeSheet:
    id: str
    table_id: str
    title: str
    index: int
    created_at: datetime
    operation: FakeImport
    columns: list[tuple[str, str]] = field(default_factory=list)  # (id, title)
    rows: list[list[str]] = field(default_factory=list)
    scorecard: JsonObject | None = None
    score: float | None = None  # of the newest calculation

    def list_column_values(self, title: str) -> list[str]:
        """A column from top to bottom."""
        index = [name for _, name in self.columns].index(title)
        return [row[index] for row in self.rows]


@dataclass
class FakeTable:
    id: str
    title: str
    folder_id: int | None
    created_at: datetime
    sheets: list[FakeSheet] = field(default_factory=list)


TableItem = TypeVar("TableItem", FakeTable, FakeSheet)


class FakeTables:
    """All tables of a workspace, the oldest first."""

    def __init__(self, workspace_id: int, clock: EventClock) -> None:
        self.workspace_id = workspace_id
        self.lock = threading.RLock()
        self.all: list[FakeTable] = []
        self.failure: str | None = None  # why the next imports fail
        self._clock = clock

    def create(self, title: str, folder_id: int | None) -> FakeTable:
        with self.lock:
            table = FakeTable(str(uuid.uuid4()), title, folder_id, self._clock())
            self.all.append(table)
            return table

    def find_table(self, id: str) -> FakeTable:
        return _found(self.all, id, "Table")

    def find_sheet(self, table_id: str, id: str) -> FakeSheet:
        return _found(self.find_table(table_id).sheets, id, "Sheet")

    def import_sheet(self, table: FakeTable, title: str | None, body: JsonObject) -> FakeSheet:
        """Create a sheet from the file in ``body``; a repeated operation returns its sheet."""
        source, operation_id = body.get("source"), body.get("operation_id") or str(uuid.uuid4())
        if not isinstance(source, dict) or source.get("type") != "file":
            raise RequestRefusedError("source.type: the stand-in imports files only")
        with self.lock:
            for sheet in table.sheets:
                if sheet.operation.id == operation_id:
                    return sheet
            operation = FakeImport(operation_id, str(source.get("file_name")), _rows(source))
            sheet = FakeSheet(
                id=str(uuid.uuid4()),
                table_id=table.id,
                title=title or operation.file_name,
                index=len(table.sheets),
                created_at=self._clock(),
                operation=operation,
            )
            table.sheets.append(sheet)
            return sheet

    def poll_import(self, table: FakeTable, operation_id: str) -> FakeImport:
        """Advance the operation by one step, and return it."""
        with self.lock:
            for sheet in table.sheets:
                if sheet.operation.id == operation_id:
                    self._advance(sheet)
                    return sheet.operation
        raise NotFoundError(f"Operation {operation_id} not found.")

    def _advance(self, sheet: FakeSheet) -> None:
        operation = sheet.operation
        if operation.status == "pending":
            operation.status = "running"
        elif operation.status == "running" and self.failure is not None:
            operation.status, operation.error = "failed", self.failure
        elif operation.status == "running":
            header, *sheet.rows = operation.rows
            sheet.columns = [(str(uuid.uuid4()), title) for title in header]
            operation.status = "completed"

    def recalculate(self, sheet: FakeSheet) -> None:
        with self.lock:
            if sheet.scorecard is None:
                raise NotFoundError("The sheet has no scorecard.")
            rates = [_rate(sheet, step) for step in sheet.scorecard["steps"]]
            sheet.score = sum(rates) / len(rates) if rates else None


def _rows(source: JsonObject) -> list[list[str]]:
    if not str(source.get("file_name")).endswith(".csv"):
        raise RequestRefusedError("source.file_name: the stand-in imports .csv files only")
    try:
        content = base64.b64decode(source.get("file_content_base64") or "", validate=True)
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (binascii.Error, UnicodeDecodeError, csv.Error) as error:
        raise RequestRefusedError(f"source.file_content_base64: {error}") from None
    if not rows:
        raise RequestRefusedError("source.file_content_base64: the file is empty")
    return rows


def _rate(sheet: FakeSheet, step: JsonObject) -> float:
    config: Json = step.get("primitive_config") or {}
    titles = dict(sheet.columns)
    if step.get("primitive_type") != "CONTAINS" or config.get("source") not in titles:
        raise RequestRefusedError(
            "steps: the stand-in computes CONTAINS of one of its columns only"
        )
    values = sheet.list_column_values(titles[config["source"]])
    return sum(str(config["value"]) in value for value in values) / max(len(values), 1)


def _found(items: Iterable[TableItem], id: str, kind: str) -> TableItem:
    for item in items:
        if item.id == id:
            return item
    raise NotFoundError(f"{kind} {id} not found.")
