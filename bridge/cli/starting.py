"""``init``, ``schema`` and ``demo``: what a newcomer calls first."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import typer

from bridge.config.mapping import MappingsFile
from bridge.config.types import Settings
from bridge.config.whole import Config
from bridge.errors import ConfigError
from bridge.prompts.prompt import JsonObject
from bridge.prompts.schema import prompt_schema
from bridge.sandbox.demo import run_demo


def init(path: Path) -> None:
    text = files("bridge.cli").joinpath("bridge.example.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already, and stays as it is.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from None
    typer.echo(f"Wrote {path}. Edit it, set the variables it names, then: promptlayer-bridge check")


def config_schema() -> JsonObject:
    """The JSON Schema of bridge.yaml."""
    return _schema(Config, "bridge.yaml of promptlayer-bridge")


def mappings_schema() -> JsonObject:
    """The JSON Schema of a file in the mappings folder."""
    return _schema(MappingsFile, "A file of mappings of promptlayer-bridge")


def _schema(model: type[Settings], title: str) -> JsonObject:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": title,
    }


def schema(folder: Path | None) -> None:
    schemas = {
        "prompt.v1.json": prompt_schema(),
        "bridge.v1.json": config_schema(),
        "mappings.v1.json": mappings_schema(),
    }
    if folder is None:
        typer.echo(json.dumps(schemas, indent=2, ensure_ascii=False))
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in schemas.items():
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (folder / name).write_text(text, encoding="utf-8")
            typer.echo(f"wrote {folder / name}")
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be written: {error.strerror}.") from None


def demo(*, once: bool, as_json: bool, folder: Path | None) -> None:
    if as_json and not once:
        raise ConfigError("--json goes with --once.")
    if not run_demo(folder or Path(".demo"), once=once, as_json=as_json):
        raise typer.Exit(1)
