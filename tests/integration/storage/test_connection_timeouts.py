"""A PostgreSQL that keeps silent: the bridge does not wait for it as long as libpq would."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import make_url

from bridge.errors import UnavailableError
from bridge.storage.connection_timeouts import add_timeouts, add_timeouts_to_address
from bridge.storage.database import Database
from tests.standins.serve_app import listening

LONG = 60.0  # seconds; libpq by itself waits for more than twice as long


def test_a_database_that_takes_a_connection_and_says_nothing_is_unavailable() -> None:
    told: list[UnavailableError] = []

    def ask(port: int) -> None:
        with pytest.raises(UnavailableError) as refusal:
            Database(f"postgresql+psycopg://bridge:planted@127.0.0.1:{port}/bridge")
        told.append(refusal.value)

    with listening() as silent:  # the kernel takes connections in, and nobody accepts them
        asking = threading.Thread(target=ask, args=(silent.getsockname()[1],), daemon=True)
        asking.start()
        asking.join(LONG)

    (refusal,) = told
    assert "did not do its work (connection timeout expired)" in str(refusal)
    assert "planted" not in str(refusal)


def test_an_address_that_says_how_patient_to_be_is_heeded() -> None:
    asked = make_url("postgresql+psycopg://bridge@db/bridge?connect_timeout=30&sslmode=require")

    query = add_timeouts(asked).query

    assert (query["connect_timeout"], query["sslmode"]) == ("30", "require")
    assert {"keepalives_idle", "tcp_user_timeout"} <= query.keys()


def test_an_address_keeps_its_password_and_sqlite_has_nothing_to_wait_for() -> None:
    assert (
        make_url(add_timeouts_to_address("postgresql+psycopg://a:p%40ss@db/x")).password == "p@ss"
    )
    assert add_timeouts_to_address("sqlite:////var/lib/x.sqlite") == "sqlite:////var/lib/x.sqlite"
