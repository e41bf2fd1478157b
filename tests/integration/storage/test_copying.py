"""A copy from one database to another is whole, or there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.errors import ConfigError
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.copy_tables import copy_tables, list_copied_tables
from bridge.storage.database import Database
from bridge.storage.inbox import deliveries_table
from bridge.storage.instances import InstanceRegistry
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import NOON, version_delivery
from tests.standins.postgresql import PostgreSQL

DELIVERIES = 2500  # more than two batches
PROPOSAL, TARGET = Proposal("support", "p/17"), Target("support", 17, "latest")
PARKED = ReconcileOutcome(ReconcileOutcomeKind.PARKED, "no such branch")

Open = Callable[[str], Database]


@pytest.fixture
def open_(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Open]:
    """Open a new database of a kind."""
    with ExitStack() as stack:

        def opened(kind: str) -> Database:
            local = f"sqlite:///{tmp_path}/{len(list(tmp_path.iterdir()))}.sqlite"
            url = local if kind == "sqlite" else postgresql.new_schema()
            return stack.enter_context(closing(Database(url)))

        yield opened


def nobody(table: str, done: int, total: int | None) -> None:
    pass


def fill(database: Database) -> None:
    """With deliveries, a look that waits and one that came to something."""
    rows = [vars(version_delivery(number)) for number in range(1, DELIVERIES + 1)]
    with database.open_transaction() as connection:
        connection.execute(deliveries_table.insert(), [row | {"changed_at": NOON} for row in rows])
    store = ReconcileStore(database, ManualClock())
    store.request(
        [ReconcileRequest(PROPOSAL, TARGET), ReconcileRequest(Proposal("support", "p/18"), TARGET)]
    )
    store.record_outcome(PROPOSAL, store.find_pending(PROPOSAL), PARKED)


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables that are copied."""
    with database.open_read_transaction() as connection:
        return {
            table: sorted(
                (tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")),
                key=repr,
            )
            for table in list_copied_tables()
        }


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_every_row_arrives_as_it_was(open_: Open, source: str, target: str) -> None:
    old, new = open_(source), open_(target)
    fill(old)
    told: list[tuple[str, int, int]] = []

    counts = copy_tables(old, new, lambda *words: told.append(words))

    assert contents(new) == contents(old)
    assert counts["deliveries"] == DELIVERIES
    assert ("deliveries", 2000, DELIVERIES) in told
    assert [
        waits.branch for waits in ReconcileStore(new, ManualClock()).find_pending_proposals()
    ] == ["p/18"]


def test_a_text_that_postgresql_cannot_hold_is_spelled_out(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    with old.open_transaction() as connection:
        connection.exec_driver_sql("INSERT INTO pauses VALUES ('a/b', 1, 1, 'nul ' || char(0))")

    copy_tables(old, new, nobody)

    assert contents(new)["pauses"] == [("a/b", 1, 1, "nul \\x00")]


def test_every_table_is_copied_but_those_about_processes(open_: Open) -> None:
    with open_("sqlite").open_read_transaction() as connection:
        made = set(inspect(connection).get_table_names())

    assert made - set(list_copied_tables()) == {
        *("schema_version", "members", "turns", "reservations")
    }


def test_an_interrupted_copy_leaves_the_target_empty(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    fill(old)

    def interrupt(table: str, done: int, total: int | None) -> None:
        if table == "looks":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_tables(old, new, interrupt)

    assert not any(contents(new).values())
    copy_tables(old, new, nobody)
    assert contents(new) == contents(old)


def test_a_target_that_holds_something_is_left_alone(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    fill(old)
    ReconcileStore(new, ManualClock()).request([ReconcileRequest(PROPOSAL, TARGET)])
    before = contents(new)

    with pytest.raises(ConfigError, match=r"not empty: there are rows in looks"):
        copy_tables(old, new, nobody)

    assert contents(new) == before


@pytest.mark.parametrize("running", ["source", "target"])
def test_nothing_is_copied_while_a_bridge_runs(open_: Open, running: str) -> None:
    ends = {"source": open_("sqlite"), "target": open_("postgresql")}
    fill(ends["source"])
    member = InstanceRegistry(ends[running], "here serve", "rack-1 serve")
    member.register()

    with pytest.raises(ConfigError, match=r"A bridge runs on .*: rack-1 serve\. End it first"):
        copy_tables(ends["source"], ends["target"], nobody)
    member.unregister()

    assert copy_tables(ends["source"], ends["target"], nobody)["deliveries"] == DELIVERIES


def test_a_bridge_that_starts_meanwhile_spoils_the_copy(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    fill(old)
    member = InstanceRegistry(old, "here serve", "rack-1 serve")

    def start(table: str, done: int, total: int | None) -> None:
        if table == "deliveries" and done == 0:
            member.register()

    with pytest.raises(ConfigError, match="rack-1 serve"):
        copy_tables(old, new, start)

    assert not any(contents(new).values())
