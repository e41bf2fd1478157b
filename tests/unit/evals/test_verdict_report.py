"""What a reviewer is told of an evaluation. The files in ``golden/`` are read and approved by
people; ``python -m tests.unit.evals.test_verdict_report`` writes them anew."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.evals.eval_run import EvaluationCase, EvaluationRun, PromptReference
from bridge.evals.verdict_report import (
    EvaluationThreshold,
    EvaluationVerdict,
    judge_run,
    render_report,
    render_status_text,
)
from bridge.forge.forge import STATUS_LIMIT

GOLDEN = Path(__file__).parent / "golden"
REPLY = PromptReference("support/reply", id=17, version=9)
BAR = EvaluationThreshold(min_score=0.8)


def run(*cases: EvaluationCase, **more: object) -> EvaluationRun:
    return replace(EvaluationRun("promptfoo", REPLY, cases, commit="5f7532717a36"), **more)  # type: ignore[arg-type]


def scored(*scores: float) -> EvaluationRun:
    return run(*(EvaluationCase(f"case {n}", score=score) for n, score in enumerate(scores, 1)))


BASE = run(
    EvaluationCase("refund", 1.0, True, scores={"tone": 0.9}),
    EvaluationCase("order", 0.9, True, scores={"tone": 0.7}),
    EvaluationCase("greeting", 0.4, False),
    EvaluationCase("slang", 0.8, True),
    EvaluationCase("retired", 1.0, True),
    prompt=replace(REPLY, version=8),
)
WORSE = run(
    EvaluationCase(
        "refund", 0.2, False, reason="no refund | promised\nat all", scores={"tone": 0.5}
    ),
    EvaluationCase("order", 0.9, True, scores={"tone": 0.8}),
    EvaluationCase("greeting", 0.9, True),
    EvaluationCase("slang", 0.7, True, reason="a little stiff"),
    EvaluationCase("new", 0.0, False, reason="expected an order number"),
    EvaluationCase("later"),
)
HOSTILE = run(
    EvaluationCase(
        "@jane `|` fixes #12", 0.0, False, reason="</details> [skip ci] ![x](https://evil)"
    ),
    source="@all <b>",
    note="closes #1 @jane",
    prompt=PromptReference("a|b`@jane`", label="<i>"),
    link="https://dashboard.example.com/workspace/1/smart-tables/2?sheet=3",
)
COUNTED = EvaluationRun(
    "PromptLayer's evaluation 5",
    REPLY,
    overall_score=0.875,
    named_scores={"Accuracy": 0.9, "Tone": 0.85},
    note="2 of 20 cells could not be computed.",
)

CASES: dict[str, tuple[EvaluationRun, EvaluationRun | None]] = {
    "first": (WORSE, None),
    "worse": (WORSE, BASE),
    "same": (BASE, BASE),
    "counted": (COUNTED, None),
    "hostile": (HOSTILE, None),
}


def told(name: str) -> str:
    now, base = CASES[name]
    return render_report(now, base, judge_run(now, base, BAR)) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_a_report_reads_as_approved(name: str) -> None:
    assert told(name) == (GOLDEN / f"{name}.md").read_text(encoding="utf-8")


# The verdict


def test_a_run_at_the_minimum_is_good() -> None:
    assert judge_run(scored(0.7, 0.9), None, BAR) == EvaluationVerdict(True)


def test_a_run_below_the_minimum_is_not_good_and_does_not_look_it() -> None:
    verdict = judge_run(scored(0.7999), None, BAR)

    assert verdict == EvaluationVerdict(False, ("0.799 is below the minimum of 0.80",))


def test_a_drop_against_the_base_is_not_good() -> None:
    verdict = judge_run(scored(0.85), scored(0.9), EvaluationThreshold())

    assert verdict == EvaluationVerdict(False, ("0.85 is a drop from 0.90 on the base",))


def test_a_drop_within_what_is_allowed_is_good() -> None:
    assert judge_run(scored(0.85), scored(0.9), EvaluationThreshold(max_drop=0.05)).is_good
    assert judge_run(scored(0.1), scored(0.9), EvaluationThreshold(max_drop=None)).is_good


def test_sums_that_differ_in_the_last_bit_are_no_drop() -> None:
    assert judge_run(scored(0.3, 0.1, 0.2), scored(0.1, 0.2, 0.3), EvaluationThreshold()).is_good


@pytest.mark.parametrize("nothing", [run(), run(EvaluationCase("skipped"))])
def test_a_run_in_which_nothing_was_graded_is_not_good(nothing: EvaluationRun) -> None:
    assert judge_run(nothing, None, EvaluationThreshold()) == EvaluationVerdict(
        False, ("nothing was graded",)
    )


def test_a_run_is_good_where_the_base_was_not_graded() -> None:
    assert judge_run(scored(0.5), run(), EvaluationThreshold()).is_good


# The status


def test_a_status_says_the_score_and_what_passed() -> None:
    assert render_status_text(BASE, EvaluationVerdict(True)) == "Score 0.82 (4 of 5 passed)"


def test_a_status_says_what_is_wrong() -> None:
    verdict = judge_run(WORSE, BASE, BAR)

    assert render_status_text(WORSE, verdict) == (
        "0.54 is below the minimum of 0.80, 0.54 is a drop from 0.82 on the base (3 of 6 passed)"
    )


@given(st.lists(st.text(min_size=1), max_size=5))
def test_a_status_is_one_short_line(reasons: list[str]) -> None:
    assert len(render_status_text(BASE, EvaluationVerdict(False, tuple(reasons)))) <= STATUS_LIMIT


# The report


def test_a_report_of_many_cases_stays_short() -> None:
    many = run(
        *(EvaluationCase(f"case {n}", passed=False, reason="x" * 5000) for n in range(10_000))
    )

    text = render_report(many, None, judge_run(many, None, BAR))

    assert "| and 9,950 more |" in text
    assert len(text) < 20_000


def test_no_rows_can_be_asked_for() -> None:
    assert "<details>" not in render_report(WORSE, BASE, EvaluationVerdict(True), rows=0)


def test_the_worst_cases_come_first() -> None:
    text = told("worse")

    names = re.findall(r"^\| `(\w+)` \| [a-z]", text, re.MULTILINE)
    assert names == ["refund", "new", "slang", "greeting"]


@pytest.mark.parametrize("name", CASES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    rendered = MarkdownIt().enable("table").render(told(name).replace("<details>", ""))

    for table in re.findall(r"<table>.*?</table>", rendered, re.DOTALL):
        rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        assert len({len(re.findall(r"<t[hd]", row)) for row in rows}) == 1


def test_nothing_in_a_report_acts_on_the_forge() -> None:
    text = told("hostile")
    prose = re.sub(r"(`+).*?[^`]\1(?!`)", "", text)  # without the code spans

    assert not re.search(r"@(?=\w)|#\d|\[skip ci\]", text)
    assert re.findall(r"(?<!\\)<[^>]*>", prose) == [
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
    ]
    assert re.findall(r"\]\(([^)]*)\)", prose) == [HOSTILE.link]


# The values


def test_the_score_of_a_run_is_the_mean_of_its_graded_cases() -> None:
    mixed = run(
        EvaluationCase("a", score=0.5), EvaluationCase("b", passed=True), EvaluationCase("c")
    )

    assert mixed.score == 0.75
    assert (mixed.passed_count, mixed.failed_count, mixed.ungraded_count) == (1, 0, 1)


def test_named_scores_are_means_over_the_cases_that_have_them() -> None:
    assert BASE.scores == {"tone": pytest.approx(0.8)}
    assert COUNTED.scores == {"Accuracy": 0.9, "Tone": 0.85}


def test_a_run_is_taken_apart_by_prompt() -> None:
    other = PromptReference("b")
    cases = [
        EvaluationCase("1"),
        EvaluationCase("2", prompt=other),
        EvaluationCase("3", prompt=REPLY),
    ]

    first, second = run(*cases).split_by_prompt()

    assert (first.prompt, [case.name for case in first.cases]) == (REPLY, ["1", "3"])
    assert (second.prompt, [case.name for case in second.cases]) == (other, ["2"])
    assert first.commit == second.commit == "5f7532717a36"


def test_a_prompt_is_named_or_numbered() -> None:
    with pytest.raises(ValueError, match="named or numbered"):
        PromptReference(version=3)


if __name__ == "__main__":
    for case_name in CASES:
        (GOLDEN / f"{case_name}.md").write_text(told(case_name), encoding="utf-8")
