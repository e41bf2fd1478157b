"""Keys that all processes of a database share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bridge.storage.database import Database
from bridge.storage.shared_keys import get_or_create_key


def test_all_who_ask_at_once_get_one_key(same_database: list[Database]) -> None:
    with ThreadPoolExecutor(len(same_database)) as threads:
        keys = list(
            threads.map(lambda database: get_or_create_key(database, "sessions"), same_database)
        )

    assert len(set(keys)) == 1
    assert len(bytes.fromhex(keys[0])) == 32


def test_each_name_has_a_key_of_its_own(database: Database) -> None:
    assert get_or_create_key(database, "one") != get_or_create_key(database, "another")
