"""The first line of a YAML prompt file, by which editors find the schema. Pure.

https://github.com/redhat-developer/yaml-language-server#using-inlined-schema: it names an address,
or a path that is relative to the file.
"""

from __future__ import annotations

import re

_MODELINE = re.compile(r"# yaml-language-server: \$schema=[^\n]*\n")
_PATH = re.compile(r"[^\s/\\:?#]+(?:/[^\s/\\:?#]+)*")
_HTTPS = re.compile(r"https://[^\s/@?#\\]+/[^\s@\\]*")

FORMER_MODELINE = (
    "# yaml-language-server: $schema=https://raw.githubusercontent.com/promptlayer-bridge"
    "/promptlayer-bridge/main/prompts-schema/prompt.v1.json\n"
)
"""What the bridge wrote into each file before there was ``schema_url``. Never written any more:
a sweep knows such files by it without reading them."""


def check_schema_url(value: str) -> None:
    """Raise ValueError for what is neither an https address nor a path in the repository."""
    if _HTTPS.fullmatch(value):
        return
    if not _PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError(
            "expected an https address, or the path of a file in the repository such as"
            " schemas/prompt.v1.json"
        )


def find_modeline(schema_url: str | None, path: str) -> str:
    """The first line of a new file at ``path`` of the repository; empty where no schema is set."""
    if schema_url is None:
        return ""
    if not schema_url.startswith("https://"):
        schema_url = ("../" * path.count("/") or "./") + schema_url
    return f"# yaml-language-server: $schema={schema_url}\n"


def split_modeline(text: str) -> tuple[str, str]:
    """The first line of a file where that is such a line, and the rest."""
    found = _MODELINE.match(text)
    at = found.end() if found else 0
    return text[:at], text[at:]


def move_modeline(text: str, schema_url: str | None, old_path: str, path: str) -> str:
    """The text of a file that moves: a line that is relative to the old path goes along."""
    old = find_modeline(schema_url, old_path)
    if not old or not text.startswith(old.rstrip("\n")):
        return text
    return find_modeline(schema_url, path).rstrip("\n") + text[len(old) - 1 :]
