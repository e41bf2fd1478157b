"""Report the result of an evaluation: in PromptLayer, and on the pull request as comment and
status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bridge.errors import BridgeError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.promptlayer_recorders import RunRecorder
from bridge.evals.verdict_report import (
    EvaluationThreshold,
    EvaluationVerdict,
    judge_run,
    render_report,
    render_status_text,
)
from bridge.forge.forge import Forge, PullRequest, PullRequestState, StatusState
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.pull_request.markdown import escape_prose, format_name
from bridge.prompts.pull_request.metadata import parse_metadata

STATUS_NAME = "promptlayer-bridge/evals"
COMMENT_MARKER = "promptlayer-bridge-evals"
WAITING_TEXT = "Waiting for evaluation."


@dataclass(frozen=True)
class JudgedRun:
    run: EvaluationRun
    base: EvaluationRun | None
    verdict: EvaluationVerdict


@dataclass(frozen=True)
class EvaluationProblem:
    """Why a prompt has no result."""

    prompt: PromptReference
    text: str


def judge_runs(
    runs: Sequence[EvaluationRun], base: Sequence[EvaluationRun], threshold: EvaluationThreshold
) -> tuple[JudgedRun, ...]:
    """Each run against the base's run of the same prompt."""
    before = {run.prompt.title: run for run in base}
    return tuple(judge_single_run(run, before.get(run.prompt.title), threshold) for run in runs)


def judge_single_run(
    run: EvaluationRun, base: EvaluationRun | None, threshold: EvaluationThreshold
) -> JudgedRun:
    return JudgedRun(run, base, judge_run(run, base, threshold))


def record_runs(runs: Sequence[EvaluationRun], recorder: RunRecorder) -> tuple[EvaluationRun, ...]:
    """The runs, made visible in PromptLayer, with their addresses there. Where nothing was graded
    there is nothing to see."""
    return tuple(
        run if run.score is None else replace(run, link=recorder.record(run) or run.link)
        for run in runs
    )


@contextmanager
def report_pending(forge: Forge, commit: str) -> Iterator[None]:
    """Set the commit's status to pending during an evaluation, and to an error when there will
    be no result."""
    forge.set_commit_status(commit, STATUS_NAME, StatusState.PENDING, WAITING_TEXT, None)
    try:
        yield
    except BridgeError as error:
        forge.set_commit_status(commit, STATUS_NAME, StatusState.ERROR, str(error), None)
        raise


def publish_results(
    forge: Forge,
    commit: str,
    pull_request: PullRequest | None,
    results: Sequence[JudgedRun],
    problems: Sequence[EvaluationProblem] = (),
) -> str:
    """Set the commit's status to the worst verdict, and comment on the pull request if there is
    one; returns the status's text. ``problems`` are the prompts without a result: one makes the
    status an error."""
    if problems:
        state, text, link = StatusState.ERROR, problems[0].text, None
    else:
        worst = _worst(results)
        state = StatusState.SUCCESS if worst.verdict.is_good else StatusState.FAILURE
        text, link = summarise_runs(results), worst.run.link
    forge.set_commit_status(commit, STATUS_NAME, state, text, link)
    if pull_request is not None:
        parts = [render_report(one.run, one.base, one.verdict) for one in results]
        parts += [_render_problem(problem) for problem in problems]
        words = "\n\n".join(parts)
        forge.upsert_comment(pull_request.number, COMMENT_MARKER, words[: forge.body_limit])
    return text


def _render_problem(problem: EvaluationProblem) -> str:
    name = format_name(problem.prompt.title)
    return f"**Evaluation of {name}: no result.** {escape_prose(problem.text)}"


def summarise_runs(results: Sequence[JudgedRun]) -> str:
    """One line over all prompts; of several, the first that is not good enough is named."""
    worst = _worst(results)
    text = render_status_text(worst.run, worst.verdict)
    if len(results) == 1:
        return text
    good = sum(result.verdict.is_good for result in results)
    summary = f"{good:,} of {len(results):,} prompts are good enough."
    return summary if worst.verdict.is_good else f"{summary} {worst.run.prompt.title}: {text}"


def _worst(results: Sequence[JudgedRun]) -> JudgedRun:
    return next((result for result in results if not result.verdict.is_good), results[0])


def find_open_pull_request(forge: Forge, commit: str) -> PullRequest | None:
    """Find the newest open pull request that would bring a commit."""
    pulls = forge.list_pull_requests_of_commit(commit)
    return next((one for one in pulls if one.state is PullRequestState.OPEN), None)


def find_proposed_prompts(
    pull_request: PullRequest, promptlayer: PromptLayerClient
) -> tuple[PromptReference, ...]:
    """Find the versions that a pull request of the bridge proposes, with their present names;
    none for any other pull request. The metadata of a fork's is ignored."""
    metadata = None if pull_request.is_from_fork else parse_metadata(pull_request.body)
    versions = metadata.versions if metadata else ()
    return tuple(
        PromptReference(_name(promptlayer, id), id, version, label)
        for id, label, version in versions
        if version is not None
    )


def find_replaced_prompt(
    pull_request: PullRequest, prompt: PromptReference
) -> PromptReference | None:
    """Find the version on the base branch that a proposed one replaces; None where the prompt is
    new there."""
    metadata = parse_metadata(pull_request.body)
    versions = metadata.before if metadata else ()
    known = {(id, label): version for id, label, version in versions}
    version = known.get((prompt.id, prompt.label)) if prompt.id and prompt.label else None
    return replace(prompt, version=version, label=None) if version is not None else None


def _name(promptlayer: PromptLayerClient, id: int) -> str | None:
    prompt = promptlayer.find_prompt(id)
    return prompt.name if prompt else None
