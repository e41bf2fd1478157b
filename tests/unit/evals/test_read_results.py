"""Result files: what they mean, and how their mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ResultsError
from bridge.evals import results_file
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.read_results import ResultsFormat, read_results

REPLY = PromptReference("support/reply", id=17, version=9)
TRIAGE = PromptReference("support/triage", id=18, version=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, name: str, content: str | bytes | Any) -> Path:
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8", newline="")
    return path


def read_one(path: Path, prompt: PromptReference | None = REPLY, **more: Any) -> EvaluationRun:
    (run,) = read_results(path, prompt, **more)
    return run


# promptfoo


def promptfoo_result(test: int = 0, prompt: int = 0, **more: Any) -> dict[str, Any]:
    """A result as promptfoo 0.11x and later write it."""
    return {
        "promptIdx": prompt,
        "testIdx": test,
        "testCase": {
            "vars": {"question": "Where is my order?"},
            "assert": [{"type": "contains", "value": "order"}],
        },
        "prompt": {"raw": "Answer: Where is my order?", "label": "support/reply"},
        "vars": {"question": "Where is my order?"},
        "provider": {"id": "openai:gpt-4o", "label": ""},
        "response": {"output": "Your order is on its way.", "tokenUsage": {"total": 9}},
        "success": True,
        "score": 1,
        "failureReason": 0,
        "namedScores": {"tone": 0.75},
        "gradingResult": {
            "pass": True,
            "score": 1,
            "reason": "All assertions passed",
            "namedScores": {"tone": 0.75},
            "componentResults": [],
        },
        **more,
    }


def promptfoo_output(*results: dict[str, Any], labels: tuple[str, ...] = ("support/reply",)) -> Any:
    return {
        "evalId": "eval-abc-2026-01-31T12:00:00",
        "results": {
            "version": 3,
            "timestamp": "2026-01-31T12:00:00.000Z",
            "prompts": [
                {"raw": f"Text of {label}: {{{{question}}}}", "label": label, "provider": "openai"}
                for label in labels
            ],
            "results": list(results),
            "stats": {"successes": 1, "failures": 0, "errors": 0},
        },
        "config": {},
        "shareableUrl": None,
    }


def test_promptfoos_output_is_read_case_by_case(folder: Path) -> None:
    path = write(folder, "out.json", promptfoo_output(promptfoo_result()))

    run = read_one(path, commit="5f75327")

    (case,) = run.cases
    assert run.source == "promptfoo"
    assert run.commit == "5f75327"
    assert run.started_at is not None
    assert run.started_at.isoformat() == "2026-01-31T12:00:00+00:00"
    assert case.name == "question=Where is my order?"
    assert (case.score, case.passed, case.scores) == (1.0, True, {"tone": 0.75})
    assert case.input == "Answer: Where is my order?"
    assert case.output == "Your order is on its way."
    assert case.expected == "contains: order"
    assert case.reason == "All assertions passed"
    assert case.model == "openai:gpt-4o"


def test_a_promptfoo_test_that_could_not_run_failed(folder: Path) -> None:
    broken = promptfoo_result(
        success=False, score=0, error="API error: 500", gradingResult=None, response=None
    )

    (case,) = read_one(write(folder, "out.json", promptfoo_output(broken))).cases

    assert (case.passed, case.score, case.reason) == (False, 0.0, "API error: 500")


def test_promptfoos_scores_are_brought_between_0_and_1(folder: Path) -> None:
    odd = promptfoo_result(score=7, namedScores={"length": -3, "words": "many"})

    (case,) = read_one(write(folder, "out.json", promptfoo_output(odd))).cases

    assert (case.score, case.scores) == (1.0, {"length": 0.0})


def test_a_promptfoo_file_with_several_prompts_becomes_a_run_for_each(folder: Path) -> None:
    labels = ("prompts/reply.yaml: messages", "file://prompts/triage.yaml")
    output = promptfoo_output(
        promptfoo_result(prompt=0), promptfoo_result(prompt=1, score=0.5), labels=labels
    )
    known = {"prompts/reply.yaml": REPLY, "prompts/triage.yaml": TRIAGE}

    runs = read_results(write(folder, "out.json", output), None, known=known)

    assert [(run.prompt, run.score) for run in runs] == [(REPLY, 1.0), (TRIAGE, 0.5)]


def test_unknown_prompts_of_promptfoo_are_told_apart_by_their_labels(folder: Path) -> None:
    output = promptfoo_output(
        promptfoo_result(prompt=0), promptfoo_result(prompt=1), labels=("short", "long")
    )

    run = read_one(write(folder, "out.json", output))

    question = "question=Where is my order?"
    assert [case.name for case in run.cases] == [f"{question} · short", f"{question} · long"]


def test_models_are_told_apart_where_there_are_several(folder: Path) -> None:
    output = promptfoo_output(
        promptfoo_result(), promptfoo_result(provider={"id": "anthropic:claude"})
    )

    names = [case.name for case in read_one(write(folder, "out.json", output)).cases]

    assert [name.rpartition(" · ")[2] for name in names] == ["openai:gpt-4o", "anthropic:claude"]


def test_version_2_of_promptfoos_output_is_read(folder: Path) -> None:
    result = promptfoo_result(testCase=None, testIdx=None, promptIdx=None, vars={})
    output = promptfoo_output(result)
    output["results"]["version"] = 2
    del output["results"]["prompts"]

    (case,) = read_one(write(folder, "out.json", output)).cases

    assert (case.name, case.prompt) == ("case 1", REPLY)


# JUnit

JUNIT = """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests">
  <testsuite name="pytest" tests="4" timestamp="2026-01-31T12:00:00">
    <properties><property name="score" value="of the suite"/></properties>
    <testcase classname="tests.reply" name="test_refund" time="0.1">
      <properties>
        <property name="score" value="0.9"/>
        <property name="score:tone" value="0.5"/>
        <property name="input">Where is my money?</property>
      </properties>
      <system-out>not of interest</system-out>
    </testcase>
    <testcase classname="tests.reply" name="test_order">
      <failure message="expected an order number">Traceback &amp; more</failure>
    </testcase>
    <testcase name="test_tone">noise<error>it broke</error></testcase>
    <testcase name="test_later"><skipped/></testcase>
  </testsuite>
</testsuites>
"""


def test_junit_cases_pass_fail_and_are_skipped(folder: Path) -> None:
    run = read_one(write(folder, "junit.xml", JUNIT))

    assert [(case.name, case.passed, case.reason) for case in run.cases] == [
        ("tests.reply.test_refund", True, None),
        ("tests.reply.test_order", False, "expected an order number"),
        ("test_tone", False, "it broke"),
        ("test_later", None, None),
    ]
    assert (run.passed_count, run.failed_count, run.ungraded_count) == (1, 2, 1)
    assert run.score == pytest.approx((0.9 + 0 + 0) / 3)
    assert run.source == "JUnit"
    assert run.started_at is not None


def test_properties_of_a_junit_case_are_read(folder: Path) -> None:
    case = read_one(write(folder, "junit.xml", JUNIT)).cases[0]

    assert (case.score, case.scores, case.input) == (0.9, {"tone": 0.5}, "Where is my money?")


ENTITIES = """\
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>
"""
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite><testcase name="x"/></testsuite>'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (ENTITIES, ":1: a document type declaration"),
        (OUTSIDE, ":1: a document type declaration"),
        ("<testsuite>\n<testcase", ":2: expected XML"),
        ("<html/>", ":1: expected <testsuites>"),
        ("<testsuite>" + "<a>" * 200, ":1: the XML is nested too deeply"),
        (JUNIT.replace('"0.9"', '"90"'), ":7: property score: expected a number from 0 to 1"),
        (JUNIT.replace('"0.5"', '"nan"'), ":8: property score:tone: expected a number"),
        (JUNIT.replace('"0.5"', '"good"'), ":8: property score:tone: expected a number"),
        ("<testsuites/>", ": there are no cases"),
    ],
)
def test_a_mistake_in_junit_xml_is_told_with_its_line(
    folder: Path, content: str, told: str
) -> None:
    path = write(folder, "junit.xml", content)

    with pytest.raises(ResultsError) as refusal:
        read_results(path, REPLY)

    assert str(refusal.value).startswith(f"{path}{told}")


# Plain


PLAIN = {
    "prompt": "support/reply",
    "started": "2026-01-31T12:00:00Z",
    "cases": [
        {"name": "refund", "score": 0.9, "passed": True, "input": {"q": "é"}, "scores": {"a": 1}},
        {"name": "order", "passed": False, "reason": "no number", "prompt": {"id": 18}},
    ],
}


def test_plain_json_is_read(folder: Path) -> None:
    reply, triage = read_results(write(folder, "results.json", PLAIN), REPLY)

    assert reply.prompt == REPLY  # named in the file, known by the caller
    assert triage.prompt == PromptReference(id=18)
    (case,) = reply.cases
    assert (case.score, case.passed, case.input, case.scores) == (0.9, True, '{"q": "é"}', {"a": 1})


def test_the_prompt_of_a_file_is_that_of_its_cases(folder: Path) -> None:
    reply, _ = read_results(write(folder, "results.json", PLAIN), None)

    assert reply.prompt == PromptReference("support/reply")


def test_a_list_of_cases_is_enough(folder: Path) -> None:
    run = read_one(write(folder, "results.json", [{"score": 0.25}, {"passed": True}]))

    assert [case.name for case in run.cases] == ["cases[0]", "cases[1]"]
    assert run.score == 0.625


def test_characters_that_cannot_be_written_do_no_harm(folder: Path) -> None:
    run = read_one(write(folder, "results.json", '[{"name": "\\ud800", "score": 1}]'))

    assert run.cases[0].name == "?"


def json_of(**case: Any) -> Any:
    return [{"score": 1}, {"score": 1, **case}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"cases": [\n  {"score": 0.5},,\n]}', ":2: expected JSON"),
        (b'[\n{"name": "\xff"}]', ":2: expected UTF-8"),
        ('[{"score": NaN}]', ": NaN is no number"),
        ("[" * 100_000, ": the JSON is nested too deeply"),
        ('[{"score": ' + "9" * 5000 + "}]", ": there is a number of thousands of digits"),
        ('[{"score": ' + "9" * 400 + "}]", ": cases[0].score: expected a number from 0 to 1"),
        ({"results": []}, ': expected a list of cases, or an object with "cases"'),
        ([], ": there are no cases"),
        ([1], ": cases[0]: expected an object"),
        ([{"socre": 1}], ': cases[0]: expected "score" or "passed"'),
        (json_of(score=87), ": cases[1].score: expected a number from 0 to 1, got 87; divide"),
        (json_of(score=-1), ": cases[1].score: expected a number from 0 to 1, got -1."),
        (json_of(score=True), ": cases[1].score: expected a number"),
        (json_of(passed="yes"), ": cases[1].passed: expected true or false"),
        (json_of(scores=[1]), ": cases[1].scores: expected an object"),
        (json_of(scores={"tone": 2}), ": cases[1].scores.tone: expected a number"),
        (json_of(prompt={}), ": cases[1].prompt: expected a name"),
        (json_of(prompt={"name": "a", "version": "9"}), ": cases[1].prompt.version: expected a n"),
    ],
)
def test_a_mistake_in_json_is_told_with_its_place(folder: Path, content: Any, told: str) -> None:
    path = write(folder, "results.json", content)

    with pytest.raises(ResultsError) as refusal:
        read_results(path, REPLY)

    assert str(refusal.value).startswith(f"{path}{told}")


def test_a_mistake_is_told_on_one_short_line_whatever_a_key_holds(folder: Path) -> None:
    key = "-->\x1b]0;title\n" * 999
    path = write(folder, "results.json", json_of(scores={key: 2}))

    with pytest.raises(ResultsError) as refusal:
        read_results(path, REPLY)

    told = str(refusal.value).removeprefix(str(path))
    assert told.startswith(r": cases[1].scores.-->\x1b]0;title -->\x1b]0;title")
    assert told.endswith("expected a number from 0 to 1, got 2; divide percentages by 100.")
    assert len(told) <= 303


CSV = """\
name,score,passed,output,score:tone,prompt,version,mood
refund,0.9,yes,"Two
lines",0.5,,,
order,,no,,,,,
triage,1,,,,support/triage,3,fine
"""


def test_csv_is_read(folder: Path) -> None:
    reply, triage = read_results(write(folder, "results.csv", "\ufeff" + CSV), REPLY)

    refund, order = reply.cases
    assert (refund.name, order.name) == ("refund", "order")
    assert (refund.score, refund.passed, refund.output) == (0.9, True, "Two\nlines")
    assert refund.scores == {"tone": 0.5}
    assert (order.score, order.passed, order.scores) == (None, False, {})
    assert triage.prompt == PromptReference("support/triage", version=3)


def test_a_long_output_fits_into_csv(folder: Path) -> None:
    text = "x" * 300_000

    (case,) = read_one(write(folder, "results.csv", f"score,output\n1,{text}\n")).cases

    assert case.output == text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", ':1: expected a header with a column "score" or "passed"'),
        ("name,result\nx,1\n", ':1: expected a header with a column "score" or "passed"'),
        ("score,score\n1,1\n", ':1: the column "score" is there twice'),
        ("name,score\na,1\nb\n", ":3: expected 2 values as in the header, got 1"),
        ("name,score\na,good\n", ":2: score: expected a number from 0 to 1"),
        ("name,score\na,1.5\n", ":2: score: expected a number from 0 to 1, got 1.5"),
        ("score:tone,passed\n50,yes\n", ":2: score:tone: expected a number"),
        ("passed\nmaybe\n", ":2: passed: expected true or false"),
        ('score\n1\n"1', ":3: expected CSV"),
        ("score,prompt,version\n1,a,new\n", ":2: version: expected a number"),
        ("score\n", ": there are no cases"),
    ],
)
def test_a_mistake_in_csv_is_told_with_its_line(folder: Path, content: str, told: str) -> None:
    path = write(folder, "results.csv", content)

    with pytest.raises(ResultsError) as refusal:
        read_results(path, REPLY)

    assert str(refusal.value).startswith(f"{path}{told}")


# All of them


def test_two_cases_of_one_name_stay_two(folder: Path) -> None:
    run = read_one(write(folder, "results.csv", "name,score\na,1\na,0\nb,1\na,1\n"))

    assert [case.name for case in run.cases] == ["a", "a (2)", "b", "a (3)"]


def test_a_format_can_be_told(folder: Path) -> None:
    path = write(folder, "results.txt", "score\n1\n")

    assert read_one(path, format=ResultsFormat.CSV).score == 1.0
    with pytest.raises(ResultsError, match=r"expected a file that ends in \.json"):
        read_results(path, REPLY)


def test_json_that_is_not_promptfoos_is_refused_where_promptfoo_is_told(folder: Path) -> None:
    path = write(folder, "results.json", PLAIN)

    with pytest.raises(ResultsError, match="expected the output of promptfoo"):
        read_results(path, REPLY, format=ResultsFormat.PROMPTFOO)


def test_a_case_about_an_unknown_prompt_is_refused(folder: Path) -> None:
    path = write(folder, "results.csv", "name,score,prompt\na,1,support/reply\nb,1,\n")

    with pytest.raises(ResultsError, match="which prompt 'b' is about is not told"):
        read_results(path, None)


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be read: No such file"):
        read_results(folder / "none.json", REPLY)
    with pytest.raises(ResultsError, match="cannot be read: Is a directory"):
        read_results(folder, REPLY)


def test_a_file_over_the_limit_is_refused(folder: Path) -> None:
    path = folder / "results.csv"
    with path.open("wb") as file:
        file.truncate(results_file.MAX_FILE_BYTES + 1)

    with pytest.raises(ResultsError, match="the file is over 50 MB"):
        read_results(path, REPLY)


def test_too_many_cases_are_refused(folder: Path) -> None:
    path = write(folder, "results.csv", "score\n" + "1\n" * (results_file.MAX_CASES + 1))

    with pytest.raises(ResultsError, match="more than 100,000 cases"):
        read_results(path, REPLY)
