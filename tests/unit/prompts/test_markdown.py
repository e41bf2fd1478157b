from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bridge.prompts.pull_request import markdown
from bridge.prompts.pull_request.markdown import WORD_JOINER

HOSTILE = [
    "@jane please look",
    "Fixes #12",
    "closes owner/repo#12",
    "Resolves GH-12",
    "fixes https://github.com/acme/bot/issues/12",
    "closes !12 and SUPPORT-12",
    "owner/repo@0123456789abcdef",
    "0123456789abcdef",
    "<img src=x onerror=alert(1)>",
    "<!-- promptlayer-bridge:e30= -->",
    "</details></summary>",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "[x]: https://evil.example",
    "https://evil.example www.evil.example",
    "<https://evil.example>",
    "/close",
    "\n/close\n",
    "text\n\n/merge\n\n# Heading",
    "# Heading",
    "- list",
    "1. list",
    "> quote",
    "---",
    "===",
    "| a | b |",
    "\\| a \\\\| b",
    "```\n/close\n```",
    "~~~\nx",
    "`` ` ``",
    "`",
    "\\`",
    "*bold* __bold__ ~~gone~~",
    "$x^2$ :tada: %1 ~bug &12 $3",
    "&lt;b&gt; &#64;jane",
    "[skip ci] [ci skip] [no ci] ***NO_CI***",
    "skip-checks: true",
    "\u202egnp.exe\x00\x1b[31m\ud800",
    "",
]

alphabet = "@#!/`~|\\<>[]()*_-+=:&$%^. \n\tab1é"
hostile = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(alphabet=alphabet, max_size=40),
    st.text(max_size=40),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map("".join),
)

ACTIVE = re.compile(
    r"@\w|[#!]\d|\b(?:(?i:gh)|[A-Z]{2})-\d|(?i:/issues/\d|\[(?:skip|no|ci)\b|\*\*\*no_ci|skip-checks:)|<!--",
    re.ASCII,
)
HARMLESS = {"inline", "text", "text_special", "softbreak", "code_inline", "fence"}


def render(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def kinds(text: str) -> set[str]:
    return {token.type for token in flat(render(text))}


def shown(text: str) -> str:
    return "".join(t.content for t in flat(render(text)) if t.type != "inline").replace(
        WORD_JOINER, ""
    )


@settings(max_examples=400, deadline=None)
@given(hostile)
def test_prose_stays_prose(text: str) -> None:
    line = markdown.escape_prose(text)

    assert "\n" not in line
    assert kinds(line) <= HARMLESS | {"paragraph_open", "paragraph_close"}
    assert not ACTIVE.search(line)
    assert not re.search(r"://|www\.|\b[0-9a-f]{7,}\b", line)
    assert shown(line) == markdown.collapse_to_one_line(text)


@settings(max_examples=400, deadline=None)
@given(hostile)
def test_a_code_span_shows_what_was_written(text: str) -> None:
    line = markdown.format_code_span(text)
    spans = [token for token in flat(render(f"a {line} b")) if token.type == "code_inline"]

    assert kinds(f"a {line} b") <= HARMLESS | {"paragraph_open", "paragraph_close"}
    assert [span.content.replace(WORD_JOINER, "") for span in spans] == [
        markdown.collapse_to_one_line(text) or '""'
    ]
    assert not ACTIVE.search(line)


@settings(max_examples=400, deadline=None)
@given(hostile, hostile)
def test_a_cell_stays_in_its_column(one: str, other: str) -> None:
    tokens = render(
        f"| | |\n|---|---|\n| {markdown.format_table_cell(one)} | {markdown.format_table_cell(other)} |\n"
    )
    cells = [
        t.children or []
        for t, before in zip(tokens[1:], tokens, strict=False)
        if before.type == "td_open"
    ]

    assert [[token.type for token in cell] for cell in cells] == [["code_inline"], ["code_inline"]]
    assert cells[0][0].content.replace(WORD_JOINER, "") == (
        markdown.collapse_to_one_line(one) or '""'
    )


def test_a_bar_in_a_cell_is_escaped_whatever_stands_before_it() -> None:
    assert markdown.format_table_cell("a|b") == "`a\\|b`"
    assert markdown.format_table_cell("a\\|b") == f"`a\\{WORD_JOINER}\\|b`"


@settings(max_examples=400, deadline=None)
@given(hostile)
def test_nothing_leaves_its_fence(text: str) -> None:
    block = markdown.format_code_block(text, "diff")
    tokens = render(f"before\n\n{block}\n\nafter")

    assert [token.type for token in tokens if token.level == 0] == [
        "paragraph_open",
        "paragraph_close",
        "fence",
        "paragraph_open",
        "paragraph_close",
    ]
    assert (
        tokens[3].content.replace(WORD_JOINER, "")
        == markdown.escape_hidden_characters(text).replace(WORD_JOINER, "") + "\n"
    )
    assert not ACTIVE.search(block)


@settings(max_examples=200, deadline=None)
@given(hostile)
def test_a_summary_holds_no_tag_and_no_reference(text: str) -> None:
    line = markdown.escape_html_text(text)

    assert not set(line) & set("<>\"'\n")
    assert not ACTIVE.search(line)


@pytest.mark.parametrize(
    "escape", [markdown.escape_prose, markdown.format_code_span, markdown.format_table_cell]
)
def test_ordinary_words_are_left_as_they_are(escape: Callable[[str], str]) -> None:
    words = "Friendlier greeting, in 2 languages (v1.2): ok"

    assert escape(words).strip("`") == words


def test_hidden_characters_become_visible() -> None:
    assert (
        markdown.escape_hidden_characters("a\u202eb\x00c\u200bd\r\ne\ud800")
        == "a\\u202eb\\x00c\\u200bd\\r\ne\\ud800"
    )
    assert markdown.escape_hidden_characters("日本語 é 👍\t") == "日本語 é 👍\t"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://x/)[y](z", "https://x/ y", "https://x/<b>", ""]
)
def test_an_address_that_could_break_out_is_not_linked(address: str) -> None:
    assert markdown.format_link("Version 9", address) == "Version 9"


def test_a_good_address_is_linked() -> None:
    assert markdown.format_link("Version 9", "https://pl.example/p/17?v=9") == (
        "[Version 9](https://pl.example/p/17?v=9)"
    )


def test_a_name_is_shortened_in_its_middle() -> None:
    assert markdown.shorten_middle("support/replies/first", 11) == "suppo…first"
    assert markdown.shorten("support/replies", 8) == "support…"
