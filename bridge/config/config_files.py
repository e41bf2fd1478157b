"""The files of a configuration: ``bridge.yaml``, and those of its mappings folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bridge.config.authorities import find_ca_files
from bridge.config.config_text import ConfigText
from bridge.config.mapping_conflicts import MisplacedSetting
from bridge.config.mapping_defaults import apply_mapping_defaults
from bridge.config.mapping_settings import MappingSettings, MappingsFileSettings
from bridge.config.variable_source import VariableSource
from bridge.errors import ConfigError

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class ParsedMappingsFile:
    """One parsed file of the mappings folder."""

    text: ConfigText
    mappings: tuple[MappingSettings, ...]

    @classmethod
    def read(
        cls,
        path: Path,
        environment: Mapping[str, str],
        main: ConfigText | None = None,
        defaults: object = None,
    ) -> ParsedMappingsFile:
        """Parse a file, with the ``defaults`` of ``main``, bridge.yaml. Raises ConfigError listing
        every mistake in it."""
        text = ConfigText.read(read_text(path), str(path), "the section mappings", main)
        values = text.substitute_variables(VariableSource(environment))
        try:
            content = MappingsFileSettings.model_validate(apply_mapping_defaults(values, defaults))
        except ValidationError as error:
            raise text.explain_error(error, MappingsFileSettings) from None
        return cls(text, content.mappings)


def read_mappings_folder(
    folder: Path, environment: Mapping[str, str], main: ConfigText, defaults: object
) -> tuple[tuple[ParsedMappingsFile, ...], tuple[str, ...]]:
    """The parsed files of a mappings folder, each with the ``defaults`` of ``main``, bridge.yaml,
    and the mistakes of those that cannot be parsed.
    Raises NotADirectoryError for a path that is no folder, OSError when it cannot be read."""
    parts, mistakes = [], []
    for path in list_mapping_files(folder):
        try:
            parts.append(ParsedMappingsFile.read(Path(path), environment, main, defaults))
        except ConfigError as error:
            mistakes.append(str(error))
    return tuple(parts), tuple(mistakes)


def list_mapping_files(folder: Path) -> list[str]:
    """Every ``*.yaml`` and ``*.yml`` of a folder and its subfolders, sorted. Hidden files are
    skipped; links are followed, as Kubernetes mounts folders as links. Raises OSError."""
    return sorted(_found(str(folder), frozenset()))


def _found(folder: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    own = os.stat(folder)
    here = (own.st_dev, own.st_ino)
    if here in above:  # a link to a parent folder
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _found(entry.path, above | {here})
            elif entry.name.endswith(_SUFFIXES) and entry.is_file():
                yield entry.path


def describe_read_error(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, without the names of Python and the operating system."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text in UTF-8 (byte {error.start + 1})"
    return error.strerror or "the operating system refuses it"


def read_text(path: Path) -> str:
    """The text of a file. Raises ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {describe_read_error(error)}.") from None


@dataclass(frozen=True)
class MappingLocations:
    """The file and index of each mapping of a configuration."""

    main: ConfigText
    count_in_main: int  # how many of the mappings
    parts: Sequence[ParsedMappingsFile]

    def describe_misplaced(self, found: MisplacedSetting) -> str:
        """A message about a misplaced setting, with its location and that of the other mapping."""
        text, index = self._place(found.index)
        description = text.format_mistake(("mappings", index, found.setting), found.message)
        if found.other_index is None:
            return description
        text, index = self._place(found.other_index)
        return (
            f"{description} (it stands at {text.path}:{text.source.find_line(('mappings', index))})"
        )

    def _place(self, index: int) -> tuple[ConfigText, int]:
        if index < self.count_in_main:
            return self.main, index
        index -= self.count_in_main
        for part in self.parts:
            if index < len(part.mappings):
                return part.text, index
            index -= len(part.mappings)
        raise IndexError("no such mapping")


class ConfigFiles:
    """The files of a configuration as they are now, with or without mistakes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text: bytes | None = None
        self._folder: Path | None = None
        self._keys: tuple[str, ...] = ()
        self._named: tuple[str, ...] = ()

    def __call__(self) -> list[str]:
        """``bridge.yaml``, the files of its mappings folder, and the files that it names."""
        self._follow()
        try:
            found = list_mapping_files(self._folder) if self._folder else []
        except OSError:
            found = []
        return [str(self._path), *found, *self._keys, *self._named]

    def _follow(self) -> None:
        """Read which files the main file names, as far as it can be parsed."""
        try:
            # A pipe can be read only once, and the loader reads it.
            text = self._path.read_bytes() if self._path.is_file() else None
        except OSError:
            return
        if text is None or text == self._text:
            return
        self._text = text
        with suppress(ConfigError, UnicodeDecodeError):
            main = ConfigText.read(text.decode(), str(self._path), "")
            self._named = tuple(
                str(self._path.parent / name) for name in main.list_referenced_files()
            )
            values = main.substitute_variables(VariableSource(os.environ, self._path.parent))
            self._folder = _beside(self._path, values.get("mappings_folder"))
            self._keys = tuple(_keys(self._path, values))


def _beside(main: Path, value: object) -> Path | None:
    return main.parent / value if isinstance(value, str) else None


def _keys(main: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """The files of private keys and certificates."""
    forges = values.get("forges")
    for forge in forges.values() if isinstance(forges, dict) else ():
        key = forge.get("private_key_file") if isinstance(forge, dict) else None
        if path := _beside(main, key):
            yield str(path)
    for _, name in find_ca_files(values):
        yield str(main.parent / name)
