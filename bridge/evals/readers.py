"""From a file of results to runs: promptfoo's JSON, JUnit XML, and plain JSON or CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from bridge.evals import junit, plain, promptfoo
from bridge.evals.results import EvalCase, EvalRun, PromptRef
from bridge.evals.results_file import ResultsFile, as_moment
from bridge.prompts.prompt import Json


class Format(StrEnum):
    PROMPTFOO = "promptfoo"
    JUNIT = "junit"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class _Found:
    source: str
    cases: Iterable[EvalCase]
    started: datetime | None = None


@dataclass(frozen=True)
class _Prompts:
    """What the caller knows of prompts, by the words a file may use for them."""

    default: PromptRef | None
    known: Mapping[str, PromptRef]

    def find(self, word: str) -> PromptRef | None:
        if self.default is not None and word == self.default.name:
            return self.default
        return self.known.get(word)

    def ref(self, name: str) -> PromptRef:
        return self.find(name) or PromptRef(name)


def read_results(
    path: Path,
    prompt: PromptRef | None,
    *,
    known: Mapping[str, PromptRef] | None = None,
    format: Format | None = None,
    commit: str | None = None,
) -> tuple[EvalRun, ...]:
    """The runs of a file, one for each prompt it has results of, in order of appearance.

    ``prompt`` is what a case without a prompt of its own is about; ``known`` gives the prompts by
    the words a file may use for them: a name, a path, promptfoo's label. Without ``format`` the
    file's name and content tell. At most 50 MB and 100,000 cases.

    Raises ResultsError, with the file and, where there is one, the line: for a mistake, for no
    cases at all, and for a case whose prompt cannot be told.
    """
    file = ResultsFile.open(path)
    prompts = _Prompts(prompt, known or {})
    found = _READERS[format](file, prompts) if format else _recognised(path, file, prompts)
    cases = tuple(file.limited(found.cases))
    if not cases:
        file.refuse("there are no cases in it")
    run = EvalRun(
        found.source, _default(file, prompt, cases), cases, commit=commit, started=found.started
    )
    return tuple(_named_apart(one) for one in run.by_prompt())


def _default(file: ResultsFile, prompt: PromptRef | None, cases: tuple[EvalCase, ...]) -> PromptRef:
    if prompt is not None:
        return prompt
    for case in cases:
        if case.prompt is None:
            file.refuse(f"which prompt {case.name!r} is about is not told; name the prompt")
    assert cases[0].prompt is not None  # the loop saw to it
    return cases[0].prompt


def _recognised(path: Path, file: ResultsFile, prompts: _Prompts) -> _Found:
    kind = path.suffix.lower()
    if kind == ".xml":
        return _junit(file, prompts)
    if kind == ".csv":
        return _csv(file, prompts)
    if kind != ".json":
        file.refuse("expected a file that ends in .json, .xml or .csv, or to be told its format")
    document = file.json
    reader = _promptfoo if promptfoo.is_promptfoo(document) else _json
    return reader(file, prompts, document)


def _promptfoo(file: ResultsFile, prompts: _Prompts, document: Json = None) -> _Found:
    document = file.json if document is None else document
    if not promptfoo.is_promptfoo(document):
        file.refuse('expected the output of promptfoo, with "results" in "results"')
    cases = promptfoo.cases(file, document, prompts.find)
    return _Found(promptfoo.SOURCE, cases, as_moment(promptfoo.started(document)))


def _junit(file: ResultsFile, prompts: _Prompts) -> _Found:
    cases, started = junit.read(file, prompts.ref)
    return _Found(junit.SOURCE, cases, as_moment(started))


def _json(file: ResultsFile, prompts: _Prompts, document: Json = None) -> _Found:
    document = file.json if document is None else document
    started = document.get("started") if isinstance(document, dict) else None
    return _Found(plain.SOURCE, plain.json_cases(file, document, prompts.ref), as_moment(started))


def _csv(file: ResultsFile, prompts: _Prompts) -> _Found:
    return _Found(plain.SOURCE, plain.csv_cases(file, prompts.ref))


_READERS: Mapping[Format, Callable[[ResultsFile, _Prompts], _Found]] = {
    Format.PROMPTFOO: _promptfoo,
    Format.JUNIT: _junit,
    Format.JSON: _json,
    Format.CSV: _csv,
}


def _named_apart(run: EvalRun) -> EvalRun:
    """The run with no two cases of one name: a base and a change are compared case by case."""
    return replace(run, cases=tuple(_numbered(run.cases)))


def _numbered(cases: Iterable[EvalCase]) -> Iterator[EvalCase]:
    seen: Counter[str] = Counter()
    for case in cases:
        seen[case.name] += 1
        count = seen[case.name]
        yield case if count == 1 else replace(case, name=f"{case.name} ({count})")
