"""``evals: {required: true}``: a proposal waits for its evaluation, and says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.pull_request_feedback import (
    COMMENT_MARKER,
    STATUS_NAME,
    WAITING_TEXT,
    find_proposed_prompts,
    judge_runs,
    publish_results,
)
from bridge.evals.verdict_report import EvaluationThreshold
from bridge.forge.forge import StatusState
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_statuses import LocalCommitStatus
from tests.integration.lifecycle.bridge_environment import NAME, BridgeEnvironment, MakeWorld

REQUIRED: dict[str, Any] = {"evals": {"required": True}}
PENDING = LocalCommitStatus(StatusState.PENDING, WAITING_TEXT)


def local(environment: BridgeEnvironment) -> LocalForge:
    assert isinstance(environment.repository.forge, LocalForge)
    return environment.repository.forge


def status(environment: BridgeEnvironment, commit: str) -> LocalCommitStatus | None:
    return local(environment).read_statuses(commit).get(STATUS_NAME)


def evaluated(environment: BridgeEnvironment, score: float) -> None:
    """An evaluation of what is proposed is told."""
    pull = environment.pull_request()
    (prompt,) = find_proposed_prompts(pull, environment.promptlayer)
    results = judge_runs(
        [EvaluationRun("a test", prompt, overall_score=score)],
        [],
        EvaluationThreshold(min_score=0.8),
    )
    publish_results(environment.repository.forge, pull.head_commit, pull, results)


def test_a_proposal_waits_for_its_evaluation(make_world: MakeWorld) -> None:
    environment = make_world(REQUIRED)
    environment.save("Answer kindly.")

    environment.settle()

    assert status(environment, environment.pull_request().head_commit) == PENDING


def test_where_none_is_required_nothing_waits(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")

    environment.settle()

    assert status(environment, environment.pull_request().head_commit) is None


def test_an_evaluation_ends_the_wait_and_another_look_does_not_begin_it_again(
    make_world: MakeWorld,
) -> None:
    environment = make_world(REQUIRED)
    environment.save("Answer kindly.")
    environment.settle()

    evaluated(environment, 0.9)
    environment.sweep()

    said = status(environment, environment.pull_request().head_commit)
    assert said == LocalCommitStatus(StatusState.SUCCESS, "Score 0.90")
    assert COMMENT_MARKER in local(environment).read_comments(environment.pull_request().number)


def test_a_newer_version_waits_for_an_evaluation_of_its_own(make_world: MakeWorld) -> None:
    environment = make_world(REQUIRED)
    environment.save("Answer kindly.")
    environment.settle()
    evaluated(environment, 0.9)
    first = environment.pull_request().head_commit

    environment.save("Answer briefly.")
    environment.settle()

    second = environment.pull_request().head_commit
    assert second != first
    assert status(environment, second) == PENDING
    assert status(environment, first) == LocalCommitStatus(StatusState.SUCCESS, "Score 0.90")
    assert find_proposed_prompts(environment.pull_request(), environment.promptlayer) == (
        PromptReference(NAME, 1, 2, "latest"),
    )


def test_what_a_pull_request_of_a_fork_says_it_proposes_is_not_believed(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    pull = environment.pull_request()

    assert find_proposed_prompts(pull, environment.promptlayer)
    assert find_proposed_prompts(replace(pull, is_from_fork=True), environment.promptlayer) == ()
