"""The progress bar of long commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.engine.sync_mappings import SyncInterruptedError
from bridge.progress import ProgressCallback

_EXIT_INTERRUPTED = 130  # 128 and the number of SIGINT


@contextmanager
def show_progress_bar(what: str, total: int | None = None) -> Iterator[ProgressCallback]:
    """Show a bar on standard error while the block runs, moved by the yielded callback. Nothing is
    shown where standard error is no terminal. Exits with 130, and the message, for a sync that a
    person stopped."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task(what, total=total)

        def tell(what: str, done: int, total: int | None) -> None:
            progress.update(task, description=what, completed=done, total=total)

        try:
            yield tell
        except SyncInterruptedError as error:
            progress.stop()
            console.print(str(error), markup=False, soft_wrap=True)
            raise typer.Exit(_EXIT_INTERRUPTED) from None
