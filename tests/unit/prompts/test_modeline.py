"""The line by which editors find the schema of a prompt file."""

from __future__ import annotations

import pytest

from bridge.config.mapping_settings import MappingSettings
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.modeline import FORMER_MODELINE, find_modeline, move_modeline
from bridge.prompts.prompt import Prompt, PromptFile

SCHEMA = "schemas/prompt.v1.json"


def prompt_file(text: str, name: str = "support/reply") -> PromptFile:
    template = {"type": "completion", "content": [{"type": "text", "text": text}]}
    return PromptFile(Prompt(name, template, {}, id=1, version=1), "latest")


def mapping(**settings: str) -> MappingSettings:
    named = {"name": "support", "prompts": ["**"], "repository": "github:acme/bot"}
    return MappingSettings.model_validate(named | settings)


def test_a_new_file_names_no_schema_unless_one_is_set() -> None:
    assert render_prompt_file(
        prompt_file("Hello"), modeline=find_modeline(None, "a.yaml")
    ).startswith("kind:")


@pytest.mark.parametrize(
    ("path", "reference"),
    [("a.yaml", f"./{SCHEMA}"), ("prompts/latest/a.yaml", f"../../{SCHEMA}")],
)
def test_a_schema_in_the_repository_is_named_relative_to_the_file(
    path: str, reference: str
) -> None:
    text = render_prompt_file(prompt_file("Hello"), modeline=find_modeline(SCHEMA, path))

    assert text.splitlines()[0] == f"# yaml-language-server: $schema={reference}"
    assert parse_prompt_file(text, path=path).prompt.name == "support/reply"


@pytest.mark.parametrize(
    "line",
    [
        "",
        FORMER_MODELINE,
        find_modeline("https://example.com/p.json", ""),
        find_modeline(SCHEMA, "a"),
    ],
)
def test_a_file_keeps_the_line_that_it_has(line: str) -> None:
    before = line + render_prompt_file(prompt_file("Hello"))
    wanted = find_modeline("https://git.example.com/other.json", "a.yaml")

    assert render_prompt_file(prompt_file("Hello"), existing=before, modeline=wanted) == before
    changed = render_prompt_file(prompt_file("Good day"), existing=before, modeline=wanted)
    assert changed == line + render_prompt_file(prompt_file("Good day"))


def test_a_relative_line_goes_along_with_a_file_that_moves() -> None:
    old, new = "prompts/a.yaml", "prompts/support/b.yaml"
    for end in ("\n", "\r\n"):
        line = f"# yaml-language-server: $schema=../{SCHEMA}{end}"
        moved = move_modeline(f"{line}kind: prompt/v1{end}", SCHEMA, old, new)
        assert moved == f"# yaml-language-server: $schema=../../{SCHEMA}{end}kind: prompt/v1{end}"
    assert move_modeline(FORMER_MODELINE, SCHEMA, old, new) == FORMER_MODELINE


@pytest.mark.parametrize("value", ["https://git.example.com/prompt.v1.json", SCHEMA])
def test_a_schema_is_an_https_address_or_a_path(value: str) -> None:
    assert mapping(schema_url=value).schema_url == value


@pytest.mark.parametrize(
    "value",
    [
        "http://git.example.com/p.json",
        "/p.json",
        "../p.json",
        "a//p.json",
        "a\nb",
        "https://user@git.example.com/p.json",
        "",
    ],
)
def test_any_other_schema_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="an https address, or the path"):
        mapping(schema_url=value)


def test_json_files_have_no_place_for_a_schema() -> None:
    with pytest.raises(ValueError, match="schema_url is for YAML files"):
        mapping(schema_url=SCHEMA, format="json", path="prompts/{prompt}.json")
