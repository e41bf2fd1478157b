"""Tables on the terminal, and where there is none."""

from __future__ import annotations

import os

from rich.console import Console
from rich.table import Table

_ENDLESS = 10_000  # characters of a line


def create_table_console() -> Console:
    """What prints tables. In a pipe, a file or a journal no line is broken: a name or an address
    that were in pieces could be neither found nor copied there."""
    console = Console(highlight=False)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(highlight=False, width=_ENDLESS)


def create_table(*headings: str) -> Table:
    """An empty table that shows all of every cell."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
