"""Render an evaluation for a reviewer: a verdict, a table of before and after, and one line for a
commit status. Pure.

Scores are cut, never rounded up: 0.7999 is shown as 0.799, so that a score below the minimum never
appears to reach it. All text from result files passes ``bridge.prompts.pull_request.markdown``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.evals.eval_run import EvaluationCase, EvaluationRun
from bridge.forge.forge import STATUS_LIMIT
from bridge.prompts.pull_request.markdown import (
    collapse_to_one_line,
    escape_prose,
    format_code_span,
    format_link,
    format_name,
    format_table_cell,
    shorten,
    shorten_middle,
)

MAX_TABLE_ROWS = 50  # cases that a table shows
MAX_SCORE_ROWS = 20
_LONGEST_CELL = 160
_LONGEST_NAME = 60
_CLOSE = 1e-9  # below this two scores are the same number


@dataclass(frozen=True)
class EvaluationThreshold:
    """The minimum that an evaluation has to reach. None leaves a criterion out."""

    min_score: float | None = None  # 0..1
    max_drop: float | None = 0.0  # how far the score may fall below the base's


@dataclass(frozen=True)
class EvaluationVerdict:
    """Whether the evaluation passed. ``reasons`` are clauses of the bridge's own, empty when it
    passed."""

    is_good: bool
    reasons: tuple[str, ...] = ()


class CaseChangeKind(Enum):
    """The change of one case between two runs; the value is its name in tables. In the order
    they are shown."""

    BROKEN = "now fails"
    FAILING = "fails"
    WORSE = "worse"
    MENDED = "now passes"
    BETTER = "better"


def judge_run(
    run: EvaluationRun, base: EvaluationRun | None, threshold: EvaluationThreshold
) -> EvaluationVerdict:
    """Whether the run reaches the bar. A run in which nothing was graded never does."""
    score = run.score
    if score is None:
        return EvaluationVerdict(False, ("nothing was graded",))
    reasons = []
    if threshold.min_score is not None and score < threshold.min_score - _CLOSE:
        reasons.append(f"{_number(score)} is below the minimum of {_number(threshold.min_score)}")
    before = base.score if base is not None else None
    if (
        threshold.max_drop is not None
        and before is not None
        and before - score > threshold.max_drop + _CLOSE
    ):
        reasons.append(f"{_number(score)} is a drop from {_number(before)} on the base")
    return EvaluationVerdict(not reasons, tuple(reasons))


def render_status_text(run: EvaluationRun, verdict: EvaluationVerdict) -> str:
    """One line of plain text for a commit status, at most 140 characters."""
    reasons = ", ".join(verdict.reasons) or f"score {_number(run.score)}"
    counted = _counted(run)
    text = f"{reasons} ({counted})" if counted else reasons
    return shorten(f"{text[:1].upper()}{text[1:]}", STATUS_LIMIT)


def render_report(
    run: EvaluationRun,
    base: EvaluationRun | None,
    verdict: EvaluationVerdict,
    *,
    rows: int = MAX_TABLE_ROWS,
) -> str:
    """Markdown for the comment of a pull request: the verdict, the scores before and after, and
    the cases that changed or fail, the worst first, ``rows`` of them at most."""
    return "\n\n".join(_sections(run, base, verdict, rows))


def _sections(
    run: EvaluationRun, base: EvaluationRun | None, verdict: EvaluationVerdict, rows: int
) -> Iterator[str]:
    edition = f" ({escape_prose(run.prompt.version_text)})" if run.prompt.version_text else ""
    yield f"**Evaluation of {format_name(run.prompt.title)}{edition}: {_headline(verdict)}**"
    yield "\n".join(_measures(run, base))
    changed = _changed(run, base)
    if changed and rows:
        yield _cases_table(changed, rows, compared=base is not None)
    yield from _footnotes(run, base)


def _headline(verdict: EvaluationVerdict) -> str:
    return "good." if verdict.is_good else f"not good enough: {'; '.join(verdict.reasons)}."


# The scores.


def _measures(run: EvaluationRun, base: EvaluationRun | None) -> Iterator[str]:
    if base is None:
        yield "| | result |"
        yield "|---|---:|"
    else:
        yield "| | base | this change | |"
        yield "|---|---:|---:|---:|"
    yield _measure("score", run.score, base, base.score if base else None)
    if run.cases:
        yield _passed_row(run, base)
    names = sorted({*run.scores, *(base.scores if base else ())})
    for name in names[:MAX_SCORE_ROWS]:
        before = base.scores.get(name) if base else None
        yield _measure(_cell(name, _LONGEST_NAME), run.scores.get(name), base, before)


def _measure(name: str, now: float | None, base: EvaluationRun | None, before: float | None) -> str:
    if base is None:
        return f"| {name} | {_number(now)} |"
    return f"| {name} | {_number(before)} | {_number(now)} | {_change(before, now)} |"


def _passed_row(run: EvaluationRun, base: EvaluationRun | None) -> str:
    if base is None:
        return f"| passed | {_share(run)} |"
    change = run.passed_count - base.passed_count
    return f"| passed | {_share(base)} | {_share(run)} | {_signed(f'{abs(change):,}', change)} |"


def _share(run: EvaluationRun) -> str:
    return f"{run.passed_count:,} of {len(run.cases):,}" if run.cases else "–"


def _change(before: float | None, now: float | None) -> str:
    if before is None or now is None:
        return ""
    change = now - before
    if abs(change) <= _CLOSE:
        return ""
    size = "<0.001" if abs(change) < 0.001 else f"{abs(change):.3f}"
    return _signed(_trimmed(size), change)


def _signed(size: str, change: float) -> str:
    if not change:
        return ""
    return f"+{size}" if change > 0 else f"−{size}"


def _number(score: float | None) -> str:
    """Two or three decimals, cut."""
    if score is None:
        return "–"
    return _trimmed(f"{math.floor(score * 1000 + _CLOSE) / 1000:.3f}")


def _trimmed(number: str) -> str:
    return number[:-1] if number.endswith("0") else number


# The cases.


@dataclass(frozen=True)
class _ChangedCase:
    turn: CaseChangeKind
    case: EvaluationCase
    before: EvaluationCase | None


def _changed(run: EvaluationRun, base: EvaluationRun | None) -> list[_ChangedCase]:
    """The changed cases, the worst first; cases are matched by name."""
    earlier = {case.name: case for case in base.cases} if base is not None else {}
    found = []
    for case in run.cases:
        before = earlier.get(case.name)
        turn = _turn(case, before)
        if turn is not None:
            found.append(_ChangedCase(turn, case, before))
    order = list(CaseChangeKind)
    return sorted(found, key=lambda one: order.index(one.turn))


def _turn(case: EvaluationCase, before: EvaluationCase | None) -> CaseChangeKind | None:
    if case.passed is False:
        return (
            CaseChangeKind.BROKEN
            if before is not None and before.passed
            else CaseChangeKind.FAILING
        )
    if before is None:
        return None
    if case.passed and before.passed is False:
        return CaseChangeKind.MENDED
    if (
        case.effective_score is None
        or before.effective_score is None
        or abs(case.effective_score - before.effective_score) <= _CLOSE
    ):
        return None
    return (
        CaseChangeKind.BETTER
        if case.effective_score > before.effective_score
        else CaseChangeKind.WORSE
    )


def _cases_table(changed: Sequence[_ChangedCase], most: int, *, compared: bool) -> str:
    lines = [f"<details><summary>{_cases(len(changed))} to look at</summary>", ""]
    if compared:
        lines += ["| case | | base | this change | why |", "|---|---|---:|---:|---|"]
    else:
        lines += ["| case | | score | why |", "|---|---|---:|---|"]
    lines += [_case_row(one, compared) for one in changed[:most]]
    if len(changed) > most:
        lines.append(f"| and {len(changed) - most:,} more |{' |' * (4 if compared else 3)}")
    return "\n".join([*lines, "", "</details>"])


def _case_row(one: _ChangedCase, compared: bool) -> str:
    before = one.before.effective_score if one.before else None
    scores = (
        [_number(before), _number(one.case.effective_score)]
        if compared
        else [_number(one.case.effective_score)]
    )
    why = _cell(one.case.reason, _LONGEST_CELL) if one.case.reason else ""
    name = format_table_cell(shorten_middle(collapse_to_one_line(one.case.name), _LONGEST_NAME))
    return f"| {' | '.join([name, one.turn.value, *scores, why])} |"


def _cell(text: str, most: int) -> str:
    return format_table_cell(shorten(collapse_to_one_line(text), most))


# Beside them.


def _footnotes(run: EvaluationRun, base: EvaluationRun | None) -> Iterator[str]:
    if run.ungraded_count:
        yield f"{_cases(run.ungraded_count)} not graded."
    if run.cases and base is not None:
        gone = {case.name for case in base.cases} - {case.name for case in run.cases}
        if gone:
            yield f"{_cases(len(gone))} of the base not run."
    if run.note:
        yield escape_prose(run.note)
    yield _origin(run, base)


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def _origin(run: EvaluationRun, base: EvaluationRun | None) -> str:
    text = f"Results of {escape_prose(run.source)}"
    if run.commit:
        text += f" at {format_code_span(run.commit[:10])}"
    if base is not None and base.prompt.version is not None:
        text += f"; the base is version {base.prompt.version}"
    return f"{text}. {format_link('See it in PromptLayer', run.link)}." if run.link else f"{text}."


def _counted(run: EvaluationRun) -> str:
    return f"{_share(run)} passed" if run.passed_count or run.failed_count else ""
