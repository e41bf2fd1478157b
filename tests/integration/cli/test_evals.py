"""``evals``: results of evaluations, seen in PromptLayer and on the pull request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.evals_command import EXIT_BELOW_THRESHOLD
from bridge.cli.run_event_watch import watch_run_events
from bridge.config.bridge_config import load_config
from bridge.evals.pull_request_feedback import COMMENT_MARKER, STATUS_NAME, WAITING_TEXT
from bridge.forge.forge import Forge, PullRequest, PullRequestContent
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.wiring import get_current_time
from tests.contract import github_case, gitlab_case
from tests.contract.forge_case import ForgeCase
from tests.integration.cli.cli_workspace import CONFIG, CliWorkspace
from tests.integration.sample_deliveries import NOON, delivery_of, payload_of, version_delivery
from tests.integration.switchable_app import SwitchableApp
from tests.standins.git_http import commit_files
from tests.standins.gitlab import TOKEN

TITLE = "support/reply"
PULLS = "http://forge.example.com/acme/support-bot/pull"
UNKNOWN_COMMIT = "ab" * 20

# What an evaluation before the change and one after it say.
BEFORE = [
    {"name": "refund", "score": 1.0, "passed": True},
    {"name": "order", "score": 0.8, "passed": True},
]
AFTER = [
    {"name": "refund", "score": 0.5, "passed": False, "reason": "no refund | promised"},
    {"name": "order", "score": 0.9, "passed": True},
]
GOOD = [{"name": "refund", "score": 1.0, "passed": True}, {"name": "order", "score": 0.9}]
COMMENT = """\
**Evaluation of `support/reply` (version 1): not good enough: 0.70 is below the minimum of 0.80; \
0.70 is a drop from 0.90 on the base.**

| | base | this change | |
|---|---:|---:|---:|
| score | 0.90 | 0.70 | −0.20 |
| passed | 2 of 2 | 1 of 2 | −1 |

<details><summary>2 cases to look at</summary>

| case | | base | this change | why |
|---|---|---:|---:|---|
| `refund` | now fails | 1.00 | 0.50 | `no refund \\| promised` |
| `order` | better | 0.80 | 0.90 |  |

</details>

Results of a script at `{commit}`."""

PROMPTFOO = {
    "results": {
        "version": 3,
        "prompts": [{"raw": "Be kind. {{question}}", "label": TITLE}],
        "results": [
            {
                "promptIdx": 0,
                "testIdx": 0,
                "testCase": {"description": "refund"},
                "prompt": {"raw": "Be kind. Where is my money?", "label": TITLE},
                "provider": {"id": "openai:gpt-4o"},
                "response": {"output": "On its way."},
                "success": True,
                "score": 1,
                "namedScores": {"tone": 0.75},
            }
        ],
    }
}
JUNIT = """\
<testsuites><testsuite name="prompts"><testcase name="refund"><properties>
<property name="prompt" value="support/reply"/><property name="score" value="1"/>
</properties></testcase></testsuite></testsuites>
"""
CSV = "prompt,name,score,passed\nsupport/reply,refund,1,yes\n"
FILES: dict[str, Any] = {
    "out.json": PROMPTFOO,
    "junit.xml": JUNIT,
    "plain.json": [{"prompt": TITLE, "name": "refund", "score": 1}],
    "plain.csv": CSV,
}


@pytest.fixture
def evaluations(workspace: CliWorkspace, served: tuple[SwitchableApp, str]) -> FakeEvaluations:
    """What PromptLayer's stand-in behind the desk knows of evaluations."""
    found: FakeEvaluations = served[0].app.state.evaluations  # type: ignore[attr-defined]
    return found


def write(workspace: CliWorkspace, name: str, content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    (workspace.folder / name).write_text(text, encoding="utf-8")
    return name


def bar(workspace: CliWorkspace, **evals: Any) -> None:
    """Configure what evaluations have to reach, and how they are run."""
    workspace.configure(
        CONFIG + f"    evals: {json.dumps(evals)}\n".replace("{", "{{").replace("}", "}}")
    )


def proposal(workspace: CliWorkspace, *names: str) -> PullRequest:
    """The bridge's pull request for the first version of a prompt."""
    for name in names or (TITLE,):
        workspace.save(name)
    assert workspace.run("sync").status == 0
    return workspace.forge.list_all_pull_requests()[0]


def of_engineer(workspace: CliWorkspace) -> PullRequest:
    """A pull request that the bridge did not open."""
    commit_files(workspace.folder / "forge" / "acme" / "support-bot.git", "mine", {"a.txt": b"a\n"})
    content = PullRequestContent("Mine", "By hand.", draft=False)
    return workspace.forge.create_pull_request("mine", "main", content)


def status(workspace: CliWorkspace, commit: str) -> tuple[str, str]:
    said = workspace.forge.read_statuses(commit)[STATUS_NAME]
    return str(said.state), said.text


def comments(workspace: CliWorkspace, pull_request: PullRequest) -> list[str]:
    """The comments about evaluations."""
    found = workspace.forge.read_comments(pull_request.number)
    return [body for marker, body in found.items() if marker == COMMENT_MARKER]


def push(workspace: CliWorkspace, results: str, *words: object) -> Any:
    return workspace.run("evals", "push", results, "-m", "support", *map(str, words))


# Pushing results


@pytest.mark.parametrize("name", FILES)
def test_results_of_each_form_are_seen_on_both_sides(
    workspace: CliWorkspace, evaluations: FakeEvaluations, name: str
) -> None:
    pull = proposal(workspace)
    workspace.save(TITLE, "A newer version that was not evaluated.")

    said = push(workspace, write(workspace, name, FILES[name]), "--pull-request", pull.number)

    assert (said.status, said.err) == (0, "")
    assert said.out == f"support/reply version 1: 1.000, good\ntold on {PULLS}/{pull.number}\n"
    assert status(workspace, pull.head_commit)[0] == "success"
    (comment,) = comments(workspace, pull)
    assert comment.startswith("**Evaluation of `support/reply` (version 1): good.**")
    (log,) = evaluations.logs.requests.values()
    assert log.version is not None
    assert log.version.number == 1
    assert (log.body["score"], log.body["metadata"]["case"]) == (100, "refund")
    assert log.body["metadata"]["commit"] == pull.head_commit


def test_named_scores_are_seen_in_promptlayer(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    pull = proposal(workspace)

    push(workspace, write(workspace, "out.json", PROMPTFOO), "--pull-request", pull.number)

    assert [log.scores for log in evaluations.logs.requests.values()] == [{"tone": 75}]
    assert "| `tone` | 0.75 |" in comments(workspace, pull)[0]


def test_the_comment_shows_before_and_after(workspace: CliWorkspace) -> None:
    bar(workspace, minimum=0.8)
    pull = proposal(workspace)
    base, after = write(workspace, "base.json", BEFORE), write(workspace, "after.json", AFTER)

    said = push(workspace, after, "--base", base, "--pull-request", pull.number)

    assert said.status == EXIT_BELOW_THRESHOLD
    assert comments(workspace, pull) == [COMMENT.format(commit=pull.head_commit[:10])]
    assert status(workspace, pull.head_commit) == (
        "failure",
        "0.70 is below the minimum of 0.80, 0.70 is a drop from 0.90 on the base (1 of 2 passed)",
    )


def test_a_second_push_brings_the_comment_and_the_status_up_to_date(
    workspace: CliWorkspace,
) -> None:
    bar(workspace, minimum=0.8)
    pull = proposal(workspace)
    assert (
        push(workspace, write(workspace, "a.json", AFTER), "--pull-request", pull.number).status
        == 2
    )

    said = push(workspace, write(workspace, "b.json", GOOD), "--pull-request", pull.number)

    assert said.status == 0
    (comment,) = comments(workspace, pull)
    assert ": good.**" in comment
    assert status(workspace, pull.head_commit)[0] == "success"


@pytest.mark.parametrize(("drop", "left"), [(0.0, 2), (0.25, 0)])
def test_a_drop_against_the_base_is_judged_by_the_mapping(
    workspace: CliWorkspace, drop: float, left: int
) -> None:
    bar(workspace, drop=drop)
    pull = proposal(workspace)
    base, after = write(workspace, "base.json", BEFORE), write(workspace, "after.json", AFTER)

    said = push(workspace, after, "--base", base, "--pull-request", pull.number)

    assert said.status == left
    assert status(workspace, pull.head_commit)[0] == ("failure" if left else "success")


def test_a_run_goes_into_a_table_where_the_mapping_wants_it(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    bar(workspace, record="table", minimum=0.4)
    pull = proposal(workspace)

    said = push(workspace, write(workspace, "after.json", AFTER), "--pull-request", pull.number)

    (table,) = evaluations.tables.all
    (sheet,) = table.sheets
    assert said.status == 0
    assert table.title == "Evaluations of support/reply"
    assert sheet.title.startswith(f"version 1 · {pull.head_commit[:10]} · score 0.700 · ")
    assert sheet.list_column_values("case") == ["refund", "order"]
    assert sheet.list_column_values("reason") == ["no refund | promised", ""]
    assert evaluations.logs.requests == {}
    link = f"/smart-tables/{table.id}?sheet={sheet.id}"
    assert link in comments(workspace, pull)[0]
    assert (workspace.forge.read_statuses(pull.head_commit)[STATUS_NAME].url or "").endswith(link)


def test_several_prompts_are_judged_each(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    bar(workspace, minimum=0.8)
    workspace.save("support/thank")
    workspace.save(TITLE)
    commit = of_engineer(workspace).head_commit
    results = [{"prompt": TITLE, "score": 1}, {"prompt": "support/thank", "score": 0.5}]

    said = push(workspace, write(workspace, "both.json", results), "--commit", commit)

    assert said.status == EXIT_BELOW_THRESHOLD
    assert [line.partition(":")[0] for line in said.out.splitlines()[:2]] == [
        TITLE,
        "support/thank",
    ]
    assert status(workspace, commit) == (
        "failure",
        "1 of 2 prompts are good enough. support/thank: 0.50 is below the minimum of 0.80",
    )
    assert len(evaluations.logs.requests) == 2


def test_a_commit_is_enough_to_find_its_pull_request(workspace: CliWorkspace) -> None:
    workspace.save(TITLE)
    pull = of_engineer(workspace)
    results = write(workspace, "good.json", GOOD)

    said = push(workspace, results, "--commit", pull.head_commit, "--prompt", TITLE)

    assert (said.status, len(comments(workspace, pull))) == (0, 1)
    assert said.out.endswith(f"told on {PULLS}/{pull.number}\n")


def test_without_a_commit_only_promptlayer_is_told(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    pull = proposal(workspace)

    said = push(workspace, write(workspace, "good.json", GOOD), "--prompt", TITLE, "--version", 1)

    assert (said.status, said.out) == (0, "support/reply version 1: 0.950, good\n")
    assert len(evaluations.logs.requests) == 2
    assert comments(workspace, pull) == []


def test_results_need_not_be_recorded(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    pull = proposal(workspace)

    said = push(
        workspace, write(workspace, "good.json", GOOD), "--pull-request", pull.number, "--no-record"
    )

    assert (said.status, len(comments(workspace, pull))) == (0, 1)
    assert evaluations.logs.requests == {}


def test_results_in_which_nothing_was_graded_are_not_good(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    pull = proposal(workspace)
    skipped = '<testsuite><testcase name="refund"><skipped/></testcase></testsuite>'

    said = push(workspace, write(workspace, "skipped.xml", skipped), "--pull-request", pull.number)

    assert said.status == EXIT_BELOW_THRESHOLD
    assert status(workspace, pull.head_commit) == ("failure", "Nothing was graded")
    assert evaluations.logs.requests == {}


# Mistakes


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", '[\n{"score": 1},\n]', "a.json:3: expected JSON"),
        ("a.csv", "name,score\nrefund,80\n", "a.csv:2: score: expected a number from 0 to 1"),
        ("a.xml", "<html/>", "a.xml:1: expected <testsuites> or <testsuite>, got <html>"),
        ("a.txt", "refund 1", "a.txt: expected a file that ends in .json, .xml or .csv"),
        ("a.json", [], "a.json: there are no cases in it"),
    ],
)
def test_a_mistake_in_the_results_is_told_with_the_file(
    workspace: CliWorkspace, evaluations: FakeEvaluations, name: str, content: Any, told: str
) -> None:
    pull = proposal(workspace)

    said = push(workspace, write(workspace, name, content), "--pull-request", pull.number)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(told)
    state, text = status(workspace, pull.head_commit)
    assert state == "error"
    assert text.startswith(told)
    assert evaluations.logs.requests == {}


def test_a_mistake_in_the_results_of_the_base_is_told_before_anything_is_recorded(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    after, base = write(workspace, "after.json", AFTER), write(workspace, "base.json", "{}")

    said = push(workspace, after, "--base", base, "--prompt", TITLE)

    assert (said.status, evaluations.logs.requests) == (1, {})
    assert said.err.startswith("base.json: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--prompt", "support/nobody"], "support/nobody"),
        ([], "good.json: which prompt 'refund' is about is not told; name the prompt."),
        (["--version", "1"], "--version and --label are about the prompt of --prompt"),
        (["--pull-request", "99"], "local:acme/support-bot has no pull request 99."),
        (["--prompt", TITLE, "--commit", UNKNOWN_COMMIT], f"has no commit '{UNKNOWN_COMMIT}'"),
        (["-m", "nobody"], "nobody"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_and_nothing_is_recorded(
    workspace: CliWorkspace, evaluations: FakeEvaluations, words: list[str], told: str
) -> None:
    workspace.save(TITLE)

    said = push(workspace, write(workspace, "good.json", GOOD), *words)

    assert (said.status, said.out) == (1, "")
    assert told in said.err
    assert "Traceback" not in said.err
    assert evaluations.logs.requests == {}


# Running an evaluation


def run(workspace: CliWorkspace, number: int, *words: str) -> Any:
    return workspace.run("evals", "run", "-m", "support", "--pull-request", str(number), *words)


@pytest.mark.parametrize(("percent", "state", "left"), [(90.0, "success", 0), (70.0, "failure", 2)])
def test_a_report_is_run_and_told(
    workspace: CliWorkspace, evaluations: FakeEvaluations, percent: float, state: str, left: int
) -> None:
    report = evaluations.add_report("Regression", percent, columns={"Tone": 80.0}, prompt_id=1)
    bar(workspace, minimum=0.8, report_id=report)
    pull = proposal(workspace)

    said = run(workspace, pull.number)

    assert (said.status, said.err) == (left, "")
    assert said.out.startswith(f"support/reply version 1: {percent / 100:.3f}, ")
    assert status(workspace, pull.head_commit)[0] == state
    (comment,) = comments(workspace, pull)
    assert f"| score | {percent / 100:.2f} |" in comment
    assert "| `Tone` | 0.80 |" in comment
    (execution,) = evaluations.report_runs.values()
    assert execution.name == f"support/reply version 1 {pull.head_commit[:10]}"


def test_a_workflow_is_run_by_its_name_and_told_what_is_proposed(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    evaluations.add_workflow("My judge", {"score": 0.875})
    bar(workspace, workflow="My judge")
    pull = proposal(workspace)

    said = run(workspace, pull.number)

    assert (said.status, status(workspace, pull.head_commit)) == (0, ("success", "Score 0.875"))
    (execution,) = evaluations.workflow_runs.values()
    assert execution.variables == {
        "prompt_name": TITLE,
        "prompt_id": 1,
        "prompt_version": 1,
        "prompt_label": "latest",
        "commit": pull.head_commit,
    }


@pytest.mark.parametrize(
    ("words", "left", "state", "runs"),
    [((), 2, "failure", [2, 1]), (("--no-base",), 0, "success", [2])],
)
def test_a_workflow_is_run_for_the_base_too_and_a_drop_fails(
    workspace: CliWorkspace,
    evaluations: FakeEvaluations,
    words: tuple[str, ...],
    left: int,
    state: str,
    runs: list[int],
) -> None:
    evaluations.add_workflow("Judge", {"score": 0.7}, by_version={1: {"score": 0.9}})
    bar(workspace, workflow="Judge")
    workspace.forge.merge(proposal(workspace).number)
    workspace.save(TITLE, "A newer version.")
    assert workspace.run("sync").status == 0
    pull = workspace.forge.list_all_pull_requests()[0]

    said = run(workspace, pull.number, *words)

    assert said.status == left
    assert [one.variables["prompt_version"] for one in evaluations.workflow_runs.values()] == runs
    assert status(workspace, pull.head_commit)[0] == state
    (comment,) = comments(workspace, pull)
    assert ("| score | 0.90 | 0.70 | −0.20 |" in comment) == ("--no-base" not in words)


def test_a_report_is_not_compared_as_it_evaluates_one_version_only(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    bar(workspace, report_id=evaluations.add_report("Regression", 70.0, prompt_id=1))
    workspace.forge.merge(proposal(workspace).number)
    workspace.save(TITLE, "A newer version.")
    assert workspace.run("sync").status == 0

    said = run(workspace, workspace.forge.list_all_pull_requests()[0].number)

    assert (said.status, len(evaluations.report_runs)) == (0, 1)


def test_every_prompt_of_a_pull_request_is_evaluated(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    evaluations.add_workflow("Judge", {"good": True})
    workspace.configure(
        CONFIG + "    pull_request: {{group: mapping}}\n    evals: {{workflow: Judge}}\n"
    )
    pull = proposal(workspace, TITLE, "support/thank")

    said = run(workspace, pull.number)

    evaluated = [one.variables["prompt_name"] for one in evaluations.workflow_runs.values()]
    assert said.status == 0
    assert sorted(evaluated) == [TITLE, "support/thank"]
    assert status(workspace, pull.head_commit) == ("success", "2 of 2 prompts are good enough.")
    (comment,) = comments(workspace, pull)
    assert comment.count("**Evaluation of ") == 2


def test_an_evaluation_of_another_version_is_told_as_one_that_did_not_happen(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    bar(workspace, report_id=evaluations.add_report("Regression", 99.0, prompt_id=1))
    pull = proposal(workspace)
    workspace.save(TITLE, "A newer version.")

    said = run(workspace, pull.number)

    told = "PromptLayer evaluated version 2 of support/reply, not version 1"
    assert said.status == 1
    assert said.err.startswith(told)
    state, text = status(workspace, pull.head_commit)
    assert state == "error"
    assert text.startswith(told)
    assert comments(workspace, pull) == []


def test_a_workflow_that_fails_is_told_in_its_words(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    evaluations.add_workflow("Judge", {"score": 1}, failure="No model answered.")
    bar(workspace, workflow="Judge")
    pull = proposal(workspace)

    said = run(workspace, pull.number)

    assert (said.status, "No model answered." in said.err) == (1, True)
    assert status(workspace, pull.head_commit)[0] == "error"


def test_an_evaluation_that_takes_too_long_is_told(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    bar(workspace, report_id=evaluations.add_report("Regression", 99.0, prompt_id=1))
    evaluations.hold_runs()
    pull = proposal(workspace)

    said = run(workspace, pull.number, "--patience", "0")

    assert said.status == 1
    assert "was not finished after 0 s." in said.err
    assert status(workspace, pull.head_commit)[0] == "error"


def test_a_mapping_without_an_evaluation_has_none_to_run(workspace: CliWorkspace) -> None:
    said = run(workspace, proposal(workspace).number)

    assert said.status == 1
    assert said.err.startswith("Mapping support names no evaluation")


def test_a_pull_request_of_somebody_else_has_nothing_to_run(
    workspace: CliWorkspace, evaluations: FakeEvaluations
) -> None:
    bar(workspace, report_id=evaluations.add_report("Regression", 99.0))

    said = run(workspace, of_engineer(workspace).number)

    assert said.status == 1
    assert "proposes no versions of PromptLayer" in said.err
    assert evaluations.report_runs == {}


# On hosted forges


@dataclass(frozen=True)
class Hosted:
    """A hosted forge: how bridge.yaml names it, and what people see there."""

    settings: dict[str, str]
    repository: str
    case: ForgeCase
    comments: Callable[[int], list[str]]

    @property
    def forge(self) -> Forge:
        return self.case.forge


@contextmanager
def on_github(root: Path) -> Iterator[Hosted]:
    with github_case.github_case(root) as case:
        behind = case.standin.repositories[github_case.REPOSITORY]
        token = case.standin.token("bot")
        yield Hosted(
            {"type": "github", "url": case.base_url, "token": token},
            github_case.REPOSITORY,
            case,
            lambda number: [one.body for one in behind.pull(number).comments],
        )


@contextmanager
def on_gitlab(root: Path) -> Iterator[Hosted]:
    with gitlab_case.gitlab_case(root) as case:
        yield Hosted(
            {"type": "gitlab", "url": case.url, "token": TOKEN},
            gitlab_case.REPOSITORY,
            case,
            lambda number: [one.body for one in case.project.find(number).notes],
        )


@pytest.fixture(params=[on_github, on_gitlab])
def hosted(
    workspace: CliWorkspace, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Hosted]:
    """The desk's repository is on a hosted forge; its evaluations are required."""
    with request.param(tmp_path / "hosted") as opened:
        config = CONFIG.replace(
            '{{type: local, root: forge, page_url: "http://forge.example.com"}}', "{forge}"
        ).replace("acme/support-bot", "{repository}")
        config += "    evals: {{minimum: 0.8, required: true}}\n"
        settings = json.dumps({**opened.settings, "token": "${TOKEN}"})
        workspace.environment["TOKEN"] = opened.settings["token"]
        workspace.configure(config, forge=settings, repository=opened.repository)
        yield opened


def test_a_hosted_forge_shows_status_and_comment(workspace: CliWorkspace, hosted: Hosted) -> None:
    workspace.save(TITLE)
    assert workspace.run("sync").status == 0
    (pull,) = hosted.forge.list_open_pull_requests("promptlayer/")
    states = {"pending": hosted.case.statuses(pull.head_commit)[STATUS_NAME][:2]}

    after, good = write(workspace, "after.json", AFTER), write(workspace, "good.json", GOOD)
    exits = []
    for name, results in {"after": after, "good": good}.items():
        exits.append(push(workspace, results, "--pull-request", pull.number).status)
        states[name] = hosted.case.statuses(pull.head_commit)[STATUS_NAME][:2]

    failed = "failed" if hosted.case.name == "gitlab" else "failure"
    assert exits == [EXIT_BELOW_THRESHOLD, 0]
    assert states == {
        "pending": ("pending", WAITING_TEXT),
        "after": (failed, "0.70 is below the minimum of 0.80 (1 of 2 passed)"),
        "good": ("success", "Score 0.95 (1 of 2 passed)"),
    }
    (comment,) = hosted.comments(pull.number)
    assert "Evaluation of `support/reply` (version 1): good." in comment


def test_an_event_that_the_server_received_ends_a_pause(
    workspace: CliWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal(workspace)  # there is a database then
    monkeypatch.chdir(workspace.folder)
    config, woken = load_config(workspace.config, workspace.environment), threading.Event()
    database = Database(f"sqlite:///{workspace.folder}/bridge-data/bridge.sqlite")

    with closing(database), closing(DeliveryInbox(database, get_current_time)) as inbox:
        inbox.put(version_delivery(1))
        with watch_run_events(config, woken):
            for number in range(2, 60):
                agent = {"agent_name": "a", "agent_id": 1, "agent_execution_id": number}
                payload = payload_of("agent_run_finished", number, **agent)
                inbox.put(delivery_of(payload, NOON + timedelta(seconds=number)))
                if woken.wait(1):
                    break

    assert woken.is_set()
