"""``plan`` and ``sync``: everything at once, shown or done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from bridge.cli.drift import Row, rows_of_look, rows_of_scan
from bridge.cli.opening import opened_worker
from bridge.cli.progress import progress_bar
from bridge.cli.publishing import CONFLICT, require_trusted
from bridge.cli.tables import table_console, table_of
from bridge.config.whole import Config, load
from bridge.engine.sync import Done, synchronise
from bridge.engine.worker import Worker
from bridge.errors import Rejected
from bridge.prompts.occasion import Occasion
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.publication import Adopt, Side
from bridge.steps.reconcile import preview
from bridge.steps.scan import scan
from bridge.steps.site import Site

OUT_OF_STEP = 2
_AT_ONCE = 8


def plan(path: Path, mappings: Sequence[str], *, as_json: bool, diff: bool) -> None:
    config = load(path)
    with opened_worker(config) as worker:
        sites = _chosen(config, worker, mappings)
        rows = [row for site in sites for row in _rows(worker, site, diff=diff)]
    if as_json:
        typer.echo(json.dumps({"out_of_step": [asdict(row) for row in rows]}, indent=2))
    else:
        _show(rows, diff=diff)
    if rows:
        raise typer.Exit(OUT_OF_STEP)


def _chosen(config: Config, worker: Worker, mappings: Sequence[str]) -> list[Site]:
    names = [config.mapping(name).name for name in mappings]
    return [worker.sites[name] for name in names or worker.sites]


def _rows(worker: Worker, site: Site, *, diff: bool) -> Iterator[Row]:
    found = scan(site, worker.index)
    yield from rows_of_scan(site, found)
    grouped = [
        (proposal, tuple(each.target for each in some))
        for proposal, some in groupby(found.candidates, lambda each: each.proposal)
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looks = pool.map(
            lambda one: preview(
                site, worker.index, one[0], Occasion(one[1], listed=found.listed), worker.clock()
            ),
            grouped,
        )
        for look, planned in looks:
            yield from rows_of_look(site, look, planned, diff=diff)


def _show(rows: Sequence[Row], *, diff: bool) -> None:
    console = table_console()
    if not rows:
        console.print("Everything is in step.")
        return
    table = table_of("mapping", "prompt", "label", "standing", "sync would")
    for row in rows:
        table.add_row(
            *(Text(cell) for cell in (row.mapping, row.prompt, row.label, row.standing, row.action))
        )
    console.print(table)
    for row in rows if diff else ():
        if console.is_terminal:
            console.print(Syntax(row.diff, "diff", background_color="default", word_wrap=True))
        else:
            typer.echo(row.diff)  # for a person's eyes it is coloured and wrapped


def sync(path: Path, mappings: Sequence[str], adopt: Adopt | None = None) -> None:
    config = load(path)
    if adopt is not None and adopt.side is Side.REPOSITORY:
        _require_publish(config, mappings)
    console = Console(highlight=False, soft_wrap=True)
    with opened_worker(config) as worker:
        names = [site.mapping.name for site in _chosen(config, worker, mappings)]
        done = _with_progress(worker, names, adopt)
    for one in done:
        if one.kind is not OutcomeKind.IN_STEP:
            address = f" {one.pull_request}" if one.pull_request else ""
            console.print(f"{one.kind}: {one.what}: {one.reason}{address}", markup=False)
    console.print(_summary(done), markup=False)
    kinds = {one.kind for one in done}
    if OutcomeKind.CONFLICT in kinds:
        raise typer.Exit(CONFLICT)
    if kinds & {OutcomeKind.PARKED, OutcomeKind.WAITING, OutcomeKind.REPOSITORY_AHEAD}:
        raise typer.Exit(1)


def _require_publish(config: Config, mappings: Sequence[str]) -> None:
    """Raise Rejected where the repository's text may not go to PromptLayer at all."""
    for mapping in [config.mapping(name) for name in mappings] or config.mappings:
        if not mapping.publish:
            raise Rejected(
                f"Mapping {mapping.name} does not write to PromptLayer: set `publish: true`, or"
                " name the mappings that do."
            )
    require_trusted(os.environ)


def _with_progress(worker: Worker, names: Iterable[str], adopt: Adopt | None) -> list[Done]:
    with progress_bar("comparing") as tell:
        return synchronise(worker, list(names), tell, adopt)


def _summary(done: Sequence[Done]) -> str:
    counts: dict[str, int] = {}
    for one in done:
        counts[one.kind] = counts.get(one.kind, 0) + one.count
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing to do"
