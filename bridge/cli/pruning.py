"""``prune``: let go what a mapping follows no longer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from bridge.cli.opening import opened_worker
from bridge.cli.progress import progress_bar
from bridge.cli.tables import table_console, table_of
from bridge.config.whole import load
from bridge.engine.pruning import UnfollowedTargets, find_unfollowed
from bridge.engine.sync import Done, prune_targets
from bridge.engine.worker import Worker
from bridge.errors import Rejected
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.target import Target
from bridge.steps.scan import Scan, scan
from bridge.steps.site import Site


@dataclass(frozen=True)
class PrunedTarget:
    """One target that goes, and what becomes of it."""

    target: Target
    name: str
    path: str | None
    reason: str
    action: str
    pull_request: str | None


def prune(path: Path, mapping: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    config = load(path)
    name = config.mapping(mapping).name
    with opened_worker(config) as worker:
        site = worker.sites[name]
        found = scan(site, worker.index)
        entries = worker.ledger.standings.of_mapping(name)
        unfollowed = find_unfollowed(site.mapping, found, entries)
        going = list(_going(worker, site, found, unfollowed))
        done: list[Done] = []
        if not as_json:
            _show(name, going)
        if going and not dry_run and (yes or _is_meant(as_json)):
            with progress_bar("pruning") as tell:
                done = prune_targets(worker, name, found, unfollowed, tell)
    if as_json:
        typer.echo(json.dumps(_document(name, going, done), indent=2))
    else:
        _show_done(done)
    if any(one.kind in (OutcomeKind.PARKED, OutcomeKind.WAITING) for one in done):
        raise typer.Exit(1)


def _is_meant(as_json: bool) -> bool:
    """Whether the person says so when asked; raises Rejected where nobody can be."""
    if as_json or not typer.get_text_stream("stdin").isatty():
        raise Rejected("Say --yes to prune, or --dry-run to see only what would go.")
    return typer.confirm("Let all of this go?")


def _going(
    worker: Worker, site: Site, found: Scan, unfollowed: UnfollowedTargets
) -> list[PrunedTarget]:
    entries = worker.ledger.standings.of_mapping(site.mapping.name)
    branches = {each.target: each.proposal.branch for each in found.candidates}
    pulls = {}
    if unfollowed.kept:
        pulls = {pull.head: pull for pull in site.forge.open_pull_requests(site.branches)}
    going = []
    for target, reason in sorted(unfollowed.kept.items()):
        entry, one = entries.get(target), found.unlisted.get(target)
        branch = branches.get(target) or (entry.branch if entry else "")
        pull = pulls.get(branch)
        path = one.path if one else found.untracked.get(target)
        name = (one.name if one else "") or (entry.name if entry else "") or str(target.prompt_id)
        action = (
            "propose to remove the file" if path else "nothing (only its decision is forgotten)"
        )
        if pull is not None and not path:
            action = "withdraw the pull request"
        elif pull is not None:
            action = "make the pull request propose to remove the file"
        url = pull.url if pull else None
        going.append(PrunedTarget(target, name, path, reason, action, url))
    return going


def _show(mapping: str, going: list[PrunedTarget]) -> None:
    console = table_console()
    if not going:
        console.print(f"Nothing is left of what mapping {mapping} follows no longer.", markup=False)
        return
    table = table_of("prompt", "label", "file", "prune would", "pull request", "because")
    for one in going:
        cells = (one.name, one.target.label, one.path or "", one.action)
        table.add_row(*(Text(cell) for cell in (*cells, one.pull_request or "", one.reason)))
    console.print(table)


def _show_done(done: list[Done]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in done:
        address = f" {one.pull_request}" if one.pull_request else ""
        console.print(f"{one.kind}: {one.what}: {one.reason}{address}", markup=False)


def _document(mapping: str, going: list[PrunedTarget], done: list[Done]) -> dict[str, object]:
    return {
        "mapping": mapping,
        "prune": [
            {
                "prompt": one.name,
                "prompt_id": one.target.prompt_id,
                "label": one.target.label,
                "path": one.path,
                "action": one.action,
                "pull_request": one.pull_request,
                "reason": one.reason,
            }
            for one in going
        ],
        "done": [
            {
                "what": one.what,
                "outcome": str(one.kind),
                "reason": one.reason,
                "pull_request": one.pull_request,
            }
            for one in done
        ],
    }
