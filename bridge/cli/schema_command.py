"""``schema``: the JSON Schemas of prompt files, of bridge.yaml and of mappings files."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from bridge.config.bridge_config import BridgeConfig
from bridge.config.mapping_settings import MappingSettings, MappingsFileSettings
from bridge.config.setting_types import SettingsSection
from bridge.errors import ConfigError
from bridge.prompts.file_format.schema import build_prompt_schema
from bridge.prompts.prompt import JsonObject


def build_config_schema() -> JsonObject:
    """The JSON Schema of bridge.yaml."""
    return _schema(BridgeConfig, "bridge.yaml of promptlayer-bridge")


def build_mappings_schema() -> JsonObject:
    """The JSON Schema of a file in the mappings folder."""
    return _schema(MappingsFileSettings, "A file of mappings of promptlayer-bridge")


def _schema(model: type[SettingsSection], title: str) -> JsonObject:
    schema = model.model_json_schema()
    mapping = schema["$defs"][MappingSettings.__name__]
    mapping["required"].remove("repository")  # it may be in the defaults, of another file
    if "defaults" in schema["properties"]:
        shared = {name: each for name, each in mapping["properties"].items() if name != "name"}
        schema["properties"]["defaults"] |= {"properties": shared, "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": title,
    }


def write_schema(folder: Path | None) -> None:
    """Write the schemas into a folder, or print them without one. Raises ConfigError where a file
    cannot be written."""
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
