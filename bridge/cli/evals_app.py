"""``evals``: the options of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.errors import InvalidInputError
from bridge.evals.read_results import ResultsFormat

app = typer.Typer(help="Results of evaluations, told on both sides.", no_args_is_help=True)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="BRIDGE_CONFIG", help="The mapping file.")
]
MappingName = Annotated[str, typer.Option("--mapping", "-m", help="The mapping they are about.")]
DEFAULT_CONFIG_PATH = Path("bridge.yaml")


@app.command()
def push(
    results: Annotated[
        Path, typer.Argument(help="promptfoo's JSON, JUnit XML, or plain JSON or CSV.")
    ],
    mapping: MappingName,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
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
        ResultsFormat | None, typer.Option(help="Where the file's name does not tell.")
    ] = None,
    record: Annotated[bool, typer.Option(help="Make them visible in PromptLayer.")] = True,
) -> None:
    """Push the results of a run. Exits with 2 when they are not good enough."""
    from bridge.cli import evals_command

    if prompt is None and (version is not None or label is not None):
        raise InvalidInputError("--version and --label are about the prompt of --prompt: name it.")
    about = evals_command.PromptSelector(prompt, version, label) if prompt is not None else None
    files = evals_command.EvaluationInputs(results, base, format)
    change = evals_command.ChangeOptions(pull_request, commit)
    evals_command.report_results(config, mapping, files, change, about, record=record)


@app.command()
def run(
    mapping: MappingName,
    pull_request: Annotated[int, typer.Option(help="A pull request of the bridge.")],
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    patience: Annotated[
        float, typer.Option(min=0, help="How many seconds to wait for each prompt's, at most.")
    ] = 900,
    base: Annotated[
        bool, typer.Option(help="Run a workflow for the base's version, too, and compare.")
    ] = True,
) -> None:
    """Run the mapping's PromptLayer evaluation for what a pull request proposes, and wait.

    Exits with 2 when the result is not good enough.
    """
    from bridge.cli import evals_command

    evals_command.run_evaluation(config, mapping, pull_request, patience=patience, compare=base)
