"""``demo``: run the bridge between a sandbox of PromptLayer and a local forge."""

from __future__ import annotations

from pathlib import Path

import typer

from bridge.errors import ConfigError
from bridge.sandbox.demo import run_demo

_DEFAULT_FOLDER = Path(".demo")


def start_demo(*, once: bool, as_json: bool, folder: Path | None) -> None:
    """Run the demo; with ``once``, its steps unattended. Exits with 1 where a step fails."""
    if as_json and not once:
        raise ConfigError("--json goes with --once.")
    if not run_demo(folder or _DEFAULT_FOLDER, once=once, as_json=as_json):
        raise typer.Exit(1)
