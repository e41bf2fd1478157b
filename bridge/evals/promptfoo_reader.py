"""promptfoo's JSON output (``promptfoo eval --output results.json``), versions 2 and 3 of it.

https://promptfoo.dev/docs/configuration/outputs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.evals.eval_run import EvaluationCase, PromptReference
from bridge.evals.results_file import ResultsFile, clamp_score, format_value
from bridge.prompts.prompt import Json, JsonObject
from bridge.prompts.pull_request.markdown import shorten_middle

FindKnownPrompt = Callable[[str], PromptReference | None]

SOURCE_NAME = "promptfoo"
_LONGEST_NAME = 120  # characters of a case that is named by its variables


def is_promptfoo(document: Json) -> bool:
    """Whether a document has the shape of promptfoo's output."""
    return isinstance(document, dict) and isinstance(
        _object(document, "results").get("results"), list
    )


def find_start_time(document: JsonObject) -> Json:
    return _object(document, "results").get("timestamp")


def read_promptfoo_cases(
    file: ResultsFile, document: JsonObject, known: FindKnownPrompt
) -> Iterator[EvaluationCase]:
    """Read the cases in the order of the file. The prompt is found by the label promptfoo gave
    it, or by its text, where ``known`` has either; otherwise it is the run's."""
    output = _object(document, "results")
    results = []
    for index, result in enumerate(output["results"]):
        if not isinstance(result, dict):
            file.raise_mistake(f"results.results[{index}]: expected an object")
        results.append(_PromptfooResult(index, result, _prompt(output, result), known))
    prompts = {result.label for result in results if result.prompt_in_file is None}
    models = {result.model for result in results}
    for result in results:
        marks = [result.model] if len(models) > 1 else []
        marks += [result.label] if len(prompts) > 1 and result.prompt_in_file is None else []
        yield result.build_case(marks)


@dataclass(frozen=True)
class _PromptfooResult:
    index: int
    result: JsonObject
    prompt: JsonObject  # with the label, and the text before its variables were filled in
    find_known: FindKnownPrompt

    @property
    def label(self) -> str:
        return str(self.prompt.get("label") or self.prompt.get("raw") or "")

    @property
    def prompt_in_file(self) -> PromptReference | None:
        label = self.label.removeprefix("file://")
        # A prompt from a file is labelled "path: the beginning of its text".
        spellings = [label, label.partition(": ")[0], str(self.prompt.get("raw"))]
        return next(filter(None, map(self.find_known, spellings)), None)

    @property
    def model(self) -> str:
        provider = self.result.get("provider")
        if isinstance(provider, dict):
            return str(provider.get("id") or provider.get("label") or "")
        return str(provider or "")

    def build_case(self, marks: list[str]) -> EvaluationCase:
        grading = _object(self.result, "gradingResult")
        error = format_value(self.result.get("error"))
        passed = self.result.get("success", grading.get("pass"))
        return EvaluationCase(
            name=" · ".join([self._name(), *filter(None, marks)]),
            score=clamp_score(self.result.get("score", grading.get("score"))),
            passed=passed if isinstance(passed, bool) else None,
            input=format_value(_object(self.result, "prompt").get("raw")),
            output=format_value(_object(self.result, "response").get("output")),
            expected=self._expected(),
            reason=error or format_value(grading.get("reason")),
            scores=_named_scores(self.result.get("namedScores") or grading.get("namedScores")),
            prompt=self.prompt_in_file,
            model=self.model or None,
        )

    def _name(self) -> str:
        test = _object(self.result, "testCase")
        if isinstance(test.get("description"), str) and test["description"].strip():
            return str(test["description"])
        variables = _object(self.result, "vars") or _object(test, "vars")
        if variables:
            spelled = ", ".join(
                f"{name}={format_value(value)}" for name, value in variables.items()
            )
            return shorten_middle(spelled, _LONGEST_NAME)
        number = self.result.get("testIdx")
        return f"case {(number if isinstance(number, int) else self.index) + 1}"

    def _expected(self) -> str | None:
        wanted = _object(self.result, "testCase").get("assert")
        spelled = [
            f"{one.get('type')}: {one['value']}"
            for one in (wanted if isinstance(wanted, list) else [])
            if isinstance(one, dict) and isinstance(one.get("value"), str | int | float)
        ]
        return "\n".join(spelled) or None


def _prompt(output: JsonObject, result: JsonObject) -> JsonObject:
    """The prompt as configured; a result's own copy has its variables filled in."""
    prompts, index = output.get("prompts"), result.get("promptIdx")
    if isinstance(prompts, list) and isinstance(index, int) and 0 <= index < len(prompts):
        configured = prompts[index]
        if isinstance(configured, dict):
            return configured
    return _object(result, "prompt")


def _named_scores(value: Json) -> dict[str, float]:
    scores = value if isinstance(value, dict) else {}
    clamped_scores = ((name, clamp_score(score)) for name, score in scores.items())
    return {name: score for name, score in clamped_scores if score is not None}


def _object(parent: JsonObject, key: str) -> JsonObject:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
