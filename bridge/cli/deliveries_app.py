"""``deliveries``: the options of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.storage.delivery_state import DeliveryState

app = typer.Typer(help="What PromptLayer delivered, and what came of it.", no_args_is_help=True)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="BRIDGE_CONFIG", help="The mapping file.")
]
DeliveryIdArgument = Annotated[str, typer.Argument(help="Its id, or the first digits of it.")]
AsJsonOption = Annotated[bool, typer.Option("--json", help="One JSON document.")]
DEFAULT_CONFIG_PATH = Path("bridge.yaml")


@app.command("list")
def list_(
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those in this state.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Only what is of this prompt: name or id.")
    ] = None,
    as_json: AsJsonOption = False,
) -> None:
    """The newest deliveries, and proposals that wait or are parked."""
    from bridge.cli import deliveries_command

    wanted = int(prompt) if prompt is not None and prompt.isdigit() else prompt
    deliveries_command.list_deliveries(
        config, limit=limit, state=state, prompt=wanted, as_json=as_json
    )


@app.command()
def show(
    delivery: DeliveryIdArgument,
    config: ConfigPath = DEFAULT_CONFIG_PATH,
    as_json: AsJsonOption = False,
) -> None:
    """One delivery: what it said, which looks it asked for, and what came of each."""
    from bridge.cli import deliveries_command

    deliveries_command.show_delivery(config, delivery, as_json=as_json)


@app.command()
def redeliver(delivery: DeliveryIdArgument, config: ConfigPath = DEFAULT_CONFIG_PATH) -> None:
    """Look again at what one delivery was about."""
    from bridge.cli import deliveries_command

    deliveries_command.redeliver(config, delivery)
