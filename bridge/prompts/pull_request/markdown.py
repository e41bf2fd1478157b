"""Make foreign text harmless for a pull request on any forge. Pure.

Markdown's own escapes are not enough: forges search the rendered text for mentions and references,
squash merges turn a body into a commit message where a code fence means nothing, and some words
(``[skip ci]``, ``/close``) act anywhere. So every such pattern is broken by an invisible word
joiner (U+2060), everywhere, and Markdown is escaped on top of that. The shown text reads as it was
written.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

WORD_JOINER = "\u2060"
ELLIPSIS = "…"
MAX_NAME_LENGTH = 100

_ACTS_ANYWHERE = re.compile(
    r"""
      @(?=\w)                                  # @jane, owner/repo@5f7532
    | [#!](?=\d)                               # #12, owner/repo#12, !12
    | (?i:gh|gl)-(?=\d)                        # GH-12
    | \b[A-Z][A-Z0-9]+-(?=\d)                  # SUPPORT-12
    | /(?i:issues|pulls?|merge_requests|work_items|epics|discussions)/(?=\d)
    | \[(?=\s*(?i:skip|no|ci|actions)\b)       # [skip ci]
    | \*\*\*(?=(?i:no_ci))
    | (?i:skip)-(?=(?i:checks)\s*:)
    | <!(?=--)                                 # a forged memory
    """,
    re.VERBOSE | re.ASCII,
)
_ACTS_IN_PROSE = re.compile(
    r"""
      [@$%&~^#!](?=[\w"])                      # %"milestone", ~label, &epic, $snippet, $math$
    | :(?=//)                                  # addresses become links by themselves
    | \bwww(?=\.)
    | :(?=[\w+-]+:)                            # :tada:
    | [0-9a-f]{4}(?=[0-9a-f]{3})               # a commit's name
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_MARKUP = re.compile(r"[\\`*_\[\]<>|~$&]")
_STARTS_A_BLOCK = re.compile(r"[#+\-=:/>]|\d+[.)]")
_BACKTICKS = re.compile(r"`+")
_SAFE_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%\[\]-]+")
_SPACES = re.compile(r"\s+")


def escape_hidden_characters(text: str) -> str:
    """The text with every character that hides, reorders or breaks lines spelled ``\\u202e``;
    line feeds and tabs stay. CRLF counts as a line feed with a visible ``\\r`` before it."""
    if text.isprintable():
        return text
    hidden = {ord(c): _spelled(c) for c in set(text) if _is_hidden(c)}
    return text.translate(hidden) if hidden else text


def neutralise_forge_syntax(text: str) -> str:
    """The text with nothing in it that a forge acts upon wherever it stands: mentions,
    references (and so closing keywords), commands to CI, hidden comments."""
    return _ACTS_ANYWHERE.sub(rf"\g<0>{WORD_JOINER}", text)


def collapse_to_one_line(text: str) -> str:
    """All white space as single blanks, hidden characters spelled."""
    return escape_hidden_characters(_SPACES.sub(" ", text).strip())


def escape_prose(text: str) -> str:
    """One line of prose inside a paragraph: nothing in it is markup, link or reference."""
    escaped = _MARKUP.sub(r"\\\g<0>", _harmless_prose(text))
    return WORD_JOINER + escaped if _STARTS_A_BLOCK.match(escaped) else escaped


def escape_html_text(text: str) -> str:
    """One line of text inside an HTML tag such as ``<summary>``."""
    return html.escape(_harmless_prose(text))


def format_code_span(text: str) -> str:
    """One line as inline code. Empty text is shown as two quotes."""
    line = neutralise_forge_syntax(collapse_to_one_line(text)) or '""'
    ticks = "`" * (_longest_run_of_backticks(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def format_table_cell(text: str) -> str:
    """Format inline code inside a table's row: no bar of it ends the cell. A backslash before a
    bar is separated from it, since parsers disagree about the two together."""
    return format_code_span(text).replace("\\|", f"\\{WORD_JOINER}|").replace("|", "\\|")


def format_code_block(text: str, language: str = "") -> str:
    """A code block of its own that the text cannot leave. Ends without a line feed."""
    content = neutralise_forge_syntax(escape_hidden_characters(text))
    ticks = "`" * max(3, _longest_run_of_backticks(content) + 1)
    return f"{ticks}{language}\n{content}\n{ticks}"


def format_link(words: str, address: str) -> str:
    """Link a text of the bridge's where the address can be linked safely."""
    if not _SAFE_ADDRESS.fullmatch(address) or len(address) > 1000:
        return words
    return f"[{words}]({address})"


def shorten(text: str, most: int) -> str:
    """At most ``most`` characters, the end cut."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + ELLIPSIS


def shorten_middle(text: str, most: int) -> str:
    """Shorten to at most ``most`` (≥ 3) characters; the beginning and the end of a name stay."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return text[: most - 1 - tail] + ELLIPSIS + text[-tail:]


def format_name(name: str) -> str:
    """A name as inline code, its middle left out where it is long."""
    return format_code_span(shorten_middle(name, MAX_NAME_LENGTH))


def join_with_others(items: Sequence[str], count: int, noun: str) -> str:
    """Join ``a, b and 3 others``, where ``count`` things exist and ``items`` are named."""
    rest = [f"{count - len(items):,} {noun}"] if count > len(items) else []
    *first, last = [*items, *rest] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _harmless_prose(text: str) -> str:
    return _ACTS_IN_PROSE.sub(
        rf"\g<0>{WORD_JOINER}", neutralise_forge_syntax(collapse_to_one_line(text))
    )


def _is_hidden(character: str) -> bool:
    if character in "\n\t\u200c\u200d":  # the last two are part of words and of emoji
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _spelled(character: str) -> str:
    return ascii(character)[1:-1] if character != "\r" else "\\r"


def _longest_run_of_backticks(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
