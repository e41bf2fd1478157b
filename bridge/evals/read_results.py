"""From a file of results to runs: promptfoo's JSON, JUnit XML, and plain JSON or CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from bridge.evals import junit_reader, plain_reader, promptfoo_reader
from bridge.evals.eval_run import EvaluationCase, EvaluationRun, PromptReference
from bridge.evals.results_file import ResultsFile, parse_timestamp
from bridge.prompts.prompt import Json


class ResultsFormat(StrEnum):
    PROMPTFOO = "promptfoo"
    JUNIT = "junit"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class _ReadResults:
    source: str
    cases: Iterable[EvaluationCase]
    started: datetime | None = None


@dataclass(frozen=True)
class _PromptLookup:
    """Finds the caller's prompts by the names that a file may use for them."""

    default: PromptReference | None
    prompt_by_word: Mapping[str, PromptReference]

    def find(self, word: str) -> PromptReference | None:
        if self.default is not None and word == self.default.name:
            return self.default
        return self.prompt_by_word.get(word)

    def resolve(self, name: str) -> PromptReference:
        return self.find(name) or PromptReference(name)


def read_results(
    path: Path,
    prompt: PromptReference | None,
    *,
    known: Mapping[str, PromptReference] | None = None,
    format: ResultsFormat | None = None,
    commit: str | None = None,
) -> tuple[EvaluationRun, ...]:
    """Read the runs of a file, one for each prompt it has results of, in order of appearance.
    ``prompt`` is the prompt of cases without one of their own; ``known`` maps the names that
    a file may use to prompts: a name, a path, promptfoo's label. Without ``format`` the
    file's name and content decide. At most 50 MB and 100,000 cases. Raises ResultsError, with
    the file and, where there is one, the line: for a mistake, for no cases at all, and for a
    case without a prompt."""
    file = ResultsFile.open(path)
    prompts = _PromptLookup(prompt, known or {})
    found = _READERS[format](file, prompts) if format else _recognised(path, file, prompts)
    cases = tuple(file.limit_cases(found.cases))
    if not cases:
        file.raise_mistake("there are no cases in it")
    run = EvaluationRun(
        found.source, _default(file, prompt, cases), cases, commit=commit, started_at=found.started
    )
    return tuple(_named_apart(one) for one in run.split_by_prompt())


def _default(
    file: ResultsFile, prompt: PromptReference | None, cases: tuple[EvaluationCase, ...]
) -> PromptReference:
    if prompt is not None:
        return prompt
    for case in cases:
        if case.prompt is None:
            file.raise_mistake(f"which prompt {case.name!r} is about is not told; name the prompt")
    assert cases[0].prompt is not None  # the loop saw to it
    return cases[0].prompt


def _recognised(path: Path, file: ResultsFile, prompts: _PromptLookup) -> _ReadResults:
    kind = path.suffix.lower()
    if kind == ".xml":
        return _junit(file, prompts)
    if kind == ".csv":
        return _csv(file, prompts)
    if kind != ".json":
        file.raise_mistake(
            "expected a file that ends in .json, .xml or .csv, or to be told its format"
        )
    document = file.parsed_json
    reader = _promptfoo if promptfoo_reader.is_promptfoo(document) else _json
    return reader(file, prompts, document)


def _promptfoo(file: ResultsFile, prompts: _PromptLookup, document: Json = None) -> _ReadResults:
    document = file.parsed_json if document is None else document
    if not promptfoo_reader.is_promptfoo(document):
        file.raise_mistake('expected the output of promptfoo, with "results" in "results"')
    cases = promptfoo_reader.read_promptfoo_cases(file, document, prompts.find)
    return _ReadResults(
        promptfoo_reader.SOURCE_NAME,
        cases,
        parse_timestamp(promptfoo_reader.find_start_time(document)),
    )


def _junit(file: ResultsFile, prompts: _PromptLookup) -> _ReadResults:
    cases, started = junit_reader.read_junit(file, prompts.resolve)
    return _ReadResults(junit_reader.SOURCE_NAME, cases, parse_timestamp(started))


def _json(file: ResultsFile, prompts: _PromptLookup, document: Json = None) -> _ReadResults:
    document = file.parsed_json if document is None else document
    started = document.get("started") if isinstance(document, dict) else None
    return _ReadResults(
        plain_reader.SOURCE_NAME,
        plain_reader.read_json_cases(file, document, prompts.resolve),
        parse_timestamp(started),
    )


def _csv(file: ResultsFile, prompts: _PromptLookup) -> _ReadResults:
    return _ReadResults(
        plain_reader.SOURCE_NAME, plain_reader.read_csv_cases(file, prompts.resolve)
    )


_READERS: Mapping[ResultsFormat, Callable[[ResultsFile, _PromptLookup], _ReadResults]] = {
    ResultsFormat.PROMPTFOO: _promptfoo,
    ResultsFormat.JUNIT: _junit,
    ResultsFormat.JSON: _json,
    ResultsFormat.CSV: _csv,
}


def _named_apart(run: EvaluationRun) -> EvaluationRun:
    """The run with no two cases of one name: a base and a change are compared case by case."""
    return replace(run, cases=tuple(_numbered(run.cases)))


def _numbered(cases: Iterable[EvaluationCase]) -> Iterator[EvaluationCase]:
    seen: Counter[str] = Counter()
    for case in cases:
        seen[case.name] += 1
        count = seen[case.name]
        yield case if count == 1 else replace(case, name=f"{case.name} ({count})")
