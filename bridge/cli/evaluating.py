"""Results of evaluations: read or waited for, judged, and told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.console import Console

from bridge.cli.opening import opened_platform
from bridge.config.mapping import MappingSettings
from bridge.config.whole import Config, load
from bridge.errors import Rejected
from bridge.evals.readers import Format, read_results
from bridge.evals.recording import LogRecorder, Recorder, TableRecorder
from bridge.evals.report import Bar
from bridge.evals.results import EvalRun, PromptRef
from bridge.evals.running import Evaluation, ReportEvaluation, WorkflowEvaluation, evaluate
from bridge.evals.telling import (
    Judged,
    awaited,
    judged,
    judged_one,
    open_pull_request,
    proposed,
    recorded,
    replaced,
    tell,
)
from bridge.evals.waiting import Pace
from bridge.forge.base import Forge, PullRequest
from bridge.promptlayer.client import PromptLayer
from bridge.wiring import forge_of

NOT_GOOD = 2


@dataclass(frozen=True)
class Files:
    """Where results are, and those of the base."""

    results: Path
    base: Path | None
    format: Format | None


@dataclass(frozen=True)
class About:
    """The prompt that the command line names; it may leave open which version."""

    name: str
    version: int | None
    label: str | None


@dataclass(frozen=True)
class Evaluated:
    """What was evaluated, as the command line names it."""

    pull_request: int | None
    commit: str | None


def push(
    path: Path,
    mapping: str,
    files: Files,
    evaluated: Evaluated,
    named: About | None,
    *,
    record: bool,
) -> None:
    settings = load(path)
    chosen = settings.mapping(mapping)
    change = _change(_forge(settings, chosen), evaluated)
    with opened_platform(settings, chosen) as platform, change.awaited():
        known = change.proposes(platform)
        about = _meant(named, known)
        runs = _read(files.results, about, known, files.format, change.commit)
        before = _read_base(files, about, known)
        if record:
            runs = recorded(runs, _recorder(settings, chosen, platform))
    _tell(change, judged(runs, before, _bar(chosen)))


def run(path: Path, mapping: str, pull_request: int, *, patience: float, compare: bool) -> None:
    """``compare`` evaluates what the base branch has, too."""
    settings = load(path)
    chosen = settings.mapping(mapping)
    change = _change(_forge(settings, chosen), Evaluated(pull_request, None))
    with opened_platform(settings, chosen) as platform:
        evaluation = _evaluation(chosen, platform)
        prompts = change.proposes(platform)
        if not prompts:
            raise Rejected(
                f"Pull request {pull_request} of {chosen.repository} proposes no versions of"
                " PromptLayer: give the number of one that the bridge opened."
            )
        with change.awaited():
            pace, bar = Pace(patience), _bar(chosen)
            results = []
            for one in prompts:
                made = evaluate(evaluation, one, commit=change.commit, pace=pace)
                before = change.replaces(one) if compare and evaluation.is_told else None
                base = evaluate(evaluation, before, pace=pace) if before else None
                results.append(judged_one(made, base, bar))
    _tell(change, results)


@dataclass(frozen=True)
class Change:
    """What was evaluated, as the forge knows it: nothing, a commit, or a pull request's commit."""

    forge: Forge
    commit: str | None
    pull_request: PullRequest | None

    def awaited(self) -> AbstractContextManager[None]:
        return nullcontext() if self.commit is None else awaited(self.forge, self.commit)

    def proposes(self, platform: PromptLayer) -> tuple[PromptRef, ...]:
        return proposed(self.pull_request, platform) if self.pull_request else ()

    def replaces(self, prompt: PromptRef) -> PromptRef | None:
        return replaced(self.pull_request, prompt) if self.pull_request else None


def _change(forge: Forge, evaluated: Evaluated) -> Change:
    number, commit = evaluated.pull_request, evaluated.commit
    if number is None:
        return Change(forge, commit, open_pull_request(forge, commit) if commit else None)
    pull_request = forge.pull_request(number)
    if pull_request is None:
        raise Rejected(f"{forge.repository} has no pull request {number}.")
    return Change(forge, commit or pull_request.head_commit, pull_request)


def _meant(named: About | None, known: Sequence[PromptRef]) -> PromptRef | None:
    """The prompt of the command line; what it leaves open, the pull request tells."""
    if named is None:
        return known[0] if len(known) == 1 else None
    if named.version is None and named.label is None:
        return next((one for one in known if one.name == named.name), PromptRef(named.name))
    return PromptRef(named.name, version=named.version, label=named.label)


def _read_base(
    files: Files, about: PromptRef | None, known: Sequence[PromptRef]
) -> tuple[EvalRun, ...]:
    if files.base is None:
        return ()
    return _read(files.base, _unversioned(about), map(_unversioned, known), files.format)


def _unversioned(prompt: PromptRef | None) -> PromptRef | None:
    """The same prompt on the base, where it has another version."""
    return replace(prompt, version=None, label=None) if prompt else None


def _read(
    path: Path,
    about: PromptRef | None,
    known: Iterable[PromptRef | None],
    format: Format | None,
    commit: str | None = None,
) -> tuple[EvalRun, ...]:
    by_name = {one.name: one for one in known if one and one.name}
    return read_results(path, about, known=by_name, format=format, commit=commit)


def _evaluation(mapping: MappingSettings, platform: PromptLayer) -> Evaluation:
    if mapping.evals.report_id is not None:
        return ReportEvaluation(platform, mapping.evals.report_id)
    if mapping.evals.workflow is not None:
        return WorkflowEvaluation(platform, mapping.evals.workflow)
    raise Rejected(
        f"Mapping {mapping.name} names no evaluation: set evals.report_id or evals.workflow."
    )


def _recorder(config: Config, mapping: MappingSettings, platform: PromptLayer) -> Recorder:
    if mapping.evals.record == "log":
        return LogRecorder(platform)
    minimum = 0.8 if mapping.evals.minimum is None else mapping.evals.minimum
    dashboard = config.by_source[mapping.source].dashboard_url
    return TableRecorder(platform, dashboard=dashboard, minimum=minimum)


def _bar(mapping: MappingSettings) -> Bar:
    return Bar(mapping.evals.minimum, mapping.evals.drop)


def _forge(config: Config, mapping: MappingSettings) -> Forge:
    return forge_of(config, mapping.forge, mapping.repository_name)


def _tell(change: Change, results: Sequence[Judged]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for result in results:
        console.print(_line(result.run, result), markup=False)
    if change.commit is not None:
        tell(change.forge, change.commit, change.pull_request, results)
    if change.pull_request is not None:
        console.print(f"told on {change.pull_request.url}", markup=False)
    if not all(result.verdict.good for result in results):
        raise typer.Exit(NOT_GOOD)


def _line(run: EvalRun, result: Judged) -> str:
    score = "not graded" if run.score is None else f"{run.score:.3f}"
    verdict = "good" if result.verdict.good else "; ".join(result.verdict.reasons)
    link = f" {run.link}" if run.link else ""
    named = f"{run.prompt.title} {run.prompt.edition}".rstrip()
    return f"{named}: {score}, {verdict}{link}"
