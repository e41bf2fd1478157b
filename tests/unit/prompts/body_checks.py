"""What must hold of a pull request's body, whoever wrote the prompt."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(text: str) -> list[Token]:
    return [one for token in MARKDOWN.parse(text) for one in (token, *(token.children or []))]


OUR_TAGS = re.compile(r"<details>\n<summary>[^<>\n]*</summary>\n?|</details>\n?")
ACTIVE = re.compile(
    r"@\w|[#!]\d|\b(?:(?i:gh)|[A-Z]{2})-\d|(?i:/issues/\d|\[skip|\*\*\*no_ci|skip-checks:)",
    re.ASCII,
)


def assert_sound(
    text: str, limit: int, memory: str, *, links: Callable[[str | int | float | None], bool]
) -> None:
    """Whole, within its limit, and with no markup but ours; ``links`` knows the good addresses."""
    assert len(text) <= limit
    assert text.splitlines()[-1] == memory
    assert text.count("<!--") == 1
    found = tokens(text)
    kinds = {token.type for token in found}
    assert not kinds & {"html_inline", "image", "heading_open", "s_open", "hr", "bullet_list_open"}
    assert not kinds & {"ordered_list_open", "code_block", "em_open"}
    assert all(links(each.attrGet("href")) for each in found if each.type == "link_open")
    blocks = [token.content for token in found if token.type == "html_block"]
    assert all(OUR_TAGS.fullmatch(block) for block in blocks[:-1]), blocks
    assert blocks[-1].strip() == memory
    opened = sum(block.startswith("<details>") for block in blocks)
    assert opened == sum(block.startswith("</details>") for block in blocks)
    assert not ACTIVE.search(text)
    for token in found:
        if token.type == "fence" and token.info == "diff":
            assert all(line[:1] in ("+", "-", " ", "@") for line in token.content.splitlines())
