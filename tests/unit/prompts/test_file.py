"""File and back: nothing is lost, every reader reads the same, and a diff shows what changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from difflib import ndiff
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bridge.errors import PromptFileError
from bridge.prompts.canonical_form import canonicalise_metadata, canonicalise_template
from bridge.prompts.file_format.document import build_document
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.file_format.source_text import PromptFileFormat, read_source_document
from bridge.prompts.file_format.yaml_writer import dump_yaml
from bridge.prompts.prompt import Json, JsonObject, Prompt, PromptFile

from .strategies import json_values, random_templates

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).parents[4] / "shared/promptlayer"
Reader = Callable[[str], Json]
FORMATS: tuple[PromptFileFormat, ...] = ("yaml", "json")


def prompt_file(prompt_template: Json, **version: Json) -> PromptFile:
    prompt = Prompt(
        name=version.get("name", "support/reply"),
        template=canonicalise_template(prompt_template),
        metadata=canonicalise_metadata(version.get("metadata")),
        extra=version.get("extra", {}),
        id=version.get("id", 17),
        version=version.get("version", 9),
        tags=tuple(version.get("tags", ())),
    )
    return PromptFile(prompt, version.get("label", "prod"))


def chat(*texts: str) -> PromptFile:
    return prompt_file(
        {"type": "chat", "messages": [{"role": "user", "content": text} for text in texts]}
    )


def exact(value: Json) -> str:
    """1 is not 1.0 and True is not 1, which Python's ``==`` does not tell."""
    return json.dumps(value)


def ruamel(text: str) -> Json:
    return YAML(typ="safe", pure=True).load(text)


def pyyaml(text: str) -> Json:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def pyyaml_in_python(text: str) -> Json:
    return yaml.load(text, Loader=yaml.SafeLoader)


READERS: tuple[Reader, ...] = (ruamel, pyyaml, pyyaml_in_python)


def require_round_trip(file: PromptFile, readers: tuple[Reader, ...] = READERS) -> None:
    text = render_prompt_file(file)
    back = parse_prompt_file(text, path="prompt.yaml")
    assert (back, back.prompt.digest) == (file, file.prompt.digest)
    assert render_prompt_file(back) == text
    shown = exact(build_document(file))
    assert [exact(read_by(text)) for read_by in readers] == [shown] * len(readers)
    as_json = parse_prompt_file(render_prompt_file(file, "json"), path="prompt.json", format="json")
    assert (as_json, as_json.prompt.digest) == (file, file.prompt.digest)


def recorded_templates(value: Json) -> Iterator[JsonObject]:
    """Everything in ``value`` that looks like a template."""
    if isinstance(value, dict):
        if value.get("type") in ("chat", "completion") and (
            "messages" in value or "content" in value
        ):
            yield value
        for item in value.values():
            yield from recorded_templates(item)
    elif isinstance(value, list):
        for item in value:
            yield from recorded_templates(item)


@pytest.mark.parametrize("name", ["recorded.json", "openapi.json"])
def test_every_recorded_and_documented_template_survives(name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip("the recorded traffic is not here")
    found = list(recorded_templates(json.loads((SHARED / name).read_text())))

    assert len(found) >= 6
    for one in found:
        require_round_trip(prompt_file(one))


@given(random_templates, json_values)
@settings(max_examples=400, deadline=None)
def test_templates_with_unknown_fields_survive(made: JsonObject, unknown: Json) -> None:
    require_round_trip(prompt_file(made | {"x": unknown}, metadata={"model": {}, "y": unknown}))


@given(json_values)
@settings(max_examples=400, deadline=None)
def test_any_json_reads_alike_everywhere(value: Json) -> None:
    document = {"value": value, "again": [value, {"deep": value}]}
    text = dump_yaml(document)

    assert exact(read_source_document(text, "any.yaml", "yaml").value) == exact(document)
    assert {exact(read_by(text)) for read_by in READERS} == {exact(document)}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_file_looks_as_agreed(path: Path) -> None:
    version = json.loads(path.read_text())
    file = prompt_file(version.pop("prompt_template"), **version)

    assert render_prompt_file(file) == path.with_suffix(".yaml").read_bytes().decode()
    require_round_trip(file)


lines_of_words = st.lists(
    st.lists(st.sampled_from(["one", "{two}", "no", "#3", "four:", "'5'"]), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)


@given(lines_of_words, st.sampled_from(["\n", "\r\n"]), st.data())
@settings(max_examples=150, deadline=None)
def test_a_one_word_edit_changes_one_line(
    lines: list[list[str]], newline: str, data: st.DataObject
) -> None:
    line = data.draw(st.integers(0, len(lines) - 1))
    word = data.draw(st.integers(0, len(lines[line]) - 1))
    edited = deepcopy(lines)
    edited[line][word] = "changed"

    before, after = (
        render_prompt_file(chat(newline.join(" ".join(words) for words in text) + newline, "And?"))
        for text in (lines, edited)
    )

    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    assert sum(one != other for one, other in pairs) == 1


def test_the_order_of_keys_on_the_platform_makes_no_diff() -> None:
    def tools(*keys: str) -> PromptFile:
        parameters = {key: {"type": "string"} for key in keys}
        tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        return prompt_file({"type": "chat", "messages": [], "tools": [tool], "x": parameters})

    existing = render_prompt_file(tools("b", "a"))

    assert render_prompt_file(tools("a", "b"), existing=existing) == existing
    grown = render_prompt_file(tools("c", "a", "b"), existing=existing).splitlines()
    assert not [line for line in ndiff(existing.splitlines(), grown) if line.startswith("- ")]


def test_a_key_longer_than_yaml_looks_ahead_survives() -> None:
    long = {"key " * 500: [{"x\n" * 600: 1}, {"plain" * 300: {"deeper": "a\nb"}}]}

    require_round_trip(prompt_file({"type": "chat", "x": long, "y": [long]}))


def test_a_part_of_another_type_is_no_plain_text() -> None:
    refusal = [{"type": "refusal", "text": "I cannot."}]

    require_round_trip(prompt_file({"type": "completion", "content": refusal}))


def test_a_long_line_is_never_wrapped() -> None:
    words = "word " * 2000

    assert f"content: {words}end\n" in render_prompt_file(chat(words + "end"))


def test_text_that_a_literal_block_would_lose_is_quoted_line_by_line() -> None:
    text = render_prompt_file(chat("one\r\n  two\r\nthree"))

    assert '"one\\r\\n\\\n      \\  two\\r\\n\\\n      three"' in text


def test_a_tag_list_stands_on_one_line() -> None:
    tags = ["support", "no", "a, b"]

    text = render_prompt_file(prompt_file({"type": "chat"}, tags=tags))

    assert 'tags: [support, "no", "a, b"]\n' in text


def test_a_file_without_an_id_is_a_new_prompt() -> None:
    text = "kind: prompt/v1\nname: new\nlabel: prod\nmessages: []\n"

    assert parse_prompt_file(text, path="new.yaml").prompt.id is None


def test_the_commit_message_and_the_time_stay_out_of_the_file() -> None:
    prompt = Prompt("p", {"type": "chat", "messages": []}, commit_message="why", created_at="2026")

    assert parse_prompt_file(
        render_prompt_file(PromptFile(prompt, "prod")), path="p"
    ).prompt == Prompt("p", prompt.template)


@pytest.mark.parametrize("format", FORMATS)
def test_half_a_character_is_refused_with_a_reason(format: PromptFileFormat) -> None:
    with pytest.raises(PromptFileError, match="lone surrogate"):
        render_prompt_file(chat("half \ud83d of it"), format)


def test_endless_nesting_is_refused_with_a_reason() -> None:
    deep: Json = []
    for _ in range(300):
        deep = [deep]

    with pytest.raises(PromptFileError, match="nested too deeply"):
        render_prompt_file(prompt_file({"type": "chat", "x": deep}))


def test_a_json_file_is_indented_and_keeps_its_characters() -> None:
    text = render_prompt_file(chat("é\n日本"), "json")

    assert text.startswith('{\n  "kind": "prompt/v1",\n')
    assert '"content": "é\\n日本"' in text
    assert text.endswith("}\n")
