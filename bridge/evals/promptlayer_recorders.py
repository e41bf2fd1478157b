"""Results into PromptLayer. It has no call that attaches a result to a version; there are two
documented ways around that, and ``RunRecorder`` is either.

``LogRecorder`` is the default: it is the only one that PromptLayer itself relates to the prompt
*and the version*, so the scores stand in that version's analytics, beside its production traffic.
Its price: every case is a logged request, which plans count, and a second run adds to the first.

``TableRecorder`` makes one sheet for each run in a table named after the prompt: all cases side by
side, one link, few requests, nothing that a plan counts, and doing it twice makes one. Its price:
the version is text in a title, and PromptLayer relates nothing to it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

from bridge.errors import BridgeError, RequestRefusedError, TransientError, UnavailableError
from bridge.evals.eval_run import EvaluationCase, EvaluationRun
from bridge.evals.result_polling import PollingPace, poll_until_found
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.evaluation_response_models import (
    CreatedTableResponse,
    ImportResponse,
    LoggedRequestResponse,
    SheetImportResponse,
    TitledItem,
    TitledItemPage,
)
from bridge.promptlayer.response_models import validate_response
from bridge.prompts.prompt import JsonObject
from bridge.prompts.pull_request.markdown import shorten

TABLES_PATH = "/api/public/v2/tables"
EVALUATION_TAG = "evaluation"
UNKNOWN_MODEL = ("unknown", "unknown")
_LONGEST_TAG = 512
_LONGEST_TITLE = 200
_COLUMNS = ("case", "input", "expected", "output", "score", "passed", "reason")
_IMPORT_PATIENCE = 120.0  # seconds


class RunRecorder(Protocol):
    """A way to make a run visible in PromptLayer."""

    def record(self, run: EvaluationRun) -> str | None:
        """Record the run; returns its address for people, where there is one. Raises
        the errors of PromptLayer's client, with the count of cases that were recorded before."""


class LogRecorder:
    """Records each case as a logged request of the prompt's version, with its score from 0 to
    100. Cases that were not graded are left out: PromptLayer takes a missing score for 0.
    ``model`` is (provider, name) where the results name no model. At most ``at_once``
    requests are made at the same time."""

    def __init__(
        self,
        promptlayer: PromptLayerClient,
        *,
        model: tuple[str, str] = UNKNOWN_MODEL,
        at_once: int = 4,
    ) -> None:
        self._promptlayer = promptlayer
        self._model = model
        self._at_once = at_once

    def record(self, run: EvaluationRun) -> str | None:
        cases = [case for case in run.cases if case.effective_score is not None]
        if not cases:
            raise RequestRefusedError(
                f"No case of {run.prompt.title} was graded, so there is none to log."
            )
        stop = threading.Event()
        with ThreadPoolExecutor(self._at_once) as pool:
            logged = [pool.submit(self._log, run, case, stop) for case in cases]
        _raise_first(logged)
        return None

    def _log(self, run: EvaluationRun, case: EvaluationCase, stop: threading.Event) -> bool:
        """Whether the case was logged: not after another one could not be."""
        if stop.is_set():
            return False
        try:
            self._log_case(run, case)
        except BridgeError:
            stop.set()
            raise
        return True

    def _log_case(self, run: EvaluationRun, case: EvaluationCase) -> None:
        body = _log_request(run, case, self._model)
        answer = self._promptlayer.send("POST", "/log-request", body)
        request = validate_response(LoggedRequestResponse, answer, "a logged request")
        for name, score in case.scores.items():
            fields = {"request_id": request.id, "name": name, "score": _percent(score)}
            self._promptlayer.send("POST", "/rest/track-score", fields)


def _raise_first(logged: Sequence[Future[bool]]) -> None:
    """Raise the first error, if any, telling how far the others came."""
    failed = [error for future in logged if (error := future.exception()) is not None]
    if not failed:
        return
    done = sum(future.exception() is None and future.result() for future in logged)
    raise _extended(failed[0], f"{done:,} of {len(logged):,} results were logged before.")


def _extended(error: BaseException, more: str) -> BaseException:
    if isinstance(error, TransientError):
        return type(error)(f"{error} {more}", retry_after=error.retry_after)
    return type(error)(f"{error} {more}") if isinstance(error, BridgeError) else error


def _log_request(run: EvaluationRun, case: EvaluationCase, model: tuple[str, str]) -> JsonObject:
    moment = (run.started_at or datetime.now(UTC)).isoformat()
    provider, name = _provider_and_model(case.model) or model
    prompt = {
        "prompt_name": run.prompt.name if run.prompt.id is None else None,
        "prompt_id": run.prompt.id,
        "prompt_version_number": run.prompt.version,
    }
    return {
        "provider": provider,
        "model": name,
        "input": _chat("user", case.input),
        "output": _chat("assistant", case.output),
        "request_start_time": moment,
        "request_end_time": moment,  # result files have no duration; 0 s misleads least
        "tags": [EVALUATION_TAG, shorten(run.source, _LONGEST_TAG)],
        "metadata": _log_metadata(run, case),
        "score": _percent(case.effective_score or 0.0),
        **{key: value for key, value in prompt.items() if value is not None},
    }


def _log_metadata(run: EvaluationRun, case: EvaluationCase) -> dict[str, str]:
    passed = None if case.passed is None else str(case.passed).lower()
    fields = {
        "case": case.name,
        "commit": run.commit,
        "expected": case.expected,
        "passed": passed,
        "reason": case.reason,
    }
    return {key: value for key, value in fields.items() if value}


def _provider_and_model(spelled: str | None) -> tuple[str, str] | None:
    """``openai:chat:gpt-4o`` → openai and gpt-4o."""
    provider, _, rest = (spelled or "").partition(":")
    model = rest.rpartition(":")[2]
    return (provider, model) if provider and model else None


def _chat(role: str, text: str | None) -> JsonObject:
    parts = [{"type": "text", "text": text or ""}]
    return {"type": "chat", "messages": [{"role": role, "content": parts}]}


def _percent(score: float) -> int:
    return round(score * 100)


class TableRecorder:
    """A sheet for each run, imported as a file, in the table of the prompt's name.

    Its scorecard is the share of cases that passed, held against ``minimum``: PromptLayer's
    scorecard steps compute from columns, and none is documented to take a score as it is. The
    scores themselves are columns. ``dashboard`` is where links lead.
    """

    def __init__(
        self,
        promptlayer: PromptLayerClient,
        *,
        dashboard: str = "https://dashboard.promptlayer.com",
        minimum: float = 0.8,
        pace: PollingPace | None = None,
    ) -> None:
        self._promptlayer = promptlayer
        self._dashboard = dashboard.rstrip("/")
        self._minimum = minimum
        self._pace = pace or PollingPace(timeout=_IMPORT_PATIENCE, interval=1.0)

    def record(self, run: EvaluationRun) -> str | None:
        if not run.cases:
            raise RequestRefusedError(
                f"The evaluation of {run.prompt.title} has no cases to make a table of."
            )
        table = self._ensure_table(_table_title(run))
        sheets = f"{TABLES_PATH}/{table.id}/sheets"
        content = _csv(run)
        title = _sheet_title(run, content)
        sheet = self._ensure_sheet(sheets, title, content)
        if any(case.passed is not None for case in run.cases):
            self._score(f"{sheets}/{sheet.id}", run)
        address = f"{self._dashboard}/workspace/{table.workspace_id}/smart-tables/{table.id}"
        return f"{address}?sheet={sheet.id}"

    def _ensure_table(self, title: str) -> TitledItem:
        found = self._find(TABLES_PATH, title, name=title)
        if found is not None:
            return found
        new = {"title": title, "create_default_sheet": False}
        answer = self._promptlayer.send("POST", TABLES_PATH, new)
        return validate_response(CreatedTableResponse, answer, "a new table").table

    def _find(self, path: str, title: str, name: str | None = None) -> TitledItem | None:
        """The first of this title in a list, all its pages."""
        cursor = None
        while True:
            params = {"name": name, "limit": 100, "cursor": cursor}
            answer = self._promptlayer.send_with_status("GET", path, params=params).body
            page = validate_response(TitledItemPage, answer, path)
            for item in page.items:
                if item.title == title:
                    return item
            if not page.has_more or page.next_cursor in (None, cursor):
                return None
            cursor = page.next_cursor

    def _ensure_sheet(self, sheets: str, title: str, content: bytes) -> TitledItem:
        """The sheet with its rows in it, whoever began to import them."""
        operation = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{sheets}/{title}"))
        sheet = self._find(sheets, title) or self._import(sheets, title, content, operation)
        place = f"{sheets}/operations/{operation}"
        poll_until_found(
            lambda: self._imported(place), self._pace, "PromptLayer's import of the results"
        )
        return sheet

    def _import(self, sheets: str, title: str, content: bytes, operation: str) -> TitledItem:
        source = {
            "type": "file",
            "file_name": "results.csv",
            "file_content_base64": base64.b64encode(content).decode("ascii"),
        }
        body = {"title": title, "operation_id": operation, "source": source}
        answer = self._promptlayer.send("POST", sheets, body)
        return validate_response(SheetImportResponse, answer, "the import of results").sheet

    def _imported(self, place: str) -> bool | None:
        answer = self._promptlayer.send("GET", place)
        operation = validate_response(ImportResponse, answer, "the import of results").operation
        if operation.status == "failed":
            reason = (operation.error_message or "it did not say why").rstrip(".")
            raise RequestRefusedError(
                f"PromptLayer could not import the results as a table: {reason}. Delete the sheet "
                "there to try it again."
            )
        return True if operation.status == "completed" else None

    def _score(self, sheet: str, run: EvaluationRun) -> None:
        passed = self._find(f"{sheet}/columns", "passed")
        if passed is None:
            raise UnavailableError(
                'PromptLayer imported the results without their column "passed".'
            )
        step = {
            "title": "passed",
            "primitive_type": "CONTAINS",
            "primitive_config": {"source": passed.id, "value": "true"},
            "source_column_ids": [passed.id],
            "order_index": 0,
            "weight": 1,
            "required": False,
        }
        aggregation = {
            "method": "weighted_mean",
            "required_step_failure_behavior": "fail",
            "pass_threshold": self._minimum,
            "warn_threshold": self._minimum,
        }
        name = shorten(run.source, _LONGEST_TITLE)
        card = {"name": name, "aggregation": aggregation, "steps": [step]}
        self._promptlayer.send("PATCH", f"{sheet}/scorecard", card)
        self._promptlayer.send("POST", f"{sheet}/scorecard/recalculate", {})


def _table_title(run: EvaluationRun) -> str:
    return shorten(f"Evaluations of {run.prompt.title}", _LONGEST_TITLE)


def _sheet_title(run: EvaluationRun, content: bytes) -> str:
    """Build the title from the version, the commit and the score, with a digest of the content
    at the end, so that the same results are found again."""
    score = f"score {run.score:.3f}" if run.score is not None else ""
    parts = [
        run.prompt.version_text,
        (run.commit or "")[:10],
        score,
        hashlib.sha256(content).hexdigest()[:8],
    ]
    return " · ".join(filter(None, parts))


def _csv(run: EvaluationRun) -> bytes:
    names = sorted({name for case in run.cases for name in case.scores})
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*_COLUMNS, *(f"score: {name}" for name in names)])
    for case in run.cases:
        writer.writerow([*_row(case), *(_spelled(case.scores, name) for name in names)])
    return text.getvalue().encode("utf-8")


def _row(case: EvaluationCase) -> list[str]:
    score = "" if case.score is None else f"{case.score:g}"
    passed = "" if case.passed is None else str(case.passed).lower()
    texts = [text or "" for text in (case.input, case.expected, case.output)]
    return [case.name, *texts, score, passed, case.reason or ""]


def _spelled(scores: Mapping[str, float], name: str) -> str:
    return f"{scores[name]:g}" if name in scores else ""
