"""``evals``: read results of evaluations or wait for them, judge them, and report them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.console import Console

from bridge.cli.resources import connect_promptlayer
from bridge.cli.run_event_watch import watch_run_events
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.config.mapping_settings import MappingSettings
from bridge.errors import InvalidInputError
from bridge.evals.eval_run import EvaluationRun, PromptReference
from bridge.evals.promptlayer_evaluations import (
    PromptLayerEvaluation,
    create_evaluation,
    evaluate_prompt,
)
from bridge.evals.promptlayer_recorders import LogRecorder, RunRecorder, TableRecorder
from bridge.evals.pull_request_feedback import (
    JudgedRun,
    find_open_pull_request,
    find_proposed_prompts,
    find_replaced_prompt,
    judge_runs,
    judge_single_run,
    publish_results,
    record_runs,
    report_pending,
)
from bridge.evals.read_results import ResultsFormat, read_results
from bridge.evals.result_polling import PollingPace
from bridge.evals.verdict_report import EvaluationThreshold
from bridge.forge.forge import Forge, PullRequest
from bridge.promptlayer.client import PromptLayerClient
from bridge.wiring import create_forge

EXIT_BELOW_THRESHOLD = 2


@dataclass(frozen=True)
class EvaluationInputs:
    """The files of the results, and of the base's results."""

    results: Path
    base: Path | None
    format: ResultsFormat | None


@dataclass(frozen=True)
class PromptSelector:
    """The prompt that the command line names; the version may be open."""

    name: str
    version: int | None
    label: str | None


@dataclass(frozen=True)
class ChangeOptions:
    """The evaluated change, as the command line names it."""

    pull_request: int | None
    commit: str | None


def report_results(
    path: Path,
    mapping: str,
    files: EvaluationInputs,
    evaluated: ChangeOptions,
    named: PromptSelector | None,
    *,
    record: bool,
) -> None:
    settings = load_config(path, defer_secrets=True)
    chosen = settings.find_mapping(mapping)
    change = _change(_forge(settings, chosen), evaluated)
    with connect_promptlayer(settings, chosen) as promptlayer, change.report_pending():
        known = change.find_proposed_prompts(promptlayer)
        about = _meant(named, known)
        runs = _read(files.results, about, known, files.format, change.commit)
        before = _read_base(files, about, known)
        if record:
            runs = record_runs(runs, _recorder(settings, chosen, promptlayer))
    _tell(change, judge_runs(runs, before, _bar(chosen)))


def run_evaluation(
    path: Path, mapping: str, pull_request: int, *, patience: float, compare: bool
) -> None:
    """Run the mapping's evaluation and report its results. ``compare`` also evaluates the prompts
    of the base branch."""
    settings = load_config(path, defer_secrets=True)
    chosen = settings.find_mapping(mapping)
    change = _change(_forge(settings, chosen), ChangeOptions(pull_request, None))
    with connect_promptlayer(settings, chosen) as promptlayer:
        evaluation = _evaluation(chosen, promptlayer)
        prompts = change.find_proposed_prompts(promptlayer)
        if not prompts:
            raise InvalidInputError(
                f"Pull request {pull_request} of {chosen.repository} proposes no versions of"
                " PromptLayer: give the number of one that the bridge opened."
            )
        pace, threshold = PollingPace(patience), _bar(chosen)
        with change.report_pending(), watch_run_events(settings, pace.wake_event):
            results = []
            for one in prompts:
                made = evaluate_prompt(evaluation, one, commit=change.commit, pace=pace)
                before = (
                    change.find_replaced_prompt(one)
                    if compare and evaluation.takes_version
                    else None
                )
                base = evaluate_prompt(evaluation, before, pace=pace) if before else None
                results.append(judge_single_run(made, base, threshold))
    _tell(change, results)


@dataclass(frozen=True)
class EvaluationReportTarget:
    """The evaluated change on the forge: none, a commit, or a pull request with its head commit."""

    forge: Forge
    commit: str | None
    pull_request: PullRequest | None

    def report_pending(self) -> AbstractContextManager[None]:
        return nullcontext() if self.commit is None else report_pending(self.forge, self.commit)

    def find_proposed_prompts(self, promptlayer: PromptLayerClient) -> tuple[PromptReference, ...]:
        return find_proposed_prompts(self.pull_request, promptlayer) if self.pull_request else ()

    def find_replaced_prompt(self, prompt: PromptReference) -> PromptReference | None:
        return find_replaced_prompt(self.pull_request, prompt) if self.pull_request else None


def _change(forge: Forge, evaluated: ChangeOptions) -> EvaluationReportTarget:
    number, commit = evaluated.pull_request, evaluated.commit
    if number is None:
        return EvaluationReportTarget(
            forge, commit, find_open_pull_request(forge, commit) if commit else None
        )
    pull_request = forge.find_pull_request(number)
    if pull_request is None:
        raise InvalidInputError(f"{forge.repository} has no pull request {number}.")
    return EvaluationReportTarget(forge, commit or pull_request.head_commit, pull_request)


def _meant(
    named: PromptSelector | None, known: Sequence[PromptReference]
) -> PromptReference | None:
    """The prompt that the command line names, completed from the pull request."""
    if named is None:
        return known[0] if len(known) == 1 else None
    if named.version is None and named.label is None:
        return next((one for one in known if one.name == named.name), PromptReference(named.name))
    return PromptReference(named.name, version=named.version, label=named.label)


def _read_base(
    files: EvaluationInputs, about: PromptReference | None, known: Sequence[PromptReference]
) -> tuple[EvaluationRun, ...]:
    if files.base is None:
        return ()
    return _read(files.base, _unversioned(about), map(_unversioned, known), files.format)


def _unversioned(prompt: PromptReference | None) -> PromptReference | None:
    """The same prompt on the base, where it has another version."""
    return replace(prompt, version=None, label=None) if prompt else None


def _read(
    path: Path,
    about: PromptReference | None,
    known: Iterable[PromptReference | None],
    format: ResultsFormat | None,
    commit: str | None = None,
) -> tuple[EvaluationRun, ...]:
    by_name = {one.name: one for one in known if one and one.name}
    return read_results(path, about, known=by_name, format=format, commit=commit)


def _evaluation(mapping: MappingSettings, promptlayer: PromptLayerClient) -> PromptLayerEvaluation:
    evaluation = create_evaluation(mapping.evals, promptlayer)
    if evaluation is None:
        raise InvalidInputError(
            f"Mapping {mapping.name} names no evaluation: set evals.report_id or evals.workflow."
        )
    return evaluation


def _recorder(
    config: BridgeConfig, mapping: MappingSettings, promptlayer: PromptLayerClient
) -> RunRecorder:
    if mapping.evals.record == "log":
        return LogRecorder(promptlayer)
    minimum = 0.8 if mapping.evals.minimum is None else mapping.evals.minimum
    dashboard = config.workspace_by_source[mapping.source].dashboard_url
    return TableRecorder(promptlayer, dashboard=dashboard, minimum=minimum)


def _bar(mapping: MappingSettings) -> EvaluationThreshold:
    return EvaluationThreshold(mapping.evals.minimum, mapping.evals.drop)


def _forge(config: BridgeConfig, mapping: MappingSettings) -> Forge:
    return create_forge(config, mapping.forge_name, mapping.repository_name)


def _tell(change: EvaluationReportTarget, results: Sequence[JudgedRun]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for result in results:
        console.print(_line(result.run, result), markup=False)
    if change.commit is not None:
        publish_results(change.forge, change.commit, change.pull_request, results)
    if change.pull_request is not None:
        console.print(f"told on {change.pull_request.url}", markup=False)
    if not all(result.verdict.is_good for result in results):
        raise typer.Exit(EXIT_BELOW_THRESHOLD)


def _line(run: EvaluationRun, result: JudgedRun) -> str:
    score = "not graded" if run.score is None else f"{run.score:.3f}"
    verdict = "good" if result.verdict.is_good else "; ".join(result.verdict.reasons)
    link = f" {run.link}" if run.link else ""
    named = f"{run.prompt.title} {run.prompt.version_text}".rstrip()
    return f"{named}: {score}, {verdict}{link}"
