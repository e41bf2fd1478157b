"""``evals``: results of evaluations, told to PromptLayer and to the pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.opening import opened_platform
from bridge.config import Config, MappingSettings, load
from bridge.errors import Rejected
from bridge.evals.readers import Format, read_results
from bridge.evals.recording import LogRecorder, Recorder, TableRecorder
from bridge.evals.report import Bar
from bridge.evals.results import EvalRun, PromptRef
from bridge.evals.running import Evaluation, ReportEvaluation, WorkflowEvaluation, evaluate
from bridge.evals.telling import Judged, judged, proposed, recorded, tell
from bridge.forge.base import Forge
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
    commit: Annotated[str | None, typer.Option(help="Of the change that was evaluated.")] = None,
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
    settings = load(config)
    chosen = settings.mapping(mapping)
    about = PromptRef(prompt, version=version, label=label) if prompt else None
    runs = read_results(results, about, format=format, commit=commit)
    before = read_results(base, about, format=format) if base else ()
    with opened_platform(settings) as platform:
        if record:
            runs = recorded(runs, _recorder(settings, chosen, platform))
        _tell(settings, chosen, commit, judged(runs, before, _bar(chosen)))


@app.command()
def run(
    mapping: MappingName,
    pull_request: Annotated[int, typer.Option(help="A pull request of the bridge.")],
    config: ConfigPath = CONFIG,
) -> None:
    """Run the mapping's PromptLayer evaluation for what a pull request proposes, and wait.

    Exits with 2 when the result is not good enough.
    """
    settings = load(config)
    chosen = settings.mapping(mapping)
    forge = _forge(settings, chosen)
    pull = forge.pull_request(pull_request)
    prompts = proposed(pull) if pull else ()
    if pull is None or not prompts:
        raise Rejected(
            f"{forge.repository} has no pull request {pull_request} that proposes prompts."
        )
    with opened_platform(settings) as platform:
        evaluation = _evaluation(chosen, platform)
        runs = [evaluate(evaluation, one, commit=pull.head_commit) for one in prompts]
        _tell(settings, chosen, pull.head_commit, judged(runs, (), _bar(chosen)))


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


def _tell(
    config: Config, mapping: MappingSettings, commit: str | None, results: Sequence[Judged]
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for result in results:
        console.print(_line(result.run, result), markup=False)
    if commit is not None:
        pull = tell(_forge(config, mapping), commit, results)
        if pull is not None:
            console.print(f"told on {pull.url}", markup=False)
    if not all(result.verdict.good for result in results):
        raise typer.Exit(NOT_GOOD)


def _line(run: EvalRun, result: Judged) -> str:
    score = "not graded" if run.score is None else f"{run.score:.3f}"
    verdict = "good" if result.verdict.good else "; ".join(result.verdict.reasons)
    link = f" {run.link}" if run.link else ""
    return f"{run.prompt.title} {run.prompt.edition}: {score}, {verdict}{link}"
