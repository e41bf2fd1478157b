"""``audit``: list the actions of people."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path

import typer
from rich.text import Text

from bridge.cli.resources import connect_database
from bridge.cli.terminal_tables import create_table, create_table_console
from bridge.config.bridge_config import load_config
from bridge.errors import InvalidInputError
from bridge.status.audit_log import AuditAction, AuditActor, AuditChannel, AuditEntry
from bridge.status.status_reader import StatusReader
from bridge.wiring import get_current_time


def list_audit_entries(
    path: Path, *, limit: int, action: AuditAction | None, as_json: bool
) -> None:
    with connect_database(load_config(path)) as database:
        reader = StatusReader(database, get_current_time)
        page = reader.list_audit_entries(action, limit=limit)
    if as_json:
        typer.echo(json.dumps({"entries": [_as_json(entry) for entry in page]}, indent=2))
        return
    table = create_table("when", "who", "by", "action", "subject", "mapping")
    for entry in page:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        who = (entry.actor.name, entry.actor.channel)
        cells = (at, *who, entry.action, entry.subject, entry.mapping)
        table.add_row(*(Text(cell) for cell in cells))
    create_table_console().print(table if page.rows else "No action is recorded yet.")


def parse_action(text: str | None) -> AuditAction | None:
    """The action of this name. Raises InvalidInputError where there is none."""
    if text is None:
        return None
    if text not in tuple(AuditAction):
        known = ", ".join(AuditAction)
        raise InvalidInputError(f"There is no action {text!r}. The actions are: {known}.")
    return AuditAction(text)


def find_terminal_user() -> AuditActor:
    """The user of the operating system who runs the command; its number where it has no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"user {os.getuid()}"
    return AuditActor(name, AuditChannel.COMMAND_LINE)


def _as_json(entry: AuditEntry) -> dict[str, str]:
    return {
        "at": entry.at.isoformat(),
        "who": entry.actor.name,
        "by": entry.actor.channel,
        "action": entry.action,
        "subject": entry.subject,
        "mapping": entry.mapping,
    }
