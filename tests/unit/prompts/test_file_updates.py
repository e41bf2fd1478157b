"""What an engineer wrote into a prompt file survives the bridge's updates."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from difflib import ndiff
from random import Random
from typing import Any

import pytest

from bridge.prompts.canonical_form import canonicalise_template
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
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
    file = parse_prompt_file(TOUCHED, path="p")
    content, metadata = deepcopy(file.prompt.template), deepcopy(file.prompt.metadata)
    change(content, metadata)
    wanted = replace(file, prompt=replace(file.prompt, template=content, metadata=metadata))
    text = render_prompt_file(wanted, existing=TOUCHED)
    assert parse_prompt_file(text, path="p") == wanted
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
    file = parse_prompt_file(touched, path="p")
    say(file.prompt.template, 0, "{a} {b}")

    text = render_prompt_file(file, existing=touched)

    assert "# mine" in text
    assert "input_variables" not in text
    assert parse_prompt_file(text, path="p") == file


@pytest.mark.parametrize("existing", ["kind: prompt/v2\n", "{", "", "\x00", "- a"])
def test_an_unreadable_file_is_written_afresh(existing: str) -> None:
    file = parse_prompt_file(TOUCHED, path="p")

    assert render_prompt_file(file, existing=existing) == render_prompt_file(file)


def test_a_file_of_the_bridge_is_written_afresh_in_its_own_style() -> None:
    before, after = (
        PromptFile(
            Prompt("a", canonicalise_template({"type": "completion", "content": text})), "prod"
        )
        for text in ("one\ntwo", "one")
    )

    assert render_prompt_file(after, existing=render_prompt_file(before)) == render_prompt_file(
        after
    )


def test_a_json_file_is_updated_as_a_whole() -> None:
    file = parse_prompt_file(TOUCHED, path="p")
    existing = render_prompt_file(file, "json").replace("Be nice", "Be rude")

    assert render_prompt_file(file, "json", existing=existing) == render_prompt_file(file, "json")


def test_whatever_stood_there_the_file_means_what_it_should() -> None:
    random = Random(5)
    for _ in range(150):
        old, new = (
            PromptFile(Prompt("a", canonicalise_template(template(random))), "prod") for _ in "12"
        )
        touched = render_prompt_file(old).replace("kind: ", "# mine\nkind: ", 1)
        assert parse_prompt_file(render_prompt_file(new, existing=touched), path="p") == new


# What else stood in the file


COMMENTED = """\
kind: prompt/v1
name: a
label: prod
messages:
  # who we are
  - role: system
    content: |
      Be kind.

      # not a comment

  # what people ask
  - role: user   # asks
    content: first
    # and below it

  # what they ask then
  - role: user
    content: "second"
# the tools
tools:
  # looks orders up
  - type: function
    function: {name: f}
  # sends them
  - type: function
    function: {name: g}
"""


def without(place: str, index: int) -> str:
    """COMMENTED, after an item of a list was removed on the platform."""
    file = parse_prompt_file(COMMENTED, path="p")
    content = deepcopy(file.prompt.template)
    del content[place][index]
    wanted = replace(file, prompt=replace(file.prompt, template=content))
    text = render_prompt_file(wanted, existing=COMMENTED)
    assert parse_prompt_file(text, path="p") == wanted
    return text


@pytest.mark.parametrize(
    ("place", "index", "first", "after"),
    [
        ("messages", 0, "  # who we are", "  # what people ask"),
        ("messages", 1, "  # what people ask", "  # what they ask then"),
        ("messages", 2, "  # what they ask then", "# the tools"),
        ("tools", 0, "  # looks orders up", "  # sends them"),
        ("tools", 1, "  # sends them", ""),
    ],
)
def test_what_is_removed_takes_its_own_comments_and_leaves_those_of_the_next(
    place: str, index: int, first: str, after: str
) -> None:
    start = COMMENTED.index(first)
    end = COMMENTED.index(after) if after else len(COMMENTED)

    assert without(place, index) == COMMENTED[:start] + COMMENTED[end:]


def test_a_message_that_goes_while_another_changes_leaves_the_comments() -> None:
    file = parse_prompt_file(COMMENTED, path="p")
    content = deepcopy(file.prompt.template)
    del content["messages"][0]
    content["messages"][1]["content"][0]["text"] = "third"
    wanted = replace(file, prompt=replace(file.prompt, template=content))

    text = render_prompt_file(wanted, existing=COMMENTED)

    assert parse_prompt_file(text, path="p") == wanted
    assert "# who we are" not in text
    for kept in ("# what people ask", "# asks", "# what they ask then", "# the tools", '"third"'):
        assert kept in text


def windows(text: str) -> str:
    return text.replace("\n", "\r\n")


def marked(text: str) -> str:
    return "\ufeff" + text


def mixed(text: str) -> str:
    head, _, rest = text.partition("messages:")
    return windows(f"{head}messages:") + rest


@pytest.mark.parametrize("ends", [windows, marked, mixed, lambda text: marked(windows(text))])
@pytest.mark.parametrize("of_the_bridge", [True, False])
def test_one_changed_word_changes_one_line_whatever_ends_the_lines(
    ends: Callable[[str], str], of_the_bridge: bool
) -> None:
    former = parse_prompt_file(TOUCHED, path="p")
    existing = ends(render_prompt_file(former) if of_the_bridge else TOUCHED)
    template = deepcopy(former.prompt.template)
    say(template, 0, "Hello there.\nBe very nice.\n")
    wanted = replace(former, prompt=replace(former.prompt, template=template))

    text = render_prompt_file(wanted, existing=existing)

    assert text == existing.replace("Be nice.", "Be very nice.")


@pytest.mark.parametrize("ends", [windows, marked])
def test_a_file_that_is_as_wanted_keeps_its_line_ends(ends: Callable[[str], str]) -> None:
    assert render_prompt_file(parse_prompt_file(TOUCHED, path="p"), existing=ends(TOUCHED)) == ends(
        TOUCHED
    )


@pytest.mark.parametrize(
    "layout", [{"indent": 4}, {"indent": "\t"}, {}, {"separators": (",", ":")}]
)
@pytest.mark.parametrize("ends", [str, windows])
def test_json_stays_as_a_formatter_left_it(
    layout: dict[str, Any], ends: Callable[[str], str]
) -> None:
    former = parse_prompt_file(TOUCHED, path="p")
    document = json.loads(render_prompt_file(former, "json"))
    shuffled = {key: document[key] for key in sorted(document)}
    existing = ends(json.dumps(shuffled, ensure_ascii=False, **layout) + "\n")
    template = deepcopy(former.prompt.template)
    say(template, 0, "Hello there.\nBe very nice.\n")
    wanted = replace(former, prompt=replace(former.prompt, template=template))

    text = render_prompt_file(wanted, "json", existing=existing)

    assert text == existing.replace("Be nice.", "Be very nice.")
