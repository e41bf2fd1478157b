"""The JSON Schemas that editors complete from are those of the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bridge.cli.schema_command import build_config_schema, build_mappings_schema
from bridge.config.bridge_config import parse_config
from bridge.prompts.file_format.schema import build_prompt_schema
from bridge.prompts.prompt import JsonObject

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "bridge/cli/bridge.example.yaml").read_text(encoding="utf-8")
SCHEMAS = {
    "prompt.v1.json": build_prompt_schema,
    "bridge.v1.json": build_config_schema,
    "mappings.v1.json": build_mappings_schema,
}
ENVIRONMENT = dict.fromkeys(
    ("PROMPTLAYER_API_KEY", "PROMPTLAYER_WEBHOOK_SECRET", "GITHUB_TOKEN"), "something"
)


def written(name: str) -> JsonObject:
    schema: JsonObject = json.loads((ROOT / "prompts-schema" / name).read_text(encoding="utf-8"))
    return schema


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_on_disk_is_that_of_the_model(name: str) -> None:
    assert written(name) == SCHEMAS[name](), "out of date: make schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_a_valid_one(name: str) -> None:
    Draft202012Validator.check_schema(written(name))


def test_the_example_fits_the_schema() -> None:
    validator = Draft202012Validator(written("bridge.v1.json"))

    assert [*validator.iter_errors(yaml.safe_load(EXAMPLE))] == []


def test_the_schemas_fit_what_the_loader_takes() -> None:
    example = yaml.safe_load(EXAMPLE)
    whole = Draft202012Validator(written("bridge.v1.json"))
    several = {"workspaces": {"care": example["promptlayer"]}, "mappings_folder": "mappings.d"}

    assert whole.is_valid({"forges": example["forges"]} | several)
    assert not whole.is_valid(example | several)
    assert not whole.is_valid({"forges": example["forges"], "promptlayer": {"api_key": "key"}})
    in_folder = Draft202012Validator(written("mappings.v1.json"))
    assert in_folder.is_valid({"mappings": example["mappings"]})
    assert not in_folder.is_valid(example)


def test_the_example_is_a_valid_config() -> None:
    config = parse_config(EXAMPLE, "bridge.yaml", ENVIRONMENT)

    assert [mapping.name for mapping in config.mappings] == ["support"]


def test_every_setting_that_the_example_leaves_out_is_a_valid_one_too() -> None:
    """Its comments hold settings to be taken in: all of those at the top level at once."""
    lines = EXAMPLE.splitlines()
    start = lines.index("# roster: # ties PromptLayer users to people in git and on the forge")
    taken_in = [line.removeprefix("# ") for line in lines[start:]]

    environment = {**ENVIRONMENT, "DASHBOARD_SECRET": "at least this long"}
    config = parse_config("\n".join([*lines[:start], *taken_in]), "bridge.yaml", environment)

    assert config.dashboard is not None
    assert config.roster[0].login == "jane"
    assert config.identity.signing is not None


@pytest.mark.parametrize(
    "mistake", [{"brunch": "x"}, {"track": "prod"}, {"format": "toml"}, {"name": "Support"}]
)
def test_an_editor_sees_a_mistake_in_a_mapping(mistake: JsonObject) -> None:
    document = yaml.safe_load(EXAMPLE)
    document["mappings"][0] |= mistake

    assert [*Draft202012Validator(written("bridge.v1.json")).iter_errors(document)]
