"""What an evaluation says to a reviewer: a verdict, a table of before and after, and one line for
a commit status. Pure.

Scores are cut, never rounded up: 0.7999 is shown as 0.799, so that a score below the minimum does
not look like one that reached it. Everything from result files passes ``bridge.prompts.markdown``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.evals.results import EvalCase, EvalRun
from bridge.prompts.markdown import (
    cell,
    code_span,
    link,
    name_span,
    one_line,
    plain,
    shorten,
    shorten_middle,
)

STATUS_LIMIT = 140  # characters
MOST_ROWS = 50  # cases that a table shows
MOST_MEASURES = 20
_LONGEST_CELL = 160
_LONGEST_NAME = 60
_CLOSE = 1e-9  # below this two scores are the same number


@dataclass(frozen=True)
class Bar:
    """What an evaluation has to reach. None leaves the question out."""

    minimum: float | None = None  # 0..1
    drop: float | None = 0.0  # how far the score may fall below the base's


@dataclass(frozen=True)
class Verdict:
    """``reasons`` are clauses in words of ours, empty when it is good."""

    good: bool
    reasons: tuple[str, ...] = ()


class Turn(Enum):
    """What became of a case; the value is the word for it. In the order they are shown."""

    BROKEN = "now fails"
    FAILING = "fails"
    WORSE = "worse"
    MENDED = "now passes"
    BETTER = "better"


def judge(run: EvalRun, base: EvalRun | None, bar: Bar) -> Verdict:
    """Whether the run reaches the bar. A run in which nothing was graded never does."""
    score = run.score
    if score is None:
        return Verdict(False, ("nothing was graded",))
    reasons = []
    if bar.minimum is not None and score < bar.minimum - _CLOSE:
        reasons.append(f"{_number(score)} is below the minimum of {_number(bar.minimum)}")
    before = base.score if base is not None else None
    if bar.drop is not None and before is not None and before - score > bar.drop + _CLOSE:
        reasons.append(f"{_number(score)} is a drop from {_number(before)} on the base")
    return Verdict(not reasons, tuple(reasons))


def status_text(run: EvalRun, verdict: Verdict) -> str:
    """One line of plain text for a commit status, at most 140 characters."""
    told = ", ".join(verdict.reasons) or f"score {_number(run.score)}"
    counted = _counted(run)
    text = f"{told} ({counted})" if counted else told
    return shorten(f"{text[:1].upper()}{text[1:]}", STATUS_LIMIT)


def report(run: EvalRun, base: EvalRun | None, verdict: Verdict, *, rows: int = MOST_ROWS) -> str:
    """Markdown for the comment of a pull request: the verdict, the scores before and after, and
    the cases that changed or fail, the worst first, ``rows`` of them at most."""
    return "\n\n".join(_sections(run, base, verdict, rows))


def _sections(run: EvalRun, base: EvalRun | None, verdict: Verdict, rows: int) -> Iterator[str]:
    edition = f" ({plain(run.prompt.edition)})" if run.prompt.edition else ""
    yield f"**Evaluation of {name_span(run.prompt.title)}{edition}: {_headline(verdict)}**"
    yield "\n".join(_measures(run, base))
    changed = _changed(run, base)
    if changed and rows:
        yield _cases_table(changed, rows, compared=base is not None)
    yield from _footnotes(run, base)


def _headline(verdict: Verdict) -> str:
    return "good." if verdict.good else f"not good enough: {'; '.join(verdict.reasons)}."


# The scores.


def _measures(run: EvalRun, base: EvalRun | None) -> Iterator[str]:
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
    for name in names[:MOST_MEASURES]:
        before = base.scores.get(name) if base else None
        yield _measure(_cell(name, _LONGEST_NAME), run.scores.get(name), base, before)


def _measure(name: str, now: float | None, base: EvalRun | None, before: float | None) -> str:
    if base is None:
        return f"| {name} | {_number(now)} |"
    return f"| {name} | {_number(before)} | {_number(now)} | {_change(before, now)} |"


def _passed_row(run: EvalRun, base: EvalRun | None) -> str:
    if base is None:
        return f"| passed | {_share(run)} |"
    change = run.passed - base.passed
    return f"| passed | {_share(base)} | {_share(run)} | {_signed(f'{abs(change):,}', change)} |"


def _share(run: EvalRun) -> str:
    return f"{run.passed:,} of {len(run.cases):,}" if run.cases else "–"


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
class _Changed:
    turn: Turn
    case: EvalCase
    before: EvalCase | None


def _changed(run: EvalRun, base: EvalRun | None) -> list[_Changed]:
    """The cases worth a look, the worst first; cases are matched by name."""
    earlier = {case.name: case for case in base.cases} if base is not None else {}
    found = []
    for case in run.cases:
        before = earlier.get(case.name)
        turn = _turn(case, before)
        if turn is not None:
            found.append(_Changed(turn, case, before))
    order = list(Turn)
    return sorted(found, key=lambda one: order.index(one.turn))


def _turn(case: EvalCase, before: EvalCase | None) -> Turn | None:
    if case.passed is False:
        return Turn.BROKEN if before is not None and before.passed else Turn.FAILING
    if before is None:
        return None
    if case.passed and before.passed is False:
        return Turn.MENDED
    if case.worth is None or before.worth is None or abs(case.worth - before.worth) <= _CLOSE:
        return None
    return Turn.BETTER if case.worth > before.worth else Turn.WORSE


def _cases_table(changed: Sequence[_Changed], most: int, *, compared: bool) -> str:
    lines = [f"<details><summary>{_cases(len(changed))} to look at</summary>", ""]
    if compared:
        lines += ["| case | | base | this change | why |", "|---|---|---:|---:|---|"]
    else:
        lines += ["| case | | score | why |", "|---|---|---:|---|"]
    lines += [_case_row(one, compared) for one in changed[:most]]
    if len(changed) > most:
        lines.append(f"| and {len(changed) - most:,} more |{' |' * (4 if compared else 3)}")
    return "\n".join([*lines, "", "</details>"])


def _case_row(one: _Changed, compared: bool) -> str:
    before = one.before.worth if one.before else None
    scores = [_number(before), _number(one.case.worth)] if compared else [_number(one.case.worth)]
    why = _cell(one.case.reason, _LONGEST_CELL) if one.case.reason else ""
    name = cell(shorten_middle(one_line(one.case.name), _LONGEST_NAME))
    return f"| {' | '.join([name, one.turn.value, *scores, why])} |"


def _cell(text: str, most: int) -> str:
    return cell(shorten(one_line(text), most))


# Beside them.


def _footnotes(run: EvalRun, base: EvalRun | None) -> Iterator[str]:
    if run.ungraded:
        yield f"{_cases(run.ungraded)} not graded."
    if run.cases and base is not None:
        gone = {case.name for case in base.cases} - {case.name for case in run.cases}
        if gone:
            yield f"{_cases(len(gone))} of the base not run."
    if run.note:
        yield plain(run.note)
    yield _origin(run, base)


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count:,} cases"


def _origin(run: EvalRun, base: EvalRun | None) -> str:
    told = f"Results of {plain(run.source)}"
    if run.commit:
        told += f" at {code_span(run.commit[:10])}"
    if base is not None and base.prompt.version is not None:
        told += f"; the base is version {base.prompt.version}"
    return f"{told}. {link('See it in PromptLayer', run.link)}." if run.link else f"{told}."


def _counted(run: EvalRun) -> str:
    return f"{_share(run)} passed" if run.passed or run.failed else ""
