"""What an engineer wrote into a prompt file survives the bridge's updates."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from difflib import ndiff
from random import Random

import pytest

from bridge.prompts.canonical import canonical_template
from bridge.prompts.file import parse, render
from bridge.prompts.prompt import JsonObject, Prompt, PromptFile

from .strategies import template

TOUCHED = """\
# owners: support
kind: prompt/v1
name: "reply"          # as in the registry
label: prod
version: 3
model: {provider: openai, name: gpt-4o, parameters: {temperature: 0.20}}   # cheap
messages:
# first
- role: system
  # tone of voice
  content: |
    Hello there.
    Be nice.
  # after the text
- role: user   # asks
  content: '{q}'
# tools are below
tools:
- type: function
  function: {name: f, parameters: {type: object, properties: {}}}
"""


def changed(change: Callable[[JsonObject, JsonObject], object]) -> list[str]:
    """The lines that differ after the prompt in TOUCHED was changed on the platform."""
    file = parse(TOUCHED, path="p")
    content, metadata = deepcopy(file.prompt.template), deepcopy(file.prompt.metadata)
    change(content, metadata)
    wanted = replace(file, prompt=replace(file.prompt, template=content, metadata=metadata))
    text = render(wanted, existing=TOUCHED)
    assert parse(text, path="p") == wanted
    lines = ndiff(TOUCHED.splitlines(), text.splitlines())
    return [line for line in lines if line[0] in "+-"]


def say(content: JsonObject, message: int, text: str) -> None:
    content["messages"][message]["content"][0]["text"] = text


def test_a_file_that_is_as_wanted_is_left_alone() -> None:
    assert changed(lambda *_: None) == []


def test_a_changed_line_of_text_is_the_only_line_that_changes() -> None:
    lines = changed(lambda content, _: say(content, 0, "Hello there.\nBe very nice.\n"))

    assert lines == ["-     Be nice.", "+     Be very nice."]


def test_the_quotes_of_an_engineer_stay() -> None:
    lines = changed(lambda content, _: say(content, 1, "{q}, no?"))

    assert lines == ["-   content: '{q}'", "+   content: '{q}, no?'"]


def test_a_changed_parameter_keeps_its_line_and_its_comment() -> None:
    lines = changed(lambda _, metadata: metadata["model"]["parameters"].update(temperature=0.5))

    assert len(lines) == 2
    assert lines[1].startswith("+ model: {provider: openai, name: gpt-4o, parameters: {temp")
    assert lines[1].rstrip().endswith("# cheap")


def test_a_new_message_is_put_in_its_place() -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "no"}]}

    lines = changed(lambda content, _: content["messages"].insert(1, message))

    assert lines == ["+ - role: assistant", '+   content: "no"']


def test_a_new_key_is_put_where_it_belongs() -> None:
    assert changed(lambda content, _: content.update(tool_choice="auto")) == ["+ tool_choice: auto"]


def test_a_removed_message_takes_only_its_own_lines() -> None:
    lines = changed(lambda content, _: content["messages"].pop(0))

    assert all(line.startswith("- ") for line in lines)
    assert "- - role: user   # asks" not in lines


def test_text_that_needs_quotes_now_keeps_the_other_comments() -> None:
    lines = changed(lambda content, _: say(content, 0, "Hello\r\nthere.\r\n"))

    assert '+   content: "Hello\\r\\nthere.\\r\\n" # after the text' in lines
    assert not any("owners" in line or "cheap" in line for line in lines)


def test_input_variables_that_repeat_the_text_do_not_stand_in_the_way() -> None:
    touched = (
        "# mine\nkind: prompt/v1\nname: a\nlabel: prod\nmessages:\n"
        "  - role: user\n    input_variables: [a]\n    content: '{a}' # why\n"
    )
    file = parse(touched, path="p")
    say(file.prompt.template, 0, "{a} {b}")

    text = render(file, existing=touched)

    assert "# mine" in text
    assert "input_variables" not in text
    assert parse(text, path="p") == file


@pytest.mark.parametrize("existing", ["kind: prompt/v2\n", "{", "", "\x00", "- a"])
def test_an_unreadable_file_is_written_afresh(existing: str) -> None:
    file = parse(TOUCHED, path="p")

    assert render(file, existing=existing) == render(file)


def test_a_file_of_the_bridge_is_written_afresh_in_its_own_style() -> None:
    before, after = (
        PromptFile(Prompt("a", canonical_template({"type": "completion", "content": text})), "prod")
        for text in ("one\ntwo", "one")
    )

    assert render(after, existing=render(before)) == render(after)


def test_a_json_file_is_updated_as_a_whole() -> None:
    file = parse(TOUCHED, path="p")
    existing = render(file, "json").replace("Be nice", "Be rude")

    assert render(file, "json", existing=existing) == render(file, "json")


def test_whatever_stood_there_the_file_means_what_it_should() -> None:
    random = Random(5)
    for _ in range(150):
        old, new = (
            PromptFile(Prompt("a", canonical_template(template(random))), "prod") for _ in "12"
        )
        touched = render(old).replace("kind: ", "# mine\nkind: ", 1)
        assert parse(render(new, existing=touched), path="p") == new
