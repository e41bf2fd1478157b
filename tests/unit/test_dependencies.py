"""What is installed is what ``constraints.txt`` says, all of it: an audit of that file is an audit
of what runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
OURS = "promptlayer-bridge"


def pinned() -> dict[str, str]:
    lines = CONSTRAINTS.read_text(encoding="utf-8").split()
    return {
        canonicalize_name(name): version for name, version in (line.split("==") for line in lines)
    }


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    """Names of everything that a package needs here, over all steps."""
    for text in distribution(name).requires or ():
        wanted = Requirement(text)
        marker = wanted.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        found = canonicalize_name(wanted.name)
        news = {(found, extra) for extra in ("", *wanted.extras)} - seen
        if news:
            seen |= news
            yield found
            yield from needed(found, frozenset(wanted.extras), seen)


def test_every_package_that_the_bridge_and_its_checks_need_is_pinned() -> None:
    extras = frozenset(distribution(OURS).metadata.get_all("Provides-Extra") or ())

    found = set(needed(OURS, frozenset({"dev"}) & extras, set()))

    assert len(found) > 50
    assert found - pinned().keys() - {OURS} == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    found = set(needed(OURS, frozenset({"dev"}), set())) - {OURS}

    differing = {
        name: version
        for name, version in pinned().items()
        if name in found and distribution(name).version != version
    }
    assert differing == {}


def test_a_pin_is_one_exact_version() -> None:
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.+!]+", line)] == []
    assert len(pinned()) == len(lines)
