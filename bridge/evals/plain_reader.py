"""The plain forms of results: what a script of one's own writes.

JSON: a list of cases, or an object with them::

    {"prompt": "support/reply",          or {"name", "id", "version", "label"}; may be left out
     "started": "2026-01-31T12:00:00Z",  may be left out
     "cases": [{"name": "refund", "score": 0.9, "passed": true,     one of these two is needed
                "input": "…", "output": "…", "expected": "…", "reason": "…",
                "scores": {"tone": 0.8}, "prompt": …, "model": "openai:gpt-4o"}]}

CSV: a header, then one case a line, with the columns of the same names and ``score:<name>`` for
named scores. Scores are from 0 to 1. Other fields and columns are left alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping

from bridge.evals.eval_run import EvaluationCase, PromptReference, ResolvePrompt
from bridge.evals.results_file import MAX_FILE_BYTES, ResultsFile, format_value
from bridge.prompts.prompt import Json, JsonObject

SOURCE_NAME = "a script"

_TRUE = {"true", "yes", "pass", "passed", "1"}
_FALSE = {"false", "no", "fail", "failed", "0"}

csv.field_size_limit(MAX_FILE_BYTES)  # outputs of models are longer than the module expects


def read_json_cases(
    file: ResultsFile, document: Json, ref: ResolvePrompt
) -> Iterator[EvaluationCase]:
    whole = document if isinstance(document, dict) else {"cases": document}
    cases = whole.get("cases")
    if not isinstance(cases, list):
        file.raise_mistake('expected a list of cases, or an object with "cases"')
    shared = _prompt(file, whole.get("prompt"), "prompt", ref)
    for index, case in enumerate(cases):
        yield _json_case(file, case, f"cases[{index}]", shared, ref)


def _json_case(
    file: ResultsFile, case: Json, place: str, shared: PromptReference | None, ref: ResolvePrompt
) -> EvaluationCase:
    if not isinstance(case, dict):
        file.raise_mistake(f"{place}: expected an object")
    if not {"score", "passed"} & case.keys():
        file.raise_mistake(f'{place}: expected "score" or "passed"')
    score, passed = case.get("score"), case.get("passed")
    if passed is not None and not isinstance(passed, bool):
        file.raise_mistake(f"{place}.passed: expected true or false")
    return EvaluationCase(
        name=format_value(case.get("name")) or place,
        score=None if score is None else file.parse_score(score, f"{place}.score"),
        passed=passed,
        scores=_scores(file, case.get("scores"), f"{place}.scores"),
        prompt=_prompt(file, case.get("prompt"), f"{place}.prompt", ref) or shared,
        **_texts(case),
    )


def _texts(case: Mapping[str, Json]) -> dict[str, str | None]:
    names = ("input", "output", "expected", "reason", "model")
    return {name: format_value(case.get(name)) for name in names}


def _scores(file: ResultsFile, value: Json, place: str) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        file.raise_mistake(f"{place}: expected an object of numbers from 0 to 1")
    return {name: file.parse_score(score, f"{place}.{name}") for name, score in value.items()}


def _prompt(
    file: ResultsFile, value: Json, place: str, ref: ResolvePrompt
) -> PromptReference | None:
    if value is None:
        return None
    if isinstance(value, str) and value:
        return ref(value)
    if not isinstance(value, dict) or not (value.get("name") or value.get("id")):
        file.raise_mistake(f'{place}: expected a name, or an object with "name" or "id"')
    return PromptReference(
        name=_typed(file, value, "name", str, place),
        id=_typed(file, value, "id", int, place),
        version=_typed(file, value, "version", int, place),
        label=_typed(file, value, "label", str, place),
    )


def _typed(file: ResultsFile, value: JsonObject, key: str, kind: type, place: str) -> Json:
    found = value.get(key)
    if found is not None and (not isinstance(found, kind) or isinstance(found, bool)):
        file.raise_mistake(f"{place}.{key}: expected {'a number' if kind is int else 'a text'}")
    return found


def read_csv_cases(file: ResultsFile, ref: ResolvePrompt) -> Iterator[EvaluationCase]:
    reader = csv.reader(file.text.splitlines(keepends=True), strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        _check_columns(file, columns)
        for row in reader:
            if row:
                yield _CsvRow(file, columns, row, reader.line_num).build_case(ref)
    except csv.Error as error:
        file.raise_mistake(f"expected CSV: {error}", reader.line_num)


def _check_columns(file: ResultsFile, columns: list[str]) -> None:
    if not {"score", "passed"} & set(columns):
        file.raise_mistake('expected a header with a column "score" or "passed"', 1)
    twice = [column for column in columns if column and columns.count(column) > 1]
    if twice:
        file.raise_mistake(f'the column "{twice[0]}" is there twice', 1)


class _CsvRow:
    """One line, which ends in line ``line`` of the file."""

    def __init__(self, file: ResultsFile, columns: list[str], row: list[str], line: int) -> None:
        if len(row) != len(columns):
            file.raise_mistake(
                f"expected {len(columns)} values as in the header, got {len(row)}", line
            )
        self._file = file
        self._line = line
        self._values = {name: text for name, text in zip(columns, row, strict=True) if text.strip()}

    def build_case(self, ref: ResolvePrompt) -> EvaluationCase:
        values = self._values
        named = [column for column in values if column.startswith("score:")]
        return EvaluationCase(
            name=values.get("name") or f"line {self._line}",
            score=self._score("score") if "score" in values else None,
            passed=self._passed(),
            scores={column.removeprefix("score:"): self._score(column) for column in named},
            prompt=self._prompt(ref),
            **_texts(values),
        )

    def _passed(self) -> bool | None:
        word = self._values.get("passed", "").strip().lower()
        if word and word not in _TRUE | _FALSE:
            self._file.raise_mistake("passed: expected true or false", self._line)
        return word in _TRUE if word else None

    def _score(self, column: str) -> float:
        try:
            number = float(self._values[column])
        except ValueError:
            self._file.raise_mistake(f"{column}: expected a number from 0 to 1", self._line)
        return self._file.parse_score(number, column, self._line)

    def _prompt(self, ref: ResolvePrompt) -> PromptReference | None:
        name, version = self._values.get("prompt"), self._values.get("version", "").strip()
        if name is None:
            return None
        if not version:
            return ref(name)
        if not (version.isascii() and version.isdigit()):
            self._file.raise_mistake("version: expected a number", self._line)
        return PromptReference(name, version=int(version))
