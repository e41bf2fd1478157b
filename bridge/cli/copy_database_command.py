"""``copy-database``: copy from SQLite to PostgreSQL, or between any two databases."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rich.console import Console

from bridge.cli.progress_bar import show_progress_bar
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.errors import ConfigError
from bridge.storage.copy_tables import copy_tables
from bridge.storage.database import Database
from bridge.storage.database_address import find_sqlite_file
from bridge.wiring import add_database_driver, build_database_url, find_local_database_path


def copy_database(path: Path, from_: str | None, to: str | None) -> None:
    config = load_config(path, defer_secrets=True)
    source_url, target_url = _ends(config, from_, to)
    with closing(Database(source_url)) as source, closing(Database(target_url)) as target:
        counts = _with_progress(source, target)
        print_ = Console(highlight=False, soft_wrap=True).print
        for table, rows in counts.items():
            if rows:
                print_(f"{rows:>9,}  {table}", markup=False)
        print_(f"Copied {sum(counts.values()):,} rows to {target.name}.", markup=False)
        if target_url != build_database_url(config):
            print_("Name it in bridge.yaml, as `database`, and start the bridge.", markup=False)


def _ends(config: BridgeConfig, from_: str | None, to: str | None) -> tuple[str, str]:
    """The addresses to copy from and to. Without options, from the file in ``data`` to the database
    that bridge.yaml names."""
    if to is None and config.database is None:
        raise ConfigError(
            "Where to? Set `database` in bridge.yaml to the new address, or give --to."
        )
    local = f"sqlite:///{find_local_database_path(config)}"
    source = add_database_driver(from_) if from_ else (build_database_url(config) if to else local)
    target = add_database_driver(to) if to else build_database_url(config)
    if source == target:
        raise ConfigError("That is one and the same database.")
    file = find_sqlite_file(source)
    if file is not None and not file.exists():  # opening it would create an empty one
        raise ConfigError(f"{file} is not there: nothing to copy.")
    return source, target


def _with_progress(source: Database, target: Database) -> dict[str, int]:
    with show_progress_bar("copying") as tell:
        return copy_tables(source, target, tell)
