"""The results of an evaluation, as values. Every score is from 0 (worst) to 1 (best)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from statistics import fmean

from bridge.prompts.prompt import LATEST


@dataclass(frozen=True)
class PromptReference:
    """The prompt that was evaluated, as far as it is known: by name or by number, and in which
    version or under which label."""

    name: str | None = None
    id: int | None = None
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if not self.name and self.id is None:
            raise ValueError("A prompt is named or numbered.")

    @property
    def title(self) -> str:
        return self.name or f"prompt {self.id}"

    @property
    def version_text(self) -> str:
        """``version 9``, the label, or nothing where neither is known."""
        if self.version is not None:
            return f"version {self.version}"
        if self.label == LATEST:
            return "the newest version"
        return f"label {self.label}" if self.label else ""


ResolvePrompt = Callable[[str], PromptReference]
"""Finds the prompt that a name in a results file means."""


@dataclass(frozen=True)
class EvaluationCase:
    """One case. With neither ``score`` nor ``passed_count`` it was not graded (skipped)."""

    name: str
    score: float | None = None
    passed: bool | None = None
    input: str | None = None
    output: str | None = None
    expected: str | None = None
    reason: str | None = None  # why it got this score
    scores: Mapping[str, float] = field(default_factory=dict)  # by the name of what was measured
    prompt: PromptReference | None = None  # where it is not the run's
    model: str | None = None  # as the source spells it: "openai:gpt-4o"

    @property
    def effective_score(self) -> float | None:
        """The case's part of the run's score: its own score, or 1 and 0 for passed and failed."""
        if self.score is not None:
            return self.score
        return None if self.passed is None else float(self.passed)


@dataclass(frozen=True)
class EvaluationRun:
    """One evaluation of one prompt. Where PromptLayer did the counting there are no cases, and
    ``overall_score`` and ``named_scores`` hold what it counted."""

    source: str  # who evaluated: "promptfoo", "JUnit", …
    prompt: PromptReference
    cases: tuple[EvaluationCase, ...] = ()
    commit: str | None = None
    started_at: datetime | None = None  # aware
    overall_score: float | None = None
    named_scores: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None  # remarks on how the result came about
    link: str | None = None

    @property
    def score(self) -> float | None:
        """The mean of the graded cases, unless somebody else weighed them; None for none."""
        if self.overall_score is not None:
            return self.overall_score
        return _mean(case.effective_score for case in self.cases)

    @cached_property
    def scores(self) -> Mapping[str, float]:
        """The mean of each named score, over the cases that have it."""
        if self.named_scores:
            return self.named_scores
        found: defaultdict[str, list[float]] = defaultdict(list)
        for case in self.cases:
            for name, score in case.scores.items():
                found[name].append(score)
        return {name: fmean(scores) for name, scores in found.items()}

    @property
    def passed_count(self) -> int:
        """How many cases passed."""
        return sum(case.passed is True for case in self.cases)

    @property
    def failed_count(self) -> int:
        """How many cases failed. Those that were only scored neither passed nor failed."""
        return sum(case.passed is False for case in self.cases)

    @property
    def ungraded_count(self) -> int:
        return sum(case.effective_score is None for case in self.cases)

    def split_by_prompt(self) -> tuple[EvaluationRun, ...]:
        """This run, taken apart by the prompts of its cases, in order of appearance."""
        found: defaultdict[PromptReference, list[EvaluationCase]] = defaultdict(list)
        for case in self.cases:
            found[case.prompt or self.prompt].append(case)
        if not found:
            return (self,)
        return tuple(
            replace(self, prompt=prompt, cases=tuple(cases)) for prompt, cases in found.items()
        )


def _mean(scores: Iterable[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return fmean(known) if known else None
