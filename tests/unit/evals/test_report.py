"""What a reviewer is told of an evaluation. The files in ``golden/`` are read and approved by
people; ``python -m tests.unit.evals.test_report`` writes them anew."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.evals.report import STATUS_LIMIT, Bar, Verdict, judge, report, status_text
from bridge.evals.results import EvalCase, EvalRun, PromptRef

GOLDEN = Path(__file__).parent / "golden"
REPLY = PromptRef("support/reply", id=17, version=9)
BAR = Bar(minimum=0.8)


def run(*cases: EvalCase, **more: object) -> EvalRun:
    return replace(EvalRun("promptfoo", REPLY, cases, commit="5f7532717a36"), **more)  # type: ignore[arg-type]


def scored(*scores: float) -> EvalRun:
    return run(*(EvalCase(f"case {n}", score=score) for n, score in enumerate(scores, 1)))


BASE = run(
    EvalCase("refund", 1.0, True, scores={"tone": 0.9}),
    EvalCase("order", 0.9, True, scores={"tone": 0.7}),
    EvalCase("greeting", 0.4, False),
    EvalCase("slang", 0.8, True),
    EvalCase("retired", 1.0, True),
    prompt=replace(REPLY, version=8),
)
WORSE = run(
    EvalCase("refund", 0.2, False, reason="no refund | promised\nat all", scores={"tone": 0.5}),
    EvalCase("order", 0.9, True, scores={"tone": 0.8}),
    EvalCase("greeting", 0.9, True),
    EvalCase("slang", 0.7, True, reason="a little stiff"),
    EvalCase("new", 0.0, False, reason="expected an order number"),
    EvalCase("later"),
)
HOSTILE = run(
    EvalCase("@jane `|` fixes #12", 0.0, False, reason="</details> [skip ci] ![x](https://evil)"),
    source="@all <b>",
    note="closes #1 @jane",
    prompt=PromptRef("a|b`@jane`", label="<i>"),
    link="https://dashboard.example.com/workspace/1/smart-tables/2?sheet=3",
)
COUNTED = EvalRun(
    "PromptLayer's evaluation 5",
    REPLY,
    overall=0.875,
    measured={"Accuracy": 0.9, "Tone": 0.85},
    note="2 of 20 cells could not be computed.",
)

CASES: dict[str, tuple[EvalRun, EvalRun | None]] = {
    "first": (WORSE, None),
    "worse": (WORSE, BASE),
    "same": (BASE, BASE),
    "counted": (COUNTED, None),
    "hostile": (HOSTILE, None),
}


def told(name: str) -> str:
    now, base = CASES[name]
    return report(now, base, judge(now, base, BAR)) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_a_report_reads_as_approved(name: str) -> None:
    assert told(name) == (GOLDEN / f"{name}.md").read_text(encoding="utf-8")


# The verdict


def test_a_run_at_the_minimum_is_good() -> None:
    assert judge(scored(0.7, 0.9), None, BAR) == Verdict(True)


def test_a_run_below_the_minimum_is_not_good_and_does_not_look_it() -> None:
    verdict = judge(scored(0.7999), None, BAR)

    assert verdict == Verdict(False, ("0.799 is below the minimum of 0.80",))


def test_a_drop_against_the_base_is_not_good() -> None:
    verdict = judge(scored(0.85), scored(0.9), Bar())

    assert verdict == Verdict(False, ("0.85 is a drop from 0.90 on the base",))


def test_a_drop_within_what_is_allowed_is_good() -> None:
    assert judge(scored(0.85), scored(0.9), Bar(drop=0.05)).good
    assert judge(scored(0.1), scored(0.9), Bar(drop=None)).good


def test_sums_that_differ_in_the_last_bit_are_no_drop() -> None:
    assert judge(scored(0.3, 0.1, 0.2), scored(0.1, 0.2, 0.3), Bar()).good


@pytest.mark.parametrize("nothing", [run(), run(EvalCase("skipped"))])
def test_a_run_in_which_nothing_was_graded_is_not_good(nothing: EvalRun) -> None:
    assert judge(nothing, None, Bar()) == Verdict(False, ("nothing was graded",))


def test_a_run_is_good_where_the_base_was_not_graded() -> None:
    assert judge(scored(0.5), run(), Bar()).good


# The status


def test_a_status_says_the_score_and_what_passed() -> None:
    assert status_text(BASE, Verdict(True)) == "Score 0.82 (4 of 5 passed)"


def test_a_status_says_what_is_wrong() -> None:
    verdict = judge(WORSE, BASE, BAR)

    assert status_text(WORSE, verdict) == (
        "0.54 is below the minimum of 0.80, 0.54 is a drop from 0.82 on the base (3 of 6 passed)"
    )


@given(st.lists(st.text(min_size=1), max_size=5))
def test_a_status_is_one_short_line(reasons: list[str]) -> None:
    assert len(status_text(BASE, Verdict(False, tuple(reasons)))) <= STATUS_LIMIT


# The report


def test_a_report_of_many_cases_stays_short() -> None:
    many = run(*(EvalCase(f"case {n}", passed=False, reason="x" * 5000) for n in range(10_000)))

    text = report(many, None, judge(many, None, BAR))

    assert "| and 9,950 more |" in text
    assert len(text) < 20_000


def test_no_rows_can_be_asked_for() -> None:
    assert "<details>" not in report(WORSE, BASE, Verdict(True), rows=0)


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
    mixed = run(EvalCase("a", score=0.5), EvalCase("b", passed=True), EvalCase("c"))

    assert mixed.score == 0.75
    assert (mixed.passed, mixed.failed, mixed.ungraded) == (1, 0, 1)


def test_named_scores_are_means_over_the_cases_that_have_them() -> None:
    assert BASE.scores == {"tone": pytest.approx(0.8)}
    assert COUNTED.scores == {"Accuracy": 0.9, "Tone": 0.85}


def test_a_run_is_taken_apart_by_prompt() -> None:
    other = PromptRef("b")
    cases = [EvalCase("1"), EvalCase("2", prompt=other), EvalCase("3", prompt=REPLY)]

    first, second = run(*cases).by_prompt()

    assert (first.prompt, [case.name for case in first.cases]) == (REPLY, ["1", "3"])
    assert (second.prompt, [case.name for case in second.cases]) == (other, ["2"])
    assert first.commit == second.commit == "5f7532717a36"


def test_a_prompt_is_named_or_numbered() -> None:
    with pytest.raises(ValueError, match="named or numbered"):
        PromptRef(version=3)


if __name__ == "__main__":
    for case_name in CASES:
        (GOLDEN / f"{case_name}.md").write_text(told(case_name), encoding="utf-8")
