"""The commands with their options. A mistake is reported as one message, never as a traceback.

A command imports its module when it is called: the libraries of all commands together take over a
second to load.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bridge import __version__
from bridge.cli import deliveries_app, evals_app
from bridge.cli.reload_signal import install_reload_signal
from bridge.errors import BridgeError, InvalidInputError, TransientError
from bridge.prompts.planning.publication import AdoptedSide, AdoptRequest
from bridge.prompts.planning.target_state import TargetState
from bridge.telemetry.logs import LogFormat

NAME = "promptlayer-bridge"
DEFAULT_CONFIG_PATH = Path("bridge.yaml")
DEFAULT_URL = "http://127.0.0.1:8484"

app = typer.Typer(
    name=NAME,
    help="Keeps PromptLayer and git in step: prompt edits become pull requests.\n\nA first time:"
    " demo, to see it work; then init, check, plan, sync, and serve for good.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(deliveries_app.app, name="deliveries")
app.add_typer(evals_app.app, name="evals")

ConfigPath = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="BRIDGE_CONFIG", help="The mapping file.", show_default=True
    ),
]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(help="Lines for people, or JSON; default: what bridge.yaml says."),
]
BridgeUrl = Annotated[
    str,
    typer.Option(
        "--url", envvar="BRIDGE_URL", help="Of a running bridge; its token is in BRIDGE_TOKEN."
    ),
]
LabelOption = Annotated[
    str | None, typer.Option(help="Default: the first label of the token's application.")
]
MappingNames = Annotated[list[str] | None, typer.Argument(help="Names of mappings; default: all.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_CONFIG_PATH,
) -> None:
    """Write a commented bridge.yaml to start from."""
    from bridge.cli import init_command

    init_command.init(path)


@app.command()
def check(
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    offline: Annotated[
        bool, typer.Option("--offline", help="Only read the file, ask nobody.")
    ] = False,
) -> None:
    """Validate bridge.yaml and try its credentials on the database, PromptLayer and each
    repository."""
    from bridge.cli import check_command

    check_command.check(config, offline=offline)


@app.command()
def validate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Prompt files, bridge.yaml; default: all of this folder."),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Validate bridge.yaml and prompt files, without any credential or network.

    For a pre-commit hook and for CI. Exits with 1 when a file has a mistake.
    """
    from bridge.cli import validate_command

    validate_command.validate(config, files or [], as_json=as_json)


@app.command()
def serve(
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8484,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Proposals worked on at once; 0: only take deliveries in."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="A name for this process, the same at every start.")
    ] = None,
    log_format: LogFormatOption = None,
) -> None:
    """Take webhooks in at /webhooks/promptlayer and work on them, in one process."""
    asked = install_reload_signal()
    from bridge.cli import serve_command

    serve_command.serve(
        config,
        asked,
        host=host,
        port=port,
        workers=workers,
        name=name,
        log_format=log_format,
    )


@app.command()
def work(
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    workers: Annotated[int | None, typer.Option(min=1, help="Proposals worked on at once.")] = None,
    name: Annotated[
        str | None, typer.Option(help="A name for this process, the same at every start.")
    ] = None,
    log_format: LogFormatOption = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Answer /healthz, /readyz and /metrics on this port."),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to do so.")] = "127.0.0.1",
) -> None:
    """Work on deliveries that `serve --workers 0` takes in."""
    asked = install_reload_signal()
    from bridge.cli import serve_command

    serve_command.work(
        config,
        asked,
        workers=workers,
        name=name,
        log_format=log_format,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )


@app.command()
def sync(
    mappings: MappingNames = None,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    adopt: Annotated[
        AdoptedSide | None, typer.Option(help="Take this side's text wherever the two differ.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="With --adopt: only for these names and globs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Bring everything in step now: the first import, or what webhooks lost.

    With --adopt platform the pull request takes PromptLayer's text whatever the repository says;
    with --adopt repository the file becomes a new version over what PromptLayer holds. Exits
    with 3 on a conflict on a branch, and with 1 when something else has to wait, needs a person, or
    is a file that the mapping does not follow.
    """
    from bridge.cli import plan_command

    if prompt and adopt is None:
        raise InvalidInputError("--prompt goes with --adopt: it says whose text is decided about.")
    decided = AdoptRequest(adopt, tuple(prompt or ())) if adopt else None
    plan_command.sync(config, mappings or [], decided, as_json=as_json)


@app.command()
def audit(
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    action: Annotated[str | None, typer.Option(help="Only this action, as listed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show who acted on the bridge: signed in, redelivered, chose a text, pruned."""
    from bridge.cli import audit_command

    audit_command.list_audit_entries(
        config, limit=limit, action=audit_command.parse_action(action), as_json=as_json
    )


@app.command()
def plan(
    mappings: MappingNames = None,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show each file's diff.")] = False,
) -> None:
    """Show what sync would do, and do nothing. Exits with 2 when something is out of step."""
    from bridge.cli import plan_command

    plan_command.plan(config, mappings or [], as_json=as_json, diff=diff)


@app.command()
def prune(
    mapping: Annotated[str, typer.Argument(help="The mapping's name.")],
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Let go what a mapping follows no longer: withdraw its pull requests, propose to remove its
    files.

    What a change of prompts, tags, folder or track leaves out stays as it is until then, and so
    does what is gone from PromptLayer all at once.
    """
    from bridge.cli import prune_command

    prune_command.prune(config, mapping, yes=yes, dry_run=dry_run, as_json=as_json)


@app.command()
def publish(
    mappings: MappingNames = None,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    at: Annotated[
        str | None, typer.Option(help="With --dry-run: as if this commit were merged.")
    ] = None,
) -> None:
    """Make versions in PromptLayer of what is merged, for mappings with `publish: true`.

    Exits with 2 when --dry-run has something to publish, with 3 on a conflict, and with 1 when a
    file could not be read or published, is one that no mapping follows, or stands for a prompt that
    PromptLayer has no longer.
    """
    from bridge.cli import publish_command

    publish_command.publish(config, mappings or [], dry_run=dry_run, as_json=as_json, at=at)


@app.command()
def status(
    prompt: Annotated[
        str | None, typer.Argument(help="A part of its name, or its id; default: all.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    mapping: Annotated[str | None, typer.Option(help="Only of this mapping.")] = None,
    state: Annotated[TargetState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """How every prompt stands; of one prompt its way too: where is my prompt?"""
    from bridge.cli import status_command

    wanted = status_command.StatusQuery(prompt, mapping, state, limit)
    status_command.show_status(config, wanted, as_json=as_json)


@app.command()
def served(
    commit: Annotated[str, typer.Option(help="A commit of the base branch, such as of a merge.")],
    wait: Annotated[str, typer.Option(help="How long at most.")] = "0s",
    url: BridgeUrl = DEFAULT_URL,
) -> None:
    """Wait until a commit, or a later one, is what applications are served: for deployments.

    Exits with 2 when it is not in time, and with 1 when the token or the commit is refused.
    """
    from bridge.cli import served_command

    served_command.wait_until_served(url, commit, wait)


@app.command()
def export(
    label: LabelOption = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: standard output.")
    ] = None,
    url: BridgeUrl = DEFAULT_URL,
) -> None:
    """Write what applications are served as JSON, to bake it into an image."""
    from bridge.cli import served_command

    served_command.export(url, label, out)


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="The prompt's name or number.")],
    label: LabelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    url: BridgeUrl = DEFAULT_URL,
) -> None:
    """Show one prompt as applications are served it."""
    from bridge.cli import served_command

    served_command.show_prompt(url, name, label, as_json=as_json)


@app.command("import")
def import_(
    mappings: MappingNames = None,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    history: Annotated[
        bool, typer.Option("--history", help="Every version of each prompt, one commit each.")
    ] = False,
) -> None:
    """Propose the whole history of prompts that have no file yet, in one pull request.

    Exits with 1 when something had to be left out.
    """
    from bridge.cli import import_command

    import_command.import_(config, mappings or [], history=history)


@app.command("copy-database")
def copy_database(
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Default: the SQLite file in the data folder; with --to, what bridge.yaml names.",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Default: the database that bridge.yaml names.")
    ] = None,
) -> None:
    """Copy all that the bridge keeps into an empty database, such as from SQLite to PostgreSQL.

    Set `database` in bridge.yaml to the new one, stop the bridge, copy, start it. What waits is
    taken up at the start. A copy that is interrupted leaves the new database empty.
    """
    from bridge.cli import copy_database_command

    copy_database_command.copy_database(config, from_, to)


@app.command()
def schema(
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the files into this folder instead.")
    ] = None,
) -> None:
    """Print the JSON Schemas of the prompt file and of bridge.yaml."""
    from bridge.cli import schema_command

    schema_command.write_schema(write)


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Run the loop unattended, then stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: one JSON object.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where to keep it; default: .demo, made anew.")
    ] = None,
) -> None:
    """Play the whole loop on this machine, without any account."""
    from bridge.cli import demo_command

    demo_command.start_demo(once=once, as_json=as_json, folder=folder)


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line, by default with the process' arguments. Returns the exit status: 1 for
    a reported mistake."""
    try:
        app(words, prog_name=NAME)
    except BridgeError as error:
        from rich.console import Console

        again = " Run the command again." if isinstance(error, TransientError) else ""
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"{error}{again}", style="red", markup=False
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
