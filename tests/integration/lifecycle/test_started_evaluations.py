"""``evals: {run: bridge}``: a new head starts its evaluation, once, and hears what came of it; a merge
starts a workflow. On every forge."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.engine.evaluation_store import SUPERSEDED, EvaluationPurpose, EvaluationRequest
from bridge.evals.pull_request_feedback import STATUS_NAME, WAITING_TEXT
from bridge.forge.forge import PullRequest, StatusState
from bridge.forge.forge_webhooks import PullRequestAction
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import JsonObject, PromptFile
from bridge.status.history_events import HistoryEventKind
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.evaluation_kills import (
    MAPPING,
    evaluate_heads,
    forgotten_executions,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_books import way
from tests.integration.lifecycle.test_forge_events import decision_told, engineers

STARTED: dict[str, Any] = {"evals": {"run": "bridge", "workflow": "quality", "minimum": 0.8}}
every_forge = pytest.mark.parametrize("forge_name", FORGES)


def said(environment: BridgeEnvironment, commit: str) -> tuple[StatusState | None, str]:
    found = environment.repository.said_on(commit).get(STATUS_NAME)
    state = environment.repository.forge.read_status(commit, STATUS_NAME)
    return state, (found[1] or "") if found else ""


def started(environment: BridgeEnvironment) -> list[tuple[int | None, str | None]]:
    """The prompt version and the commit of every execution."""
    runs = environment.evaluations.workflow_runs.values()
    return [(run.variables.get("prompt_version"), run.variables.get("commit")) for run in runs]


def comments(environment: BridgeEnvironment, number: int) -> str:
    return "\n".join(environment.repository.comments(number))


def request_of(pull: PullRequest) -> EvaluationRequest:
    return EvaluationRequest("support", EvaluationPurpose.PROPOSAL, pull.number, pull.head_commit)


def outcome(environment: BridgeEnvironment, pull: PullRequest) -> str | None:
    progress = environment.store.evaluations.find_progress(request_of(pull))
    return progress.outcome if progress else None


@every_forge
def test_a_new_proposal_is_evaluated_and_says_what_came_of_it(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    pull = environment.pull_request()
    assert started(environment) == [(1, pull.head_commit)]
    assert said(environment, pull.head_commit) == (StatusState.SUCCESS, "Score 0.90")
    assert "Evaluation of" in comments(environment, pull.number)


@every_forge
def test_a_score_below_the_minimum_fails_the_status(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.5})

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    state, text = said(environment, environment.pull_request().head_commit)
    assert state is StatusState.FAILURE
    assert text == "0.50 is below the minimum of 0.80"


def test_the_pull_request_is_there_and_waits_while_the_evaluation_runs(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"evals": {**STARTED["evals"], "required": True}})
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.evaluations.hold_runs()

    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=60)

    pull = environment.pull_request()
    assert said(environment, pull.head_commit) == (StatusState.PENDING, WAITING_TEXT)

    environment.evaluations.release_runs()
    environment.run_evaluations()

    assert said(environment, pull.head_commit) == (StatusState.SUCCESS, "Score 0.90")
    assert len(started(environment)) == 1


def test_the_event_of_a_finished_run_wakes_it_before_the_next_poll(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.evaluations.hold_runs()
    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=0)
    environment.evaluations.release_runs()

    environment.settle()  # delivers agent_run_finished

    pull = environment.pull_request()
    assert said(environment, pull.head_commit) == (StatusState.SUCCESS, "Score 0.90")


def test_a_report_is_woken_by_its_event_too(make_world: MakeWorld) -> None:
    environment = make_world({"evals": {"run": "bridge", "report_id": 1}})
    assert environment.evaluations.add_report("Regression", 90.0) == 1
    environment.evaluations.hold_runs()
    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=0)
    environment.evaluations.release_runs()

    environment.settle()

    commit = environment.pull_request().head_commit
    assert said(environment, commit) == (StatusState.SUCCESS, "Score 0.90")


def test_an_event_that_comes_too_early_or_twice_changes_nothing(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.evaluations.hold_runs()
    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=0)
    environment.evaluations.release_runs()
    (event,) = environment.post.take()
    environment.evaluations.hold_runs()
    for run in environment.evaluations.workflow_runs.values():
        run.progress = type(run.progress).RUNNING  # the event was a little early

    environment.deliver([event])
    environment.settle()
    commit = environment.pull_request().head_commit
    assert said(environment, commit) == (StatusState.PENDING, WAITING_TEXT)

    environment.evaluations.release_runs()
    environment.run_evaluations()
    environment.settle()

    assert said(environment, commit) == (StatusState.SUCCESS, "Score 0.90")
    assert len(started(environment)) == 1


@every_forge
def test_a_superseded_heads_result_is_dropped(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9}, by_version={2: {"score": 0.95}})
    environment.evaluations.hold_runs()
    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=0)
    first = environment.pull_request()

    environment.propose("Answer briefly.")
    environment.evaluations.release_runs()
    environment.run_evaluations()

    second = environment.pull_request()
    assert outcome(environment, first) == SUPERSEDED
    assert said(environment, first.head_commit) == (StatusState.PENDING, WAITING_TEXT)
    assert said(environment, second.head_commit) == (StatusState.SUCCESS, "Score 0.95")
    assert started(environment) == [(1, first.head_commit), (2, second.head_commit)]


def test_somebodys_commit_on_the_branch_is_a_new_head(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.propose("Answer kindly.")
    environment.run_evaluations()
    first = environment.pull_request()

    environment.edit_branch("kindly", "warmly")
    environment.sweep()
    environment.run_evaluations()

    second = environment.pull_request()
    assert second.head_commit != first.head_commit
    assert started(environment) == [(1, first.head_commit), (1, second.head_commit)]


def test_looking_again_starts_nothing_again(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.propose("Answer kindly.")
    environment.run_evaluations()

    for _ in range(3):
        environment.sweep()
        environment.run_evaluations()

    assert len(started(environment)) == 1


def test_a_newer_version_of_the_prompt_is_compared_with_the_bases(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.evaluations.add_workflow("quality", {"score": 0.95}, by_version={2: {"score": 0.9}})

    environment.propose("Answer briefly.")
    environment.run_evaluations()

    pull = environment.pull_request()
    assert said(environment, pull.head_commit)[1] == "0.90 is a drop from 0.95 on the base"
    assert sorted(started(environment), key=str) == [(1, None), (2, pull.head_commit)]

    environment.propose("Answer warmly.")
    environment.run_evaluations()

    assert [version for version, _ in started(environment)].count(1) == 1  # the base's is known


@every_forge
def test_a_failed_node_says_so(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9}, failure="the model is gone")

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    pull = environment.pull_request()
    _, text = said(environment, pull.head_commit)
    assert text == "PromptLayer's workflow 'quality' failed at 'score': the model is gone."
    assert "the model is gone" in comments(environment, pull.number)


def test_a_cancelled_run_says_so(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.evaluations.hold_runs()
    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=0)

    environment.evaluations.cancel_runs()
    environment.run_evaluations()

    state, text = said(environment, environment.pull_request().head_commit)
    assert state is StatusState.ERROR
    assert text == "PromptLayer's workflow 'quality' was cancelled at 'score': run it again."


def test_a_cancelled_report_says_so(make_world: MakeWorld) -> None:
    environment = make_world({"evals": {"run": "bridge", "report_id": 1}})
    assert environment.evaluations.add_report("Regression", 90.0) == 1
    environment.evaluations.hold_runs()
    environment.propose("Answer kindly.")
    environment.run_evaluations(patience=0)

    environment.evaluations.cancel_runs()
    environment.run_evaluations()

    state, text = said(environment, environment.pull_request().head_commit)
    assert state is StatusState.ERROR
    assert text.startswith("PromptLayer's evaluation 1 ended as cancelled")


def test_a_run_that_takes_too_long_says_so(make_world: MakeWorld) -> None:
    environment = make_world({"evals": {**STARTED["evals"], "timeout": "10m"}})
    environment.evaluations.add_workflow("quality", {"score": 0.9})
    environment.evaluations.hold_runs()

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    pull = environment.pull_request()
    state, text = said(environment, pull.head_commit)
    assert state is StatusState.ERROR
    assert text.startswith("PromptLayer's workflow quality was not finished after 10 minutes")


def test_a_workflow_that_does_not_exist_is_named(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    pull = environment.pull_request()
    state, text = said(environment, pull.head_commit)
    assert state is StatusState.ERROR
    assert text == (
        "PromptLayer has no workflow 'quality': correct the name or number in the mapping's settings."
    )
    assert "No evaluation" in comments(environment, pull.number)


def test_the_history_of_the_prompt_says_what_came_of_it(make_world: MakeWorld) -> None:
    environment = make_world(STARTED)
    environment.evaluations.add_workflow("quality", {"score": 0.9})

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    events = way(environment)
    (event,) = [event for event in events if event.kind is HistoryEventKind.EVALUATED]
    assert (event.text, event.version) == ("Score 0.90", 1)


def test_without_run_bridge_nothing_is_started(make_world: MakeWorld) -> None:
    environment = make_world({"evals": {"workflow": "quality"}})
    environment.evaluations.add_workflow("quality", {"score": 0.9})

    environment.propose("Answer kindly.")
    environment.run_evaluations()

    assert started(environment) == []


# An engineer's pull request


ENGINEERS: dict[str, Any] = {
    "publish": True,
    "evals": {"run": "bridge", "workflow": "quality", "on": ["pull_request"]},
}


def engineer_opens(environment: BridgeEnvironment, files: dict[str, bytes]) -> PullRequest:
    """An engineer's pull request that changes these files; its webhook arrives."""
    pull = engineers(environment, {path: text.decode() for path, text in files.items()})
    decision_told(environment, pull, PullRequestAction.OPENED)
    return pull


def edited_file(environment: BridgeEnvironment, old: str, new: str) -> bytes:
    text = environment.repository.text(PATH)
    assert text is not None
    assert old in text
    return text.replace(old, new).encode()


def test_an_engineers_pull_request_is_evaluated_by_the_input_that_the_workflow_takes(
    make_world: MakeWorld,
) -> None:
    environment = make_world(ENGINEERS)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.evaluations.add_workflow("quality", {"score": 0.9}, inputs=("prompt_template",))

    pull = engineer_opens(
        environment, {PATH: edited_file(environment, "Answer kindly.", "Answer warmly.")}
    )
    environment.run_evaluations()

    runs = [run.variables for run in environment.evaluations.workflow_runs.values()]
    (told,) = [variables for variables in runs if "prompt_template" in variables]
    assert "Answer warmly." in str(told["prompt_template"])
    assert told["prompt_name"] == NAME
    assert told["commit"] == pull.head_commit
    assert said(environment, pull.head_commit) == (StatusState.SUCCESS, "Score 0.90")


def test_content_that_is_a_version_already_is_evaluated_as_that_version(
    make_world: MakeWorld,
) -> None:
    environment = make_world(ENGINEERS)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Answer warmly.")
    environment.post.lose()
    newest = environment.promptlayer.find_prompt(1)
    assert newest is not None
    environment.evaluations.add_workflow("quality", {"score": 0.9})

    pull = engineer_opens(
        environment, {PATH: render_prompt_file(PromptFile(newest, "latest")).encode()}
    )
    environment.run_evaluations()

    assert (2, pull.head_commit) in started(environment)
    assert said(environment, pull.head_commit) == (StatusState.SUCCESS, "Score 0.90")


def test_where_the_workflow_cannot_take_the_content_the_comment_says_why(
    make_world: MakeWorld,
) -> None:
    environment = make_world(ENGINEERS)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.evaluations.add_workflow("quality", {"score": 0.9})

    pull = engineer_opens(
        environment, {PATH: edited_file(environment, "Answer kindly.", "Answer warmly.")}
    )
    environment.run_evaluations()

    assert started(environment) == []
    assert "no input variable" in comments(environment, pull.number)


def test_a_pull_request_without_prompts_is_left_alone(make_world: MakeWorld) -> None:
    environment = make_world(ENGINEERS)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.evaluations.add_workflow("quality", {"score": 0.9})

    pull = engineer_opens(environment, {"src/code.py": b"pass\n"})
    environment.run_evaluations()

    assert started(environment) == []
    assert comments(environment, pull.number) == ""
    assert said(environment, pull.head_commit) == (None, "")


# What a merge starts


MERGED: dict[str, Any] = {"on_merge": {"workflow": "announce", "input": {"channel": "#prompts"}}}


def merge_started(environment: BridgeEnvironment) -> list[JsonObject]:
    return [run.variables for run in environment.evaluations.workflow_runs.values()]


@every_forge
def test_a_merge_starts_the_workflow_once_and_its_end_is_told(make_world: MakeWorld) -> None:
    environment = make_world(MERGED)
    environment.evaluations.add_workflow("announce", {"sent": "to 3 people"})
    environment.propose("Answer kindly.")
    pull = environment.pull_request()

    environment.repository.merge(pull)
    decision_told(environment, pull, PullRequestAction.MERGED)
    environment.run_evaluations()
    for _ in range(3):
        environment.sweep()
        environment.run_evaluations()

    (variables,) = merge_started(environment)
    assert variables["channel"] == "#prompts"
    assert (variables["prompt_name"], variables["prompt_version"]) == (NAME, 1)
    assert variables["pull_request"] == pull.url
    told = comments(environment, pull.number)
    assert "started by this merge, is finished" in told
    assert "to 3 people" in told


def test_a_merge_workflow_that_fails_says_why(make_world: MakeWorld) -> None:
    environment = make_world(MERGED)
    environment.evaluations.add_workflow("announce", {"sent": "x"}, failure="no such channel")
    environment.propose("Answer kindly.")
    pull = environment.pull_request()

    environment.repository.merge(pull)
    environment.sweep()
    environment.run_evaluations()

    assert "no such channel" in comments(environment, pull.number)


def test_closing_without_a_merge_starts_no_workflow(make_world: MakeWorld) -> None:
    environment = make_world(MERGED)
    environment.evaluations.add_workflow("announce", {"sent": "x"})
    environment.propose("Answer kindly.")

    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    environment.run_evaluations()

    assert merge_started(environment) == []


def test_a_label_moves_and_a_workflow_starts_where_both_are_set(make_world: MakeWorld) -> None:
    environment = make_world({"on_merge": {"workflow": "announce", "move_label": "prod"}})
    environment.evaluations.add_workflow("announce", {"sent": "x"})
    environment.propose("Answer kindly.")

    environment.repository.merge(environment.pull_request())
    environment.sweep()
    environment.run_evaluations()

    assert environment.promptlayer.read_labels(1) == {"prod": 1}
    assert len(merge_started(environment)) == 1


def test_a_merge_of_before_the_bridge_had_its_database_starts_nothing(
    make_world: MakeWorld,
) -> None:
    environment = make_world(MERGED)
    environment.evaluations.add_workflow("announce", {"sent": "x"})
    environment.propose("Answer kindly.")
    environment.repository.merge(environment.pull_request())

    environment.forget_everything()
    environment.sweep()
    environment.run_evaluations()

    assert merge_started(environment) == []


# Kills


def test_a_kill_at_any_step_starts_no_evaluation_twice_and_loses_none(
    make_world: MakeWorld,
) -> None:
    environment = make_world(MAPPING)

    found = evaluate_heads(environment, 30)

    assert found.wrong == {}
    assert len(found.killed_at) > 10
    assert all(count <= 2 for count in found.starts_after_lost_answer.values())


def test_the_count_of_starts_sees_a_planted_fault(make_world: MakeWorld) -> None:
    environment = make_world(MAPPING)

    with forgotten_executions():
        found = evaluate_heads(environment, 1, first_step=1000)  # no kill

    assert found.wrong


def test_a_report_whose_answer_was_lost_is_found_by_its_name(make_world: MakeWorld) -> None:
    environment = make_world({"evals": {"run": "bridge", "report_id": 1}})
    assert environment.evaluations.add_report("Regression", 90.0) == 1
    environment.propose("Answer kindly.")

    environment.evaluations.hold_runs()
    with forgotten_executions():
        environment.run_evaluations(patience=0)
    environment.evaluations.release_runs()

    environment.run_evaluations()

    assert len(environment.evaluations.report_runs) == 1
    commit = environment.pull_request().head_commit
    assert said(environment, commit) == (StatusState.SUCCESS, "Score 0.90")
