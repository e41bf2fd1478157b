"""Tell what an evaluation found: in PromptLayer, and on the pull request as comment and status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bridge.errors import BridgeError
from bridge.evals.recording import Recorder
from bridge.evals.report import Bar, Verdict, judge, report, status_text
from bridge.evals.results import EvalRun, PromptRef
from bridge.forge.base import Forge, PullRequest, PullRequestState, StatusState
from bridge.promptlayer.client import PromptLayer
from bridge.prompts.memory import recall

STATUS = "promptlayer-bridge/evals"
MARKER = "promptlayer-bridge-evals"
WAITING = "Waiting for evaluation."


@dataclass(frozen=True)
class Judged:
    run: EvalRun
    base: EvalRun | None
    verdict: Verdict


def judged(runs: Sequence[EvalRun], base: Sequence[EvalRun], bar: Bar) -> tuple[Judged, ...]:
    """Each run against the base's run of the same prompt."""
    before = {run.prompt.title: run for run in base}
    return tuple(judged_one(run, before.get(run.prompt.title), bar) for run in runs)


def judged_one(run: EvalRun, base: EvalRun | None, bar: Bar) -> Judged:
    return Judged(run, base, judge(run, base, bar))


def recorded(runs: Sequence[EvalRun], recorder: Recorder) -> tuple[EvalRun, ...]:
    """The runs, made visible in PromptLayer, with their addresses there. Where nothing was graded
    there is nothing to see."""
    return tuple(
        run if run.score is None else replace(run, link=recorder.record(run) or run.link)
        for run in runs
    )


@contextmanager
def awaited(forge: Forge, commit: str) -> Iterator[None]:
    """The commit waits for its evaluation meanwhile, and says so when there will be none."""
    forge.set_status(commit, STATUS, StatusState.PENDING, WAITING, None)
    try:
        yield
    except BridgeError as error:
        forge.set_status(commit, STATUS, StatusState.ERROR, str(error), None)
        raise


def tell(
    forge: Forge, commit: str, pull_request: PullRequest | None, results: Sequence[Judged]
) -> None:
    """Say it on the commit, and on the pull request if there is one."""
    worst = _worst(results)
    state = StatusState.SUCCESS if worst.verdict.good else StatusState.FAILURE
    forge.set_status(commit, STATUS, state, summary(results), worst.run.link)
    if pull_request is not None:
        words = "\n\n".join(report(one.run, one.base, one.verdict) for one in results)
        forge.comment(pull_request.number, MARKER, words[: forge.body_limit])


def summary(results: Sequence[Judged]) -> str:
    """One line over all prompts; of several, the first that is not good enough is named."""
    worst = _worst(results)
    text = status_text(worst.run, worst.verdict)
    if len(results) == 1:
        return text
    good = sum(result.verdict.good for result in results)
    told = f"{good:,} of {len(results):,} prompts are good enough."
    return told if worst.verdict.good else f"{told} {worst.run.prompt.title}: {text}"


def _worst(results: Sequence[Judged]) -> Judged:
    return next((result for result in results if not result.verdict.good), results[0])


def open_pull_request(forge: Forge, commit: str) -> PullRequest | None:
    """The open pull request that would bring a commit, the newest of several."""
    pulls = forge.commit_pull_requests(commit)
    return next((one for one in pulls if one.state is PullRequestState.OPEN), None)


def proposed(pull_request: PullRequest, promptlayer: PromptLayer) -> tuple[PromptRef, ...]:
    """The versions that a pull request of the bridge proposes, with the names they have; none for
    any other pull request. What a fork's says is not believed."""
    memory = None if pull_request.from_fork else recall(pull_request.body)
    versions = memory.versions if memory else ()
    return tuple(
        PromptRef(_name(promptlayer, id), id, version, label)
        for id, label, version in versions
        if version is not None
    )


def replaced(pull_request: PullRequest, prompt: PromptRef) -> PromptRef | None:
    """The version on the base branch that a proposed one comes after; None where the prompt is new
    there."""
    memory = recall(pull_request.body)
    versions = memory.before if memory else ()
    known = {(id, label): version for id, label, version in versions}
    version = known.get((prompt.id, prompt.label)) if prompt.id and prompt.label else None
    return replace(prompt, version=version, label=None) if version is not None else None


def _name(promptlayer: PromptLayer, id: int) -> str | None:
    prompt = promptlayer.prompt(id)
    return prompt.name if prompt else None
