"""A mistake in a prompt file is told with file, line and what was expected."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import PromptFileError
from bridge.prompts.file_format.prompt_file import parse_prompt_file
from bridge.prompts.file_format.source_text import PromptFileFormat

from .strategies import FRAGMENTS, texts

FORMATS: tuple[PromptFileFormat, ...] = ("yaml", "json")
HEAD = "kind: prompt/v1\nname: a\nlabel: prod\n"
CHAT = HEAD + "messages:\n  - role: system\n    content: hi\n"  # seven lines follow from here

ANCHOR_BOMB = "metadata:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            CHAT + "  - content: x\n    role: usr\n",
            "p.yaml:8: messages[1].role: expected one of 'system', 'user', 'assistant', "
            "'developer', 'tool', 'function' or 'placeholder', got \"usr\"",
        ),
        (CHAT + "  - content: x\n", "p.yaml:7: messages[1].role: expected a value, got none"),
        (CHAT.replace("hi", "5"), "p.yaml:6: messages[0].content: expected a list, got 5"),
        (
            HEAD + "messages:\n- role: user\n  content:\n  - type: text\n    text: [1]\n",
            "p.yaml:8: messages[0].content[0].text: expected text, got a list",
        ),
        ("kind: prompt/v2\n" + CHAT[16:], "p.yaml:1: kind: expected one of 'prompt/v1', got \"prompt/v2\""),
        (HEAD, "p.yaml:1: expected `messages` in a chat prompt, got none"),
        (HEAD + "content: x\n", "p.yaml:4: content: expected `messages` in a chat prompt, got `content`"),
        (HEAD + "type: completion\n", "p.yaml:1: expected `content` in a completion prompt, got none"),
        (CHAT + "message: 1\n", "p.yaml:7: message: is not a key of a prompt file: did you mean `messages`?"),
        (CHAT + "zzz: 1\n", "p.yaml:7: zzz: is not a key of a prompt file: take it out, or put it under `metadata`"),
        (CHAT + "version: '5'\n", 'p.yaml:7: version: expected a whole number, got "5"'),
        (CHAT + "name: b\n", "p.yaml:7: the key `name` stands here twice: keep one of the two"),
        (CHAT + "version: 2024-01-01\n", "p.yaml:7: 2024-01-01 is read differently by different YAML readers"),
        (CHAT.replace("hi", "no"), "p.yaml:6: no is read differently"),
        (CHAT.replace("hi", "12:30:45"), "p.yaml:6: 12:30:45 is read differently"),
        (CHAT.replace("hi", "1e3"), "p.yaml:6: 1e3 is read differently"),
        (CHAT + "metadata:\n  <<: {a: 1}\n", "p.yaml:8: << is read differently"),
        (CHAT + "metadata: {1: x}\n", "p.yaml:7: expected a key that is text, got 1: put it in quotes"),
        (CHAT + "metadata: {[a]: x}\n", "p.yaml:7: expected a key that is text, got a collection"),
        (CHAT + "metadata: {a: *x}\n", "p.yaml:7: the alias *x has no anchor &x before it"),
        (CHAT + "metadata: &x {a: *x}\n", "p.yaml:7: the alias *x stands inside of what it repeats"),
        (CHAT + ANCHOR_BOMB, "p.yaml:12: aliases repeat more than 10,000 values"),
        (CHAT + "metadata: {a: !!python/name:os.system x}\n", "p.yaml:7: tags are not supported"),
        (CHAT + "metadata: !!set {a}\n", "p.yaml:7: tags are not supported"),
        (CHAT + "---\na: 1\n", "p.yaml:7: expected one document, got a second one"),
        (CHAT + "metadata: [1\n", "p.yaml:8: not valid YAML"),
        (CHAT + "metadata:\n\tx: 1\n", "p.yaml:8: not valid YAML"),
        (CHAT.replace("hi", "h\x00i"), "p.yaml:6: expected printable text, got U+0000"),
        (CHAT.replace("hi", "h\u2028i"), "p.yaml:6: expected printable text, got U+2028"),
        (CHAT + "version: " + "1" * 5000, "p.yaml:1: expected numbers of a usual length"),
        ("[" * 100_000, "p.yaml:1: expected at most 200 levels, got more"),
        ("x" * 6_000_000, "p.yaml:1: the file is too large; expected a prompt file of at most 5 MiB"),
        ("", "p.yaml:1: expected a mapping that starts with `kind: prompt/v1`"),
        ("- a\n", "p.yaml:1: expected a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(PromptFileError) as raised:
        parse_prompt_file(text, path="p.yaml")

    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"kind": "prompt/v1",\n "name": 5,\n "label": "x"}', "p.json:2: name: expected text, got 5"),
        ('{"kind": 1,\n"kind": 2}', "p.json:2: the key `kind` stands here twice"),
        ('{\n  "kind": "prompt/v1",\n}', "p.json:"),
        ("", "p.json:1: not valid JSON"),
        ("[" * 100_000, "p.json:1: expected at most 200 levels, got more"),
    ],
)  # fmt: skip
def test_a_mistake_in_json_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(PromptFileError) as raised:
        parse_prompt_file(text, path="p.json", format="json")

    assert str(raised.value).startswith(said)


def test_a_byte_that_is_no_utf8_is_told_with_its_line() -> None:
    with pytest.raises(PromptFileError, match=r"^p\.yaml:3: expected UTF-8"):
        parse_prompt_file(b"kind: prompt/v1\nname: a\nlabel: \xff\n", path="p.yaml")


@given(st.lists(st.sampled_from((*FRAGMENTS, CHAT, "metadata:", "{", "- ")), max_size=12), texts)
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_with_its_line(fragments: list[str], tail: str) -> None:
    text = "".join(fragments)
    for candidate in (text, CHAT + text + tail, f"{CHAT}metadata: {text}\n"):
        for format in FORMATS:
            assert re.match(r"p:\d+: .|^$", refusal(candidate, format))


def refusal(text: str, format: PromptFileFormat) -> str:
    """Why ``text`` is refused; nothing when it is not."""
    try:
        parse_prompt_file(text, path="p", format=format)
    except PromptFileError as error:
        return str(error)
    return ""


def test_further_mistakes_are_counted() -> None:
    with pytest.raises(PromptFileError, match=r"\(and 2 more mistakes\)$"):
        parse_prompt_file("kind: prompt/v2\nmessages: []\n", path="p.yaml")


def test_a_long_value_is_shown_short() -> None:
    with pytest.raises(PromptFileError) as raised:
        parse_prompt_file(CHAT + f"version: {'long ' * 200}\n", path="p.yaml")

    assert len(str(raised.value)) < 150


@pytest.mark.parametrize(
    "key",
    ["a\\nb.yaml:1: all is well", "\\e[31m", "\\u202e", "x" * 10_000],
    ids=lambda key: key[:9],
)
def test_a_mistake_is_one_short_line_that_a_key_cannot_break(key: str) -> None:
    with pytest.raises(PromptFileError) as raised:
        parse_prompt_file(CHAT + f'"{key}": 1\n', path="p\n.yaml")

    assert re.fullmatch(r"p \.yaml:7: [ -~…]{,500}", str(raised.value))


@pytest.mark.parametrize("format", ["yaml", "json"])
def test_what_editors_leave_behind_is_tolerated(format: PromptFileFormat) -> None:
    texts = {
        "yaml": CHAT,
        "json": '{"kind": "prompt/v1",\n"name": "a", "label": "prod", "messages": []}',
    }
    text = texts[format]
    crlf = "\ufeff" + text.replace("\n", "\r\n")

    assert parse_prompt_file(crlf.encode(), path="p", format=format) == parse_prompt_file(
        text, path="p", format=format
    )


def test_keys_left_empty_are_keys_left_out() -> None:
    empty = "id:\nversion: ~\ntags:\nmetadata:\ntools: null\n"

    assert parse_prompt_file(CHAT + empty, path="p") == parse_prompt_file(CHAT, path="p")


def test_plain_values_that_all_readers_share_are_fine() -> None:
    values = "{a: True, b: -0.5, c: +3, d: 1.0e-7, e: v1.2.3, f: 3-day, g: a:b, h: Null, i: .5}"

    metadata = parse_prompt_file(CHAT + f"metadata: {values}\n", path="p").prompt.metadata

    assert metadata == {
        "a": True,
        "b": -0.5,
        "c": 3,
        "d": 1e-07,
        "e": "v1.2.3",
        "f": "3-day",
        "g": "a:b",
        "i": 0.5,
    }
