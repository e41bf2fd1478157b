"""``plan`` and ``sync``: everything at once, shown or done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
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
from bridge.engine.pruning import (
    PersonsWord,
    UnfollowedTargets,
    count_open_pull_requests,
    describe_unfollowed,
    find_unfollowed,
    with_following,
)
from bridge.engine.sync import Done, synchronise
from bridge.engine.worker import Worker
from bridge.errors import Rejected
from bridge.prompts.occasion import Occasion
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.plan import Plan
from bridge.prompts.publication import Adopt, Side
from bridge.prompts.target import Proposal, Target
from bridge.steps.look import Look
from bridge.steps.reconcile import preview
from bridge.steps.scan import Scan, scan
from bridge.steps.site import Site

OUT_OF_STEP = 2
_AT_ONCE = 8


@dataclass(frozen=True)
class MappingPlan:
    """What ``sync`` would do for one mapping, and what is to be told of it besides."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()  # settings that take nothing in
    not_followed: str | None = None  # what stays as it is, in words


def plan(path: Path, mappings: Sequence[str], *, as_json: bool, diff: bool) -> None:
    config = load(path)
    with opened_worker(config) as worker:
        plans = [_plan_of(worker, site, diff=diff) for site in _chosen(config, worker, mappings)]
    rows = [row for each in plans for row in each.rows]
    warnings = [words for each in plans for words in each.warnings]
    kept = [each.not_followed for each in plans if each.not_followed is not None]
    if as_json:
        out_of_step = [asdict(row) for row in rows]
        document = {"out_of_step": out_of_step, "warnings": warnings, "not_followed": kept}
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(rows, [*kept, *(f"warning: {words}" for words in warnings)], diff=diff)
    if rows:
        raise typer.Exit(OUT_OF_STEP)


def _chosen(config: Config, worker: Worker, mappings: Sequence[str]) -> list[Site]:
    names = [config.mapping(name).name for name in mappings]
    return [worker.sites[name] for name in names or worker.sites]


def _plan_of(worker: Worker, site: Site, *, diff: bool) -> MappingPlan:
    found = scan(site, worker.index)
    name, standings = site.mapping.name, worker.ledger.standings
    unfollowed = find_unfollowed(site.mapping, found, standings.of_mapping(name))
    rows = (*rows_of_scan(site, found), *_looked_at(worker, site, found, unfollowed, diff=diff))
    gaps = tuple(gap.message for gap in found.gaps)
    if not unfollowed.kept:
        return MappingPlan(rows, gaps)
    count = count_open_pull_requests(site, found, unfollowed)
    return MappingPlan(rows, gaps, describe_unfollowed(name, unfollowed, count))


def _looked_at(
    worker: Worker, site: Site, found: Scan, unfollowed: UnfollowedTargets, *, diff: bool
) -> Iterator[Row]:
    asked = (each for each in found.candidates if each.target not in unfollowed)
    grouped = [
        (proposal, tuple(each.target for each in some))
        for proposal, some in groupby(asked, lambda each: each.proposal)
    ]
    standings = worker.ledger.standings

    def look(proposal: Proposal, targets: tuple[Target, ...]) -> tuple[Look, Plan]:
        occasion = Occasion(targets, listed=found.listed)
        known = with_following(occasion, site.mapping, standings, PersonsWord())
        return preview(site, worker.index, proposal, known, worker.clock())

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for found_, planned in pool.map(lambda one: look(*one), grouped):
            yield from rows_of_look(site, found_, planned, diff=diff)


def _show(rows: Sequence[Row], words: Sequence[str], *, diff: bool) -> None:
    console = table_console()
    for line in words:
        console.print(line, markup=False, soft_wrap=True)
    if not rows:
        console.print("Nothing else is out of step." if words else "Everything is in step.")
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
        if one.warning:
            console.print(f"warning: {one.reason}", markup=False)
        elif one.kind is not OutcomeKind.IN_STEP:
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
        if one.warning:
            continue
        counts[one.kind] = counts.get(one.kind, 0) + one.count
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing to do"
