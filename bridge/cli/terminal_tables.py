"""Print tables to a terminal, a pipe or a file."""

from __future__ import annotations

import os

from rich.console import Console
from rich.table import Table

_ENDLESS = 10_000  # characters of a line


def create_table_console() -> Console:
    """A console for tables. Outside of a terminal no line is broken, so that names and addresses
    can be searched for and copied."""
    console = Console(highlight=False)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(highlight=False, width=_ENDLESS)


def create_table(*headings: str) -> Table:
    """An empty table that shows each cell in full."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
