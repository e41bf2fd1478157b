"""``served``, ``export`` and ``get``: what a running bridge serves to applications."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import typer

from bridge.cli.release_client import TOKEN_VARIABLE, ReleaseClient
from bridge.config.setting_types import parse_duration
from bridge.errors import InvalidInputError
from bridge.prompts.prompt import Json

_NOT_SERVED = 2  # the exit status


def wait_until_served(url: str, commit: str, wait: str) -> None:
    """Exit with 2 where the commit is not served in time."""
    with _connect(url) as client:
        reason = client.wait_for_commit(commit, _parse_wait(wait))
    if reason is not None:
        typer.echo(reason, err=True)
        raise typer.Exit(_NOT_SERVED)
    typer.echo(f"{commit} is served.")


def export(url: str, label: str | None, out: Path | None) -> None:
    """Write everything that is served at a label, into a file or to standard output."""
    with _connect(url) as client:
        served = client.list_prompts(label)
    text = f"{json.dumps(served, indent=2, ensure_ascii=False)}\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    _write_whole(out, text)
    typer.echo(f"{len(served['prompts'])} prompts at {served['label']}, in {out}")


def show_prompt(url: str, name: str, label: str | None, *, as_json: bool) -> None:
    with _connect(url) as client:
        served = client.read_prompt(name, label)
    if as_json:
        typer.echo(json.dumps(served, indent=2, ensure_ascii=False))
        return
    typer.echo(
        f"{served['name']} at {served['label']}: version {served['version']} since"
        f" {served['served_since']}\n{served['path']} at {served['commit']}"
    )
    if served["warning"]:
        typer.echo(f"warning: {served['warning']}")
    for text in _list_texts(served["prompt"].get("prompt_template") or {}):
        typer.echo(f"\n{text}")


def _connect(url: str) -> ReleaseClient:
    return ReleaseClient(url, os.environ.get(TOKEN_VARIABLE, ""))


def _parse_wait(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInputError(f"--wait {text}: {error}") from None


def _write_whole(file: Path, text: str) -> None:
    """The old file stays until the new one is complete."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", errors="surrogatepass")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InvalidInputError(f"{file} cannot be written: {error.strerror}") from None


def _list_texts(template: Json) -> Iterator[str]:
    for message in template.get("messages") or [template]:
        parts = message.get("content") or []
        text = "".join(part.get("text") or f"[{part.get('type')}]" for part in parts)
        yield f"{message.get('role', template.get('type'))}: {text}"
