"""Render untrusted text for the page of the local forge: pull-request bodies and diffs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

ALLOWED_TAGS = ("details", "summary", "br", "sub")
MAX_DIFF_LINES = 4_000  # of one diff: a page stays usable, the rest is for git

_HTML = re.compile(
    rf"(?P<comment><!--.*?-->)|<(?P<tag>/?(?:{'|'.join(ALLOWED_TAGS)}))(?P<open> +open)? */?>",
    re.DOTALL | re.IGNORECASE,
)
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


# Markdown.


def render_body(body: str) -> Markup:
    """A body as HTML: CommonMark with tables. Of its HTML only ``ALLOWED_TAGS`` remain, without
    attributes; comments are dropped and everything else is escaped."""
    return Markup(_MARKDOWN.render(body))


def _only_allowed(html: str) -> str:
    pieces, end = [], 0
    for found in _HTML.finditer(html):
        pieces.append(escape(html[end : found.start()]))
        if found["tag"]:
            pieces.append(f"<{found['tag'].lower()}{' open' if found['open'] else ''}>")
        end = found.end()
    return "".join([*pieces, escape(html[end:])])


def _html(
    _: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType
) -> str:
    return _only_allowed(tokens[at].content)


def _fence(
    _: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: EnvType
) -> str:
    """Code, with the lines of a ``diff`` block coloured."""
    language = tokens[at].info.strip().lower()
    lines = tokens[at].content.splitlines()
    if language != "diff":
        return f"<pre><code>{escape(tokens[at].content)}</code></pre>\n"
    coloured = (f'<span class="{_colour(line)}">{escape(line)}\n</span>' for line in lines)
    return f'<pre class="diff"><code>{"".join(coloured)}</code></pre>\n'


def _colour(line: str) -> str:
    return {"+": "added", "-": "removed", "@": "hunk"}.get(line[:1], "same")


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for kind in ("html_block", "html_inline"):
        markdown.add_render_rule(kind, _html)
    markdown.add_render_rule("fence", _fence)
    return markdown


_MARKDOWN = _markdown()


# Diffs.


@dataclass(frozen=True)
class DiffLine:
    kind: Literal["added", "removed", "same", "hunk", "note"]
    text: str  # without the sign
    old: int | None = None  # line numbers, from 1
    new: int | None = None

    @property
    def sign(self) -> str:
        return {"added": "+", "removed": "-"}.get(self.kind, " ")


@dataclass
class DiffFile:
    """One file of a diff."""

    path: str
    lines: list[DiffLine] = field(default_factory=list)

    @property
    def added(self) -> int:
        return sum(line.kind == "added" for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.kind == "removed" for line in self.lines)


def parse_diff(diff: str) -> list[DiffFile]:
    """The output of ``git diff``, by file; at most ``MAX_DIFF_LINES`` lines, then a note."""
    files: list[DiffFile] = []
    lines = diff.split("\n")  # not splitlines(): a lone CR or U+2028 ends no line for git
    for line in _numbered(lines[:MAX_DIFF_LINES]):
        if isinstance(line, DiffFile):
            files.append(line)
        elif files:
            files[-1].lines.append(line)
    if files and len(lines) > MAX_DIFF_LINES:
        left = len(lines) - MAX_DIFF_LINES
        files[-1].lines.append(DiffLine("note", f"{left} more lines are not shown here."))
    return files


def _numbered(lines: Sequence[str]) -> Iterator[DiffFile | DiffLine]:
    old = new = 0
    in_header = True
    for line in lines:
        if line.startswith("diff --git "):
            in_header = True
            yield DiffFile(_path(line))
        elif hunk := _HUNK.match(line):
            in_header = False
            old, new = int(hunk[1]), int(hunk[2])
            yield DiffLine("hunk", line)
        elif in_header:
            if line.startswith(("new file", "deleted file", "rename ", "Binary files")):
                yield DiffLine("note", line)
        elif line.startswith("+"):
            yield DiffLine("added", line[1:], new=new)
            new += 1
        elif line.startswith("-"):
            yield DiffLine("removed", line[1:], old=old)
            old += 1
        elif line.startswith(" "):
            yield DiffLine("same", line[1:], old, new)
            old, new = old + 1, new + 1
        elif line.startswith("\\"):
            yield DiffLine("note", line[2:])


def _path(header: str) -> str:
    """The new name in ``diff --git a/old b/new``; both are quoted where they are odd."""
    names = header.removeprefix("diff --git ")
    quoted = re.search(r' "b/(.*)"$', names)
    if quoted:
        return quoted[1]
    return names.rpartition(" b/")[2]
