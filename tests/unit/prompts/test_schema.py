from __future__ import annotations

import json
from pathlib import Path
from random import Random

import jsonschema

from bridge.prompts.canonical_form import canonicalise_metadata, canonicalise_template
from bridge.prompts.file_format.document import build_document
from bridge.prompts.file_format.schema import SCHEMA_ID, build_prompt_schema
from bridge.prompts.prompt import JsonObject, Prompt, PromptFile

from .strategies import metadata, template

SCHEMA_FILE = Path(__file__).parents[3] / "prompts-schema/prompt.v1.json"


def test_the_schema_in_the_repository_is_the_one_of_the_models() -> None:
    dumped = json.dumps(build_prompt_schema(), indent=2, ensure_ascii=False) + "\n"

    assert SCHEMA_FILE.read_text(encoding="utf-8") == dumped


def test_the_schema_is_one_and_has_a_name_that_is_nobodys_address() -> None:
    jsonschema.Draft202012Validator.check_schema(build_prompt_schema())

    assert build_prompt_schema()["$id"] == SCHEMA_ID
    assert SCHEMA_ID.startswith("urn:")


def test_every_key_and_every_model_is_described_for_editors() -> None:
    schema = build_prompt_schema()

    assert all(definition["description"] for definition in schema["$defs"].values())
    undescribed = [
        key
        for key in schema["properties"]
        if '"description"' not in json.dumps(schema["properties"][key])
    ]
    assert set(undescribed) <= {"model"}  # described where it is defined


def test_every_rendered_document_fits_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(build_prompt_schema())
    random = Random(3)
    for _ in range(150):
        prompt = Prompt(
            "p", canonicalise_template(template(random)), canonicalise_metadata(metadata(random))
        )
        document = build_document(PromptFile(prompt, "prod"))
        assert list(validator.iter_errors(document)) == []


def test_the_schema_refuses_what_the_models_refuse() -> None:
    validator = jsonschema.Draft202012Validator(build_prompt_schema())
    good: JsonObject = {"kind": "prompt/v1", "name": "a", "label": "prod", "messages": []}
    bad: list[JsonObject] = [
        {"zzz": 1},
        {"kind": "x"},
        {"messages": [{"role": "usr"}]},
        {"content": 5},
        {"name": ""},
    ]

    assert validator.is_valid(good)
    assert [change for change in bad if validator.is_valid(good | change)] == []


def test_unknown_keys_are_welcome_inside_and_refused_outside() -> None:
    schema = build_prompt_schema()

    assert schema["additionalProperties"] is False
    assert all(definition["additionalProperties"] for definition in schema["$defs"].values())
