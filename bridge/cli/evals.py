"""``evals``: results of evaluations, told to PromptLayer and to the pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.opening import opened_platform
from bridge.config import Config, load
from bridge.config_mapping import MappingSettings
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
    open_pull_request,
    proposed,
    recorded,
    tell,
)
from bridge.evals.waiting import Pace
from bridge.forge.base import Forge, PullRequest
from bridge.promptlayer.client import PromptLayer
from bridge.wiring import forge_of

app = typer.Typer(help="Results of evaluations, told on both sides.", no_args_is_help=True)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="BRIDGE_CONFIG", help="The mapping file.")
]
MappingName = Annotated[str, typer.Option("--mapping", "-m", help="The mapping they are about.")]
CONFIG = Path("bridge.yaml")
NOT_GOOD = 2


@app.command()
def push(
    results: Annotated[
        Path, typer.Argument(help="promptfoo's JSON, JUnit XML, or plain JSON or CSV.")
    ],
    mapping: MappingName,
    config: ConfigPath = CONFIG,
    pull_request: Annotated[
        int | None, typer.Option(help="What was evaluated; the bridge's own names its versions.")
    ] = None,
    commit: Annotated[
        str | None, typer.Option(help="What was evaluated, if not the pull request's newest.")
    ] = None,
    base: Annotated[Path | None, typer.Option(help="Results of the base, to compare with.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The prompt, where the file names none.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Its version.")] = None,
    label: Annotated[str | None, typer.Option(help="Its release label.")] = None,
    format: Annotated[
        Format | None, typer.Option(help="Where the file's name does not tell.")
    ] = None,
    record: Annotated[bool, typer.Option(help="Make them visible in PromptLayer.")] = True,
) -> None:
    """Push the results of a run. Exits with 2 when they are not good enough."""
    if prompt is None and (version is not None or label is not None):
        raise Rejected("--version and --label are about the prompt of --prompt: name it.")
    settings = load(config)
    chosen = settings.mapping(mapping)
    change = _change(_forge(settings, chosen), pull_request, commit)
    with opened_platform(settings) as platform, change.awaited():
        known = change.proposes(platform)
        if prompt is None:
            about = known[0] if len(known) == 1 else None
        else:
            about = _named(prompt, version, label, known)
        runs = _read(results, about, known, format, change.commit)
        before = _read(base, _unversioned(about), map(_unversioned, known), format) if base else ()
        if record:
            runs = recorded(runs, _recorder(settings, chosen, platform))
    _tell(change, judged(runs, before, _bar(chosen)))


@app.command()
def run(
    mapping: MappingName,
    pull_request: Annotated[int, typer.Option(help="A pull request of the bridge.")],
    config: ConfigPath = CONFIG,
    patience: Annotated[
        float, typer.Option(min=0, help="How many seconds to wait for each prompt's, at most.")
    ] = 900,
) -> None:
    """Run the mapping's PromptLayer evaluation for what a pull request proposes, and wait.

    Exits with 2 when the result is not good enough.
    """
    settings = load(config)
    chosen = settings.mapping(mapping)
    change = _change(_forge(settings, chosen), pull_request, None)
    with opened_platform(settings) as platform:
        evaluation = _evaluation(chosen, platform)
        prompts = change.proposes(platform)
        if not prompts:
            raise Rejected(
                f"Pull request {pull_request} of {chosen.repository} proposes no versions of"
                " PromptLayer: give the number of one that the bridge opened."
            )
        with change.awaited():
            pace = Pace(patience)
            runs = [evaluate(evaluation, one, commit=change.commit, pace=pace) for one in prompts]
    _tell(change, judged(runs, (), _bar(chosen)))


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


def _change(forge: Forge, number: int | None, commit: str | None) -> Change:
    if number is None:
        return Change(forge, commit, open_pull_request(forge, commit) if commit else None)
    pull_request = forge.pull_request(number)
    if pull_request is None:
        raise Rejected(f"{forge.repository} has no pull request {number}.")
    return Change(forge, commit or pull_request.head_commit, pull_request)


def _named(
    name: str, version: int | None, label: str | None, known: Sequence[PromptRef]
) -> PromptRef:
    """The prompt of the command line; what it leaves open, the pull request tells."""
    if version is None and label is None:
        return next((one for one in known if one.name == name), PromptRef(name))
    return PromptRef(name, version=version, label=label)


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
    return TableRecorder(platform, dashboard=config.promptlayer.dashboard_url, minimum=minimum)


def _bar(mapping: MappingSettings) -> Bar:
    return Bar(mapping.evals.minimum, mapping.evals.drop)


def _forge(config: Config, mapping: MappingSettings) -> Forge:
    return forge_of(mapping.forge, config.forges[mapping.forge], mapping.repository_name)


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
