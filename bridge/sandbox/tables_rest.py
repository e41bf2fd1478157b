"""The stand-in's endpoints about tables, as far as the bridge uses them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.errors import RequestRefusedError
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.fake_tables import FakeImport, FakeSheet, FakeTable, FakeTables
from bridge.sandbox.rest_endpoint import EndpointAction, create_endpoint, get_number_parameter


class TablesRestApi:
    """Tables, sheets from files, columns, scorecards. Lists come in pages by cursor."""

    def __init__(self, tables: FakeTables) -> None:
        self._tables = tables

    def create_routes(self, api_key: str) -> list[Route]:
        all_tables = "/api/public/v2/tables"
        sheets = f"{all_tables}/{{table}}/sheets"
        one = f"{sheets}/{{sheet}}"
        table: list[tuple[str, str, EndpointAction]] = [
            ("GET", all_tables, self.list_tables),
            ("POST", all_tables, self.create_table),
            ("GET", sheets, self.list_sheets),
            ("POST", sheets, self.create_sheet),
            ("GET", f"{sheets}/operations/{{operation}}", self.read_operation),
            ("GET", f"{one}/columns", self.list_columns),
            ("GET", f"{one}/scorecard", self.read_scorecard),
            ("PATCH", f"{one}/scorecard", self.configure_scorecard),
            ("POST", f"{one}/scorecard/recalculate", self.recalculate),
        ]
        return [
            Route(path, create_endpoint(action, api_key), methods=[method])
            for method, path, action in table
        ]

    def list_tables(self, request: Request, _: JsonObject) -> Response:
        wanted = request.query_params.get("name", "").lower()
        found = [table for table in self._tables.all if wanted in table.title.lower()]
        if request.query_params.get("order", "desc") == "desc":
            found.reverse()
        return _page(request, [self._table(table) for table in found], 20)

    def create_table(self, _: Request, body: JsonObject) -> Response:
        if body.get("create_default_sheet", True):
            raise RequestRefusedError(
                "create_default_sheet: the stand-in makes tables without one only"
            )
        title = body.get("title") or "Untitled Table"
        table = self._tables.create(title, body.get("folder_id"))
        return JSONResponse({"success": True, "table": self._table(table)}, 201)

    def list_sheets(self, request: Request, _: JsonObject) -> Response:
        table = self._tables.find_table(request.path_params["table"])
        return _page(request, [self._sheet(sheet) for sheet in table.sheets], 20)

    def create_sheet(self, request: Request, body: JsonObject) -> Response:
        table = self._tables.find_table(request.path_params["table"])
        sheet = self._tables.import_sheet(table, body.get("title"), body)
        answer = {
            "success": True,
            "message": "Import started",
            "operation_id": sheet.operation.id,
            "operation": _operation(sheet.operation),
            "sheet": self._sheet(sheet),
        }
        return JSONResponse(answer, 202)

    def read_operation(self, request: Request, _: JsonObject) -> Response:
        table = self._tables.find_table(request.path_params["table"])
        operation = self._tables.poll_import(table, request.path_params["operation"])
        return JSONResponse({"success": True, "operation": _operation(operation)})

    def list_columns(self, request: Request, _: JsonObject) -> Response:
        sheet = self._named(request)
        columns = [
            {
                "id": id,
                "sheet_id": sheet.id,
                "workspace_id": self._tables.workspace_id,
                "title": title,
                "type": "TEXT",
                "config": {},
                "position_rank": rank,
                "is_output_column": False,
            }
            for rank, (id, title) in enumerate(sheet.columns)
        ]
        return _page(request, columns, 100)

    def configure_scorecard(self, request: Request, body: JsonObject) -> Response:
        sheet = self._named(request)
        for name in ("name", "aggregation"):
            if name not in body:
                raise RequestRefusedError(f"{name}: Field required")
        sheet.scorecard = {"id": str(uuid.uuid4()), "steps": [], **body}
        return JSONResponse({"success": True, "scorecard": self._scorecard(sheet), "version": 1})

    def read_scorecard(self, request: Request, _: JsonObject) -> Response:
        sheet = self._named(request)
        card = self._scorecard(sheet) if sheet.scorecard else None
        calculation = self._calculation(sheet) if sheet.score is not None else None
        return JSONResponse({"success": True, "scorecard": card, "latest_calculation": calculation})

    def recalculate(self, request: Request, _: JsonObject) -> Response:
        self._tables.recalculate(self._named(request))
        answer = {"success": True, "calculation_id": str(uuid.uuid4()), "status": "queued"}
        return JSONResponse({**answer, "version": 1}, 202)

    def _named(self, request: Request) -> FakeSheet:
        return self._tables.find_sheet(request.path_params["table"], request.path_params["sheet"])

    def _table(self, table: FakeTable) -> JsonObject:
        at = table.created_at.isoformat()
        return {
            "id": table.id,
            "workspace_id": self._tables.workspace_id,
            "title": table.title,
            "folder_id": table.folder_id,
            "sheet_count": len(table.sheets),
            "created_at": at,
            "updated_at": at,
        }

    def _sheet(self, sheet: FakeSheet) -> JsonObject:
        at = sheet.created_at.isoformat()
        return {
            "id": sheet.id,
            "table_id": sheet.table_id,
            "workspace_id": self._tables.workspace_id,
            "title": sheet.title,
            "index": sheet.index,
            "row_count": len(sheet.rows),
            "version_count": 1,
            "created_at": at,
            "updated_at": at,
        }

    def _scorecard(self, sheet: FakeSheet) -> JsonObject:
        assert sheet.scorecard is not None
        at = sheet.created_at.isoformat()
        return {
            "workspace_id": self._tables.workspace_id,
            "smart_table_id": sheet.table_id,
            "sheet_id": sheet.id,
            "evaluated_column_ids": [],
            "status": "ready" if sheet.score is None else "completed",
            "stale_state": None,
            "created_at": at,
            "updated_at": at,
            **sheet.scorecard,
        }

    def _calculation(self, sheet: FakeSheet) -> JsonObject:
        assert sheet.scorecard is not None
        assert sheet.score is not None
        good = sheet.score >= sheet.scorecard["aggregation"]["pass_threshold"]
        return {
            "id": str(uuid.uuid4()),
            "scorecard_id": sheet.scorecard["id"],
            "workspace_id": self._tables.workspace_id,
            "sheet_id": sheet.id,
            "sheet_revision": "1",
            "status": "completed",
            "aggregate_score": sheet.score,
            "aggregate_verdict": "pass" if good else "fail",
            "criterion_summaries": {},
        }


def _page(request: Request, items: Sequence[JsonObject], size: int) -> Response:
    """A page of a list: ``limit`` items from ``cursor`` on."""
    limit, start = (
        get_number_parameter(request, "limit") or size,
        get_number_parameter(request, "cursor") or 0,
    )
    if limit > 100:
        raise RequestRefusedError("limit: Input should be less than or equal to 100")
    end = start + limit
    more = end < len(items)
    cursor = str(end) if more else None
    return JSONResponse({"data": items[start:end], "next_cursor": cursor, "has_more": more})


def _operation(operation: FakeImport) -> JsonObject:
    done = operation.status == "completed"
    return {
        "operation_id": operation.id,
        "source": "file",
        "status": operation.status,
        "file_name": operation.file_name,
        "rows_added": len(operation.rows) - 1 if done else None,
        "error_message": operation.error,
    }
