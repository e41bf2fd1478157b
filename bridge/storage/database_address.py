"""Parse the address of a database, in SQLAlchemy's form
(https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls)."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, exc, make_url

from bridge.errors import ConfigError


def parse_database_url(url: str) -> URL:
    """Parse an address. Raises ConfigError for text that is none, and for a database that the
    bridge cannot use."""
    try:
        address = make_url(url)
    except exc.ArgumentError:
        # The text may hold a password and cannot be taken apart: do not repeat it.
        raise ConfigError(
            "The database address cannot be read. "
            "Expected something like sqlite:////var/lib/bridge/bridge.sqlite."
        ) from None
    backend = address.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError(f"The bridge keeps its data in sqlite or postgresql, not in {backend}.")
    if backend == "sqlite" and address.database in (None, "", ":memory:"):
        raise ConfigError(
            "The bridge's SQLite database has to be a file: deliveries must outlive the process. "
            "Expected something like sqlite:////var/lib/bridge/bridge.sqlite."
        )
    return address


def render_database_url(address: URL) -> str:
    """The address for messages: without its password, and without the driver, which the bridge
    chooses."""
    return address.set(drivername=address.get_backend_name()).render_as_string(hide_password=True)


def find_sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for a server's address. Raises ConfigError as
    ``parse_database_url`` does."""
    address = parse_database_url(url)
    return Path(address.database or "") if address.get_backend_name() == "sqlite" else None
