"""Deliveries, shown and looked at again."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.opening import opened_database
from bridge.cli.tables import table_console, table_of
from bridge.config.whole import load
from bridge.engine.ledger import Ledger, SettledLook
from bridge.errors import Rejected
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryState, Inbox
from bridge.wiring import now


def list_(
    path: Path, *, limit: int, state: DeliveryState | None, prompt: int | str | None, as_json: bool
) -> None:
    with opened_database(load(path)) as database:
        inbox = Inbox(database, now)
        try:
            found = inbox.recent(limit, state=state, prompt=prompt)
        finally:
            inbox.close()
        stuck = Ledger(database, now).stuck(prompt)
    if as_json:
        standing = [
            {
                "mapping": one.proposal.mapping,
                "branch": one.proposal.branch,
                "state": one.kind,
                "reason": one.reason,
            }
            for one in stuck
        ]
        listed = [_as_json(delivery) for delivery in found]
        typer.echo(json.dumps({"deliveries": listed, "stuck": standing}, indent=2))
        return
    console = table_console()
    console.print(_table(found) if found else "No deliveries.")
    for one in stuck:
        console.print(
            f"{one.kind}: {one.proposal.branch}: {one.reason}", markup=False, soft_wrap=True
        )


def show(path: Path, delivery: str, *, as_json: bool) -> None:
    with opened_database(load(path)) as database:
        found = _find(database, delivery)
        looks = Ledger(database, now).looks_of(found.id)
    if as_json:
        told = _as_json(found) | {
            "payload": json.loads(found.payload),
            "looks": [_look_as_json(look) for look in looks],
        }
        typer.echo(json.dumps(told, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for name, value in _as_json(found).items():
        console.print(f"{name:12} {'-' if value is None else value}", markup=False)
    console.print(json.dumps(json.loads(found.payload), indent=2), markup=False)
    for look in looks:
        said = f"{look.kind}: {look.reason}" if look.kind else "waiting"
        address = f" {look.pull_request}" if look.pull_request else ""
        console.print(f"{look.proposal.mapping} {look.target.label}: {said}{address}", markup=False)


def redeliver(path: Path, delivery: str) -> None:
    with opened_database(load(path)) as database:
        found = _find(database, delivery)
        inbox = Inbox(database, now)
        try:
            inbox.redeliver(found.id)
        finally:
            inbox.close()
    typer.echo(f"{found.id[:12]} is new again; a running bridge takes it up within a second.")


def _find(database: Database, prefix: str) -> Delivery:
    inbox = Inbox(database, now)
    try:
        found = inbox.find(prefix)
    finally:
        inbox.close()
    if found is None:
        raise Rejected(f"There is no delivery {prefix!r}. See: promptlayer-bridge deliveries list")
    return found


def _table(found: list[Delivery]) -> Table:
    table = table_of("id", "received", "event", "prompt", "label", "state", "outcome")
    for one in found:
        received = f"{one.received_at:%Y-%m-%d %H:%M:%S}"
        event = one.event_type.removeprefix("prompt_template_")
        cells = (one.id[:12], received, event, one.prompt_name, one.label, one.state, one.outcome)
        table.add_row(*(Text(cell or "") for cell in cells))
    return table


def _as_json(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "event": delivery.event_type,
        "prompt": delivery.prompt_name,
        "prompt_id": delivery.prompt_id,
        "label": delivery.label,
        "occurred_at": delivery.occurred_at.isoformat(),
        "received_at": delivery.received_at.isoformat(),
        "seen": delivery.seen,
        "state": delivery.state,
        "outcome": delivery.outcome,
    }


def _look_as_json(look: SettledLook) -> dict[str, object]:
    return {
        "mapping": look.proposal.mapping,
        "branch": look.proposal.branch,
        "label": look.target.label,
        "state": look.kind or "waiting",
        "reason": look.reason,
        "pull_request": look.pull_request,
    }
