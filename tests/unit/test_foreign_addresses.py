"""Nothing that is shipped points at a name on somebody's server that nobody here holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ("README.md", "CHANGELOG.md", "SECURITY.md", "bridge", "deploy", "docs", "prompts-schema")
RECOGNISED = "bridge/prompts/modeline.py"  # what earlier versions wrote: known, and never written
_OWNER = re.compile(
    r"(?:github\.com|githubusercontent\.com|ghcr\.io|gitlab\.com|docker\.io|quay\.io)"
    r"[\"\s]*/promptlayer-bridge"
    r"|(?:uses|project|repository): *[\"']?promptlayer-bridge/"
    r"|default: promptlayer-bridge$",
    re.MULTILINE,
)


def find_owners(text: str) -> list[str]:
    return _OWNER.findall(text)


def shipped_files() -> Iterator[Path]:
    for name in SHIPPED:
        place = ROOT / name
        yield from place.rglob("*") if place.is_dir() else [place]


def test_nothing_points_at_an_owner_that_nobody_here_holds() -> None:
    found: dict[str, list[str]] = {}
    for path in shipped_files():
        if path.is_file() and path.suffix not in (".png", ".pyc"):
            owners = find_owners(path.read_text(encoding="utf-8"))
            found |= {path.relative_to(ROOT).as_posix(): owners} if owners else {}

    assert set(found) <= {RECOGNISED}


def test_such_an_address_would_be_found() -> None:
    for text in (
        "image: ghcr.io/promptlayer-bridge/promptlayer-bridge",
        "- uses: promptlayer-bridge/promptlayer-bridge/deploy/github-action@main",
        "$schema=https://raw.githubusercontent.com/promptlayer-bridge/x",
        "      default: promptlayer-bridge",
    ):
        assert find_owners(text), text
