"""``import --history``: propose every version of each prompt, as one commit each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from bridge.cli.paused_mapping import reject_paused_mapping
from bridge.cli.progress_bar import show_progress_bar
from bridge.cli.resources import open_controller
from bridge.config.bridge_config import load_config
from bridge.engine.controller import BridgeController
from bridge.errors import InvalidInputError
from bridge.reconcile.import_history import HistoryImportResult, import_history
from bridge.reconcile.mapping_context import MappingContext


def import_(path: Path, mappings: Sequence[str], *, history: bool) -> None:
    if not history:
        raise InvalidInputError(
            "import brings every version along and wants to be asked for it: import --history."
            " What is newest comes with `promptlayer-bridge sync`."
        )
    config = load_config(path, defer_secrets=True)
    names = [config.find_mapping(name).name for name in mappings]
    for each in [config.find_mapping(name) for name in names] or config.mappings:
        reject_paused_mapping(each)
    with open_controller(config) as controller:
        contexts = [controller.contexts[name] for name in names or controller.contexts]
        found = {context.mapping.name: _with_progress(controller, context) for context in contexts}
    console = Console(highlight=False, soft_wrap=True)
    for name, imported in found.items():
        for prompt, reason in imported.refusals:
            console.print(f"left out: {prompt}: {reason}", markup=False)
        console.print(_words(name, imported), markup=False)
    if any(imported.refusals for imported in found.values()):
        raise typer.Exit(1)


def _with_progress(controller: BridgeController, context: MappingContext) -> HistoryImportResult:
    with show_progress_bar(context.mapping.name) as tell:
        return import_history(context, controller.file_index, tell, controller.quota.acquire)


def _words(mapping: str, imported: HistoryImportResult) -> str:
    if imported.pull_request is None:
        return f"{mapping}: the repository has every prompt already."
    return (
        f"{mapping}: {imported.versions} versions of {imported.prompts} prompts:"
        f" {imported.pull_request.url}"
    )
