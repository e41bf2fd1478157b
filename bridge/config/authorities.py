"""Validate the ``ca_file`` settings, which name files of certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.network.trust import read_authorities

Location = tuple[str | int, ...]

SETTING = "ca_file"


def find_ca_files(values: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """The location of every ``ca_file`` setting, and its path as written."""
    places: list[tuple[Location, object]] = [
        ((), values),
        (("promptlayer",), values.get("promptlayer")),
    ]
    for several in ("workspaces", "forges"):
        named = values.get(several)
        if isinstance(named, dict):
            places += [((several, name), each) for name, each in named.items()]
    for place, section in places:
        path = section.get(SETTING) if isinstance(section, Mapping) else None
        if isinstance(path, str):
            yield (*place, SETTING), path


def find_ca_file_mistakes(
    values: Mapping[str, Any], folder: Path
) -> Iterator[tuple[Location, str]]:
    """The locations of wrong ``ca_file`` settings, with messages; relative paths are below
    ``folder``."""
    for location, path in find_ca_files(values):
        try:
            read_authorities(folder / path)
        except OSError as error:
            yield location, f"the file {path} cannot be read: {error.strerror}"
        except ValueError as error:
            yield location, f"{path}: {error}"
