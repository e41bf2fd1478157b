"""``import --history``: every version of each prompt, as one commit each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from bridge.cli.opening import opened_worker
from bridge.cli.progress import progress_bar
from bridge.config.whole import load
from bridge.engine.worker import Worker
from bridge.errors import Rejected
from bridge.steps.history import Imported, import_history
from bridge.steps.site import Site


def import_(path: Path, mappings: Sequence[str], *, history: bool) -> None:
    if not history:
        raise Rejected(
            "import brings every version along and wants to be asked for it: import --history."
            " What is newest comes with `promptlayer-bridge sync`."
        )
    config = load(path)
    names = [config.mapping(name).name for name in mappings]
    with opened_worker(config) as worker:
        sites = [worker.sites[name] for name in names or worker.sites]
        found = {site.mapping.name: _with_progress(worker, site) for site in sites}
    console = Console(highlight=False, soft_wrap=True)
    for name, imported in found.items():
        for prompt, reason in imported.refusals:
            console.print(f"left out: {prompt}: {reason}", markup=False)
        console.print(_words(name, imported), markup=False)
    if any(imported.refusals for imported in found.values()):
        raise typer.Exit(1)


def _with_progress(worker: Worker, site: Site) -> Imported:
    with progress_bar(site.mapping.name) as tell:
        return import_history(site, worker.index, tell, worker.room.take)


def _words(mapping: str, imported: Imported) -> str:
    if imported.pull_request is None:
        return f"{mapping}: the repository has every prompt already."
    return (
        f"{mapping}: {imported.versions} versions of {imported.prompts} prompts:"
        f" {imported.pull_request.url}"
    )
