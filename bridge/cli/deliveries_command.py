"""``deliveries``: list and show deliveries, and redeliver one."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.audit_command import find_terminal_user
from bridge.cli.resources import connect_database
from bridge.cli.terminal_tables import create_table, create_table_console
from bridge.config.bridge_config import load_config
from bridge.engine.reconcile_store import ReconcileStore
from bridge.errors import InvalidInputError
from bridge.status.audit_log import AuditAction, AuditLog
from bridge.status.delivery_queries import RequestedReconcile
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox, DeliveryState
from bridge.wiring import get_current_time


def list_deliveries(
    path: Path, *, limit: int, state: DeliveryState | None, prompt: int | str | None, as_json: bool
) -> None:
    with connect_database(load_config(path, defer_secrets=True)) as database:
        inbox = DeliveryInbox(database, get_current_time)
        try:
            found = inbox.list_recent(limit, state=state, prompt=prompt)
        finally:
            inbox.close()
        stuck = ReconcileStore(database, get_current_time).find_stuck(prompt)
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
    console = create_table_console()
    console.print(_table(found) if found else "No deliveries.")
    for one in stuck:
        console.print(
            f"{one.kind}: {one.proposal.branch}: {one.reason}", markup=False, soft_wrap=True
        )


def show_delivery(path: Path, delivery: str, *, as_json: bool) -> None:
    with connect_database(load_config(path, defer_secrets=True)) as database:
        found = _find(database, delivery)
        reconciles = ReconcileStore(database, get_current_time).find_reconciles_of_delivery(
            found.id
        )
    if as_json:
        document = _as_json(found) | {
            "payload": json.loads(found.payload),
            "looks": [_reconcile_as_json(reconcile) for reconcile in reconciles],
        }
        typer.echo(json.dumps(document, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for name, value in _as_json(found).items():
        console.print(f"{name:12} {'-' if value is None else value}", markup=False)
    console.print(json.dumps(json.loads(found.payload), indent=2), markup=False)
    for reconcile in reconciles:
        said = f"{reconcile.kind}: {reconcile.reason}" if reconcile.kind else "waiting"
        address = f" {reconcile.pull_request}" if reconcile.pull_request else ""
        console.print(
            f"{reconcile.proposal.mapping} {reconcile.target.label}: {said}{address}", markup=False
        )


def redeliver(path: Path, delivery: str) -> None:
    with connect_database(load_config(path, defer_secrets=True)) as database:
        found = _find(database, delivery)
        AuditLog(database, get_current_time).record(
            find_terminal_user(),
            AuditAction.REDELIVERED,
            subject=f"delivery {found.id[:12]}",
            link=f"/deliveries/{found.id}",
        )
        inbox = DeliveryInbox(database, get_current_time)
        try:
            inbox.redeliver(found.id)
        finally:
            inbox.close()
    typer.echo(f"{found.id[:12]} is new again; a running bridge takes it up within a second.")


def _find(database: Database, prefix: str) -> Delivery:
    inbox = DeliveryInbox(database, get_current_time)
    try:
        found = inbox.find(prefix)
    finally:
        inbox.close()
    if found is None:
        raise InvalidInputError(
            f"There is no delivery {prefix!r}. See: promptlayer-bridge deliveries list"
        )
    return found


def _table(found: list[Delivery]) -> Table:
    table = create_table("id", "received", "event", "prompt", "label", "state", "outcome")
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


def _reconcile_as_json(reconcile: RequestedReconcile) -> dict[str, object]:
    return {
        "mapping": reconcile.proposal.mapping,
        "branch": reconcile.proposal.branch,
        "label": reconcile.target.label,
        "state": reconcile.kind or "waiting",
        "reason": reconcile.reason,
        "pull_request": reconcile.pull_request,
    }
