"""Tell what an evaluation found: in PromptLayer, and on the pull request as comment and status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.evals.recording import Recorder
from bridge.evals.report import Bar, Verdict, judge, report, status_text
from bridge.evals.results import EvalRun, PromptRef
from bridge.forge.base import Forge, PullRequest, PullRequestState, StatusState
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
    return tuple(
        Judged(run, before.get(run.prompt.title), judge(run, before.get(run.prompt.title), bar))
        for run in runs
    )


def recorded(runs: Sequence[EvalRun], recorder: Recorder) -> tuple[EvalRun, ...]:
    """The runs, made visible in PromptLayer, with their addresses there."""
    return tuple(replace(run, link=recorder.record(run) or run.link) for run in runs)


def tell(forge: Forge, commit: str, results: Sequence[Judged]) -> PullRequest | None:
    """Say it on the commit and on its open pull request, if there is one; returns that."""
    good = all(result.verdict.good for result in results)
    state = StatusState.SUCCESS if good else StatusState.FAILURE
    worst = next((result for result in results if not result.verdict.good), results[0])
    text = status_text(worst.run, worst.verdict)
    forge.set_status(commit, STATUS, state, text, worst.run.link)
    pulls = forge.commit_pull_requests(commit)
    pull = next((one for one in pulls if one.state is PullRequestState.OPEN), None)
    if pull is not None:
        words = "\n\n".join(report(one.run, one.base, one.verdict) for one in results)
        forge.comment(pull.number, MARKER, words[: forge.body_limit])
    return pull


def proposed(pull_request: PullRequest) -> tuple[PromptRef, ...]:
    """The versions that a pull request of the bridge proposes."""
    memory = recall(pull_request.body)
    versions = memory.versions if memory else ()
    return tuple(PromptRef(id=id, version=version, label=label) for id, label, version in versions)
