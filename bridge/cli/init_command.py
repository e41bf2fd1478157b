"""``init``: write an example of bridge.yaml."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import typer

from bridge.errors import ConfigError


def init(path: Path) -> None:
    """Write the example. Raises ConfigError where ``path`` exists already or cannot be written."""
    text = files("bridge.cli").joinpath("bridge.example.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and stays as it is.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    typer.echo(f"Wrote {path}. Edit it, set the variables it names, then: promptlayer-bridge check")
