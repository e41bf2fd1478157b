"""A copy from one database to another is whole, or there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

from bridge.engine.ledger import Ask, Ledger
from bridge.errors import ConfigError
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.copying import copied_tables, copy_all
from bridge.storage.database import Database
from bridge.storage.inbox import deliveries
from bridge.storage.members import Members
from tests.integration.clock import Clock
from tests.integration.deliveries import NOON, version_delivery
from tests.standins.postgresql import PostgreSQL

DELIVERIES = 2500  # more than two batches
PROPOSAL, TARGET = Proposal("support", "p/17"), Target("support", 17, "latest")
PARKED = Outcome(OutcomeKind.PARKED, "no such branch")

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


def nobody(table: str, done: int, total: int) -> None:
    pass


def fill(database: Database) -> None:
    """With deliveries, a look that waits and one that came to something."""
    rows = [vars(version_delivery(number)) for number in range(1, DELIVERIES + 1)]
    with database.transaction() as connection:
        connection.execute(deliveries.insert(), [row | {"changed_at": NOON} for row in rows])
    ledger = Ledger(database, Clock())
    ledger.ask([Ask(PROPOSAL, TARGET), Ask(Proposal("support", "p/18"), TARGET)])
    ledger.settle(PROPOSAL, ledger.waiting(PROPOSAL), PARKED)


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables that are copied."""
    with database.reading() as connection:
        return {
            table: sorted(
                (tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")),
                key=repr,
            )
            for table in copied_tables()
        }


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_every_row_arrives_as_it_was(open_: Open, source: str, target: str) -> None:
    old, new = open_(source), open_(target)
    fill(old)
    told: list[tuple[str, int, int]] = []

    counts = copy_all(old, new, lambda *words: told.append(words))

    assert contents(new) == contents(old)
    assert counts["deliveries"] == DELIVERIES
    assert ("deliveries", 2000, DELIVERIES) in told
    assert [waits.branch for waits in Ledger(new, Clock()).waiting_proposals()] == ["p/18"]


def test_a_text_that_postgresql_cannot_hold_is_spelled_out(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    with old.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO pauses VALUES ('a/b', 1, 1, 'nul ' || char(0))")

    copy_all(old, new, nobody)

    assert contents(new)["pauses"] == [("a/b", 1, 1, "nul \\x00")]


def test_every_table_is_copied_but_those_about_processes(open_: Open) -> None:
    with open_("sqlite").reading() as connection:
        made = set(inspect(connection).get_table_names())

    assert made - set(copied_tables()) == {*("schema_version", "members", "turns", "reservations")}


def test_an_interrupted_copy_leaves_the_target_empty(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    fill(old)

    def interrupt(table: str, done: int, total: int) -> None:
        if table == "looks":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_all(old, new, interrupt)

    assert not any(contents(new).values())
    copy_all(old, new, nobody)
    assert contents(new) == contents(old)


def test_a_target_that_holds_something_is_left_alone(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    fill(old)
    Ledger(new, Clock()).ask([Ask(PROPOSAL, TARGET)])
    before = contents(new)

    with pytest.raises(ConfigError, match=r"not empty: there are rows in looks"):
        copy_all(old, new, nobody)

    assert contents(new) == before


@pytest.mark.parametrize("running", ["source", "target"])
def test_nothing_is_copied_while_a_bridge_runs(open_: Open, running: str) -> None:
    ends = {"source": open_("sqlite"), "target": open_("postgresql")}
    fill(ends["source"])
    member = Members(ends[running], "here serve", "rack-1 serve")
    member.join()

    with pytest.raises(ConfigError, match=r"A bridge runs on .*: rack-1 serve\. End it first"):
        copy_all(ends["source"], ends["target"], nobody)
    member.leave()

    assert copy_all(ends["source"], ends["target"], nobody)["deliveries"] == DELIVERIES


def test_a_bridge_that_starts_meanwhile_spoils_the_copy(open_: Open) -> None:
    old, new = open_("sqlite"), open_("postgresql")
    fill(old)
    member = Members(old, "here serve", "rack-1 serve")

    def start(table: str, done: int, total: int) -> None:
        if table == "deliveries" and done == 0:
            member.join()

    with pytest.raises(ConfigError, match="rack-1 serve"):
        copy_all(old, new, start)

    assert not any(contents(new).values())
