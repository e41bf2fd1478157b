"""JUnit XML, as every test runner writes it.

A case passes unless it has a ``failure`` or an ``error``; a skipped one is not graded. Properties
of a case (pytest: ``record_property``) say more: ``parse_score``, ``score:<name>``, ``input``,
``output``, ``expected`` and ``prompt``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from xml.parsers import expat

from bridge.evals.eval_run import EvaluationCase, ResolvePrompt
from bridge.evals.results_file import ResultsFile

SOURCE_NAME = "JUnit"
_DEEPEST = 100  # elements in elements; real files have six
_VERDICTS = {"failure": False, "error": False, "skipped": None}


def read_junit(file: ResultsFile, ref: ResolvePrompt) -> tuple[list[EvaluationCase], str | None]:
    """The cases, and when the first suite started. Raises ResultsError; so does every document
    type declaration, since nothing good comes of entities."""
    document = _JUnitParser(file, ref)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = document.refuse_doctype
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.append_text
    document.line = lambda: parser.CurrentLineNumber
    try:
        parser.Parse(file.content, True)
    except expat.ExpatError as error:
        file.raise_mistake(f"expected XML: {expat.ErrorString(error.code)}", error.lineno)
    return document.cases, document.started


class _JUnitParser:
    """Collects the cases during parsing. ``line`` returns the parser's line."""

    line: Callable[[], int]

    def __init__(self, file: ResultsFile, ref: ResolvePrompt) -> None:
        self.cases: list[EvaluationCase] = []
        self.started: str | None = None
        self._file = file
        self._ref = ref
        self._open: list[str] = []
        self._case: _JUnitCase | None = None

    def refuse_doctype(self, *_: Any) -> None:
        self._refuse("a document type declaration (<!DOCTYPE …>) is not accepted; remove it")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name not in ("testsuites", "testsuite"):
            self._refuse(f"expected <testsuites> or <testsuite>, got <{name}>")
        self._open.append(name)
        if len(self._open) > _DEEPEST:
            self._refuse("the XML is nested too deeply")
        if name == "testsuite" and self.started is None:
            self.started = attributes.get("timestamp")
        elif name == "testcase":
            self._case = _JUnitCase(attributes)
        elif self._case is not None:
            self._case.start(name, attributes, self.line())

    def append_text(self, text: str) -> None:
        if self._case is not None:
            self._case.text.append(text)

    def end(self, name: str) -> None:
        self._open.pop()
        if self._case is None:
            return
        if name != "testcase":
            self._case.end(name)
            return
        self.cases += self._file.limit_cases([self._built(self._case)])
        self._case = None

    def _built(self, case: _JUnitCase) -> EvaluationCase:
        properties = case.properties
        scores = {
            name.removeprefix("score:"): self._score(case, name)
            for name in properties
            if name.startswith("score:")
        }
        return EvaluationCase(
            name=case.name,
            score=self._score(case, "score") if "score" in properties else None,
            passed=case.passed,
            input=properties.get("input"),
            output=properties.get("output"),
            expected=properties.get("expected"),
            reason=case.reason,
            scores=scores,
            prompt=self._ref(properties["prompt"]) if properties.get("prompt") else None,
        )

    def _score(self, case: _JUnitCase, name: str) -> float:
        place, line = f"property {name}", case.lines[name]
        try:
            return self._file.parse_score(float(case.properties[name]), place, line)
        except ValueError:
            self._file.raise_mistake(f"{place}: expected a number from 0 to 1", line)

    def _refuse(self, mistake: str) -> NoReturn:
        self._file.raise_mistake(mistake, self.line())


class _JUnitCase:
    """A testcase while it is read."""

    def __init__(self, attributes: dict[str, str]) -> None:
        names = (attributes.get("classname"), attributes.get("name"))
        self.name = ".".join(filter(None, names)) or "case"
        self.passed: bool | None = True
        self.reason: str | None = None
        self.properties: dict[str, str] = {}
        self.lines: dict[str, int] = {}  # of the properties
        self.text: list[str] = []
        self._property = ""

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.text.clear()
        if name in _VERDICTS:
            self.passed = _VERDICTS[name]
            self.reason = attributes.get("message")
        elif name == "property":
            self._property = attributes.get("name", "")
            self.properties[self._property] = attributes.get("value", "")
            self.lines[self._property] = line

    def end(self, name: str) -> None:
        said = "".join(self.text).strip()
        if name in _VERDICTS:
            self.reason = self.reason or said or None
        elif name == "property" and said:
            self.properties[self._property] = said
