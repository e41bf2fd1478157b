"""``init``, ``schema`` and ``demo``: what a newcomer calls first."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import typer

from bridge.config.bridge_config import BridgeConfig
from bridge.config.mapping_settings import MappingsFileSettings
from bridge.config.setting_types import SettingsSection
from bridge.errors import ConfigError
from bridge.prompts.file_format.schema import build_prompt_schema
from bridge.prompts.prompt import JsonObject
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


def build_config_schema() -> JsonObject:
    """The JSON Schema of bridge.yaml."""
    return _schema(BridgeConfig, "bridge.yaml of promptlayer-bridge")


def build_mappings_schema() -> JsonObject:
    """The JSON Schema of a file in the mappings folder."""
    return _schema(MappingsFileSettings, "A file of mappings of promptlayer-bridge")


def _schema(model: type[SettingsSection], title: str) -> JsonObject:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": title,
    }


def write_schema(folder: Path | None) -> None:
    schemas = {
        "prompt.v1.json": build_prompt_schema(),
        "bridge.v1.json": build_config_schema(),
        "mappings.v1.json": build_mappings_schema(),
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


def start_demo(*, once: bool, as_json: bool, folder: Path | None) -> None:
    if as_json and not once:
        raise ConfigError("--json goes with --once.")
    if not run_demo(folder or Path(".demo"), once=once, as_json=as_json):
        raise typer.Exit(1)
