"""``validate``: prompt files and ``bridge.yaml``, without any credential or network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.config.config_files import ParsedMappingsFile, describe_read_error
from bridge.errors import BridgeError, ConfigError, PromptFileError
from bridge.prompts.file_format.prompt_file import parse_prompt_file
from bridge.prompts.file_format.source_text import format_of, read_source_document
from bridge.prompts.paths import find_static_prefix, fits_template
from bridge.prompts.secret_scan import find_secrets

_CONFIG_SECTIONS = frozenset({"promptlayer", "workspaces", "forges"})


@dataclass(frozen=True)
class FileValidation:
    """One file, and every mistake in it."""

    path: str
    mistakes: tuple[str, ...]  # each with file, line and what was expected


def validate(config_path: Path, files: Sequence[Path], *, as_json: bool) -> None:
    """Print every mistake; exits with 1 when there is one."""
    config, config_mistakes = _read_config(config_path, is_required=not files)
    named = list(files) or [config_path, *_list_prompt_files(config)]
    found = [
        FileValidation(str(path), config_mistakes)
        if _is_same_file(path, config_path)
        else FileValidation(str(path), tuple(_find_mistakes(path, config)))
        for path in named
    ]
    wrong = sum(bool(one.mistakes) for one in found)
    if as_json:
        typer.echo(json.dumps({"valid": not wrong, "files": [asdict(one) for one in found]}))
    else:
        for mistake in (words for one in found for words in one.mistakes):
            typer.echo(mistake)
        typer.echo(_summarise(len(found), wrong))
    if wrong:
        raise typer.Exit(1)


def _summarise(count: int, wrong: int) -> str:
    if wrong:
        return f"{wrong} of {count} {'file' if count == 1 else 'files'} with mistakes."
    return "1 file is valid." if count == 1 else f"{count} files are valid."


def _read_config(path: Path, *, is_required: bool) -> tuple[BridgeConfig | None, tuple[str, ...]]:
    """The configuration, where there is one, and the mistakes in it."""
    if not (path.exists() or is_required):
        return None, ()
    try:
        return load_config(path, defer_secrets=True), ()
    except ConfigError as error:
        return None, tuple(str(error).splitlines())


def _list_prompt_files(config: BridgeConfig | None) -> list[Path]:
    """The files below the current folder that lie where a mapping has its own."""
    found: set[Path] = set()
    for template in {mapping.path for mapping in config.mappings} if config else ():
        for path in Path(find_static_prefix(template)).rglob("*"):
            if path.is_file() and fits_template(template, path.as_posix()):
                found.add(path)
    return sorted(found)


def _is_same_file(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()


def _find_mistakes(path: Path, config: BridgeConfig | None) -> Iterator[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        yield f"{path}: cannot be read: {describe_read_error(error)}"
        return
    try:
        sections = _read_sections(content, path)
        if sections & _CONFIG_SECTIONS:
            load_config(path, defer_secrets=True)
        elif sections == {"mappings"}:
            ParsedMappingsFile.read(path, os.environ, defaults=config and config.defaults)
        else:
            yield from _find_prompt_mistakes(content, path, config)
    except BridgeError as error:
        yield from str(error).splitlines()


def _read_sections(content: bytes, path: Path) -> frozenset[str]:
    """The top keys; none where the file cannot be understood, which the parser explains."""
    try:
        value = read_source_document(content, str(path), format_of(str(path))).value
    except PromptFileError:
        return frozenset()
    return frozenset(map(str, value)) if isinstance(value, dict) else frozenset()


def _find_prompt_mistakes(content: bytes, path: Path, config: BridgeConfig | None) -> Iterator[str]:
    """Raises PromptFileError for a file that is no prompt file."""
    file = parse_prompt_file(content, path=str(path), format=format_of(str(path)))
    mappings = config.mappings if config else ()
    allowed = [
        entry
        for mapping in mappings
        if fits_template(mapping.path, path.as_posix())
        for entry in mapping.secrets.allow
    ]
    for secret in find_secrets(file.prompt, allowed):
        yield f"{path}: the file holds what looks like a secret ({secret.kind} in {secret.location})"
