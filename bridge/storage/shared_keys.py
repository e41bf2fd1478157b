"""Random keys that the bridge generates, shared by all processes of one database."""

from __future__ import annotations

import secrets

from sqlalchemy import Column, String, Table, select

from bridge.storage.database import Database, metadata

_BYTES = 32

keys_table = Table(
    "keys",
    metadata,
    Column("name", String, primary_key=True),
    Column("key", String, nullable=False),
)


def get_or_create_key(database: Database, name: str) -> str:
    """The random key of that name (hex), created by the first call; the same for all processes.

    Raises UnavailableError when the database does not answer.
    """
    query = select(keys_table.c.key).where(keys_table.c.name == name)
    with database.open_transaction() as connection:
        made = database.build_insert(keys_table).values(name=name, key=secrets.token_hex(_BYTES))
        connection.execute(made.on_conflict_do_nothing())
        return str(connection.execute(query).scalar_one())
