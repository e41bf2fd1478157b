"""The numbers that metrics are made of, and whether a process is ready, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from bridge.books.measures import Waiting, measure
from bridge.books.moments import MomentKind
from bridge.books.sums import Sums
from bridge.books.tables import moments
from bridge.books.totals import Totals
from bridge.engine.ledger import Ask, Ledger
from bridge.errors import RateLimited
from bridge.forge.base import Budget
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.budgets import Budgets
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryState, Inbox
from bridge.storage.members import Members
from bridge.storage.readiness import Readiness
from bridge.storage.restraint import Restraint
from tests.integration.clock import Clock
from tests.integration.deliveries import version_delivery

ONE, TWO = Proposal("support", "b/one"), Proposal("support", "b/two")


def test_an_empty_bridge_measures_nothing(database: Database, clock: Clock) -> None:
    measures = measure(database, clock)

    assert (measures.undispatched, measures.totals, measures.looks) == (Waiting(), Totals(), {})
    assert (measures.proposals, measures.pauses, measures.budgets) == ({}, {}, ())
    assert (measures.standings, measures.sweeps) == ({}, {})


def test_what_waits_is_counted_with_the_age_of_the_oldest(database: Database, clock: Clock) -> None:
    inbox, ledger = Inbox(database, clock), Ledger(database, clock)
    inbox.put(version_delivery(1))
    inbox.put(version_delivery(2))
    ledger.ask([Ask(ONE, Target("support", 1, "latest")), Ask(TWO, Target("support", 2, "latest"))])
    ledger.settle(TWO, ledger.waiting(TWO), Outcome(OutcomeKind.PARKED, "no right to push"))
    oldest = inbox.recent(2)[1].received_at
    clock.turn(90)

    measures = measure(database, clock)

    inbox.close()
    version = "prompt_template_version_created"
    assert measures.totals.deliveries == {("promptlayer", version, DeliveryState.NEW): 2}
    assert measures.undispatched.count == 2
    assert measures.undispatched.oldest == (clock() - oldest).total_seconds()
    assert measures.looks == {"support": Waiting(1, 90.0)}
    assert measures.proposals == {("support", OutcomeKind.PARKED): 1}


def test_a_pause_that_is_over_is_none(database: Database, clock: Clock) -> None:
    restraint = Restraint(database, clock)
    restraint.pause_repository("hub:a/b", "down", 30)
    restraint.pause_repository("hub:a/c", "down", 90)
    clock.turn(60)

    assert measure(database, clock).pauses == {"hub:a/c": 30.0}


def test_a_process_that_beats_is_a_member_until_it_leaves(database: Database, clock: Clock) -> None:
    one, two = Members(database, "1", "one"), Members(database, "2", "two")
    one.join()
    two.join()
    both = measure(database, clock).members
    two.leave()

    assert (both, measure(database, clock).members) == (2, 1)


def budget(remaining: int, clock: Clock) -> Budget:
    return Budget(5000, remaining, clock() + timedelta(minutes=10))


def test_a_forges_budget_is_noted_but_not_at_each_answer(database: Database, clock: Clock) -> None:
    budgets = Budgets(database, clock)

    budgets.note("hub", budget(4000, clock))
    budgets.note("hub", budget(3999, clock))
    budgets.note("lab", budget(77, clock))
    (hub, lab) = measure(database, clock).budgets
    clock.turn(11)
    budgets.note("hub", budget(3500, clock))

    assert (hub.forge, hub.budget.remaining, lab.forge) == ("hub", 4000, "lab")
    assert budgets.all()[0].budget.remaining == 3500


def test_a_budget_that_runs_out_is_noted_more_often_and_is_scarce_until_it_resets(
    database: Database, clock: Clock
) -> None:
    budgets = Budgets(database, clock)
    budgets.note("hub", budget(300, clock))
    budgets.spare("hub")  # there is plenty
    clock.turn(2)
    budgets.note("hub", budget(200, clock))

    with pytest.raises(RateLimited, match="only 200 more requests") as told:
        budgets.spare("hub")
    assert told.value.retry_after == 600.0
    budgets.spare("lab")
    clock.turn(601)
    budgets.spare("hub")


def test_a_budget_that_cannot_be_noted_stops_nobody(database: Database, clock: Clock) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE budgets RENAME TO elsewhere")

    Budgets(database, clock).note("hub", budget(1, clock))


def test_a_bridge_with_a_database_and_room_is_ready(database: Database, tmp_path: Path) -> None:
    assert Readiness(database, tmp_path, floor=1).problems() == {}


def test_a_full_disk_is_told_in_megabytes(database: Database, tmp_path: Path) -> None:
    problems = Readiness(database, tmp_path, floor=2**70).problems()

    assert problems.keys() == {"disk"}
    assert "MiB are free" in problems["disk"]


def test_a_folder_that_is_not_there_is_no_place_to_work(database: Database, tmp_path: Path) -> None:
    problems = Readiness(database, tmp_path / "gone", floor=1).problems()

    assert problems == {"disk": "the data folder cannot be written"}


def test_a_database_that_cannot_be_written_is_told_without_its_address(
    database: Database, tmp_path: Path
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE schema_version RENAME TO elsewhere")

    problems = Readiness(database, tmp_path, floor=1).problems()

    assert problems == {"database": "it cannot be written, or does not answer"}


def test_past_days_are_read_from_their_sums_and_the_rest_is_counted(
    database: Database, clock: Clock
) -> None:
    inbox, sums = Inbox(database, clock), Sums(database)
    inbox.put(version_delivery(1))
    clock.turn(10 * 86400)
    sums.sum_up(clock())
    with database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    inbox.put(replace(version_delivery(2), received_at=clock()))
    inbox.close()

    received = measure(database, clock).totals.deliveries

    version = "prompt_template_version_created"
    assert received == {("promptlayer", version, DeliveryState.NEW): 2}


def test_types_that_nobody_documents_are_one(database: Database, clock: Clock) -> None:
    inbox = Inbox(database, clock)
    for number in range(3):
        strange = replace(version_delivery(number + 1), event_type=f"invented_{number}")
        inbox.put(replace(strange, received_at=clock()))
    inbox.put(replace(version_delivery(9), event_type="forge:hub:pushed", source="forge:hub"))
    inbox.close()

    received = measure(database, clock).totals.deliveries

    assert {type_: count for (_, type_, _), count in received.items()} == {
        "other": 3,
        "forge:hub:pushed": 1,
    }


def test_a_pull_request_is_counted_once_with_the_time_it_took(
    database: Database, clock: Clock
) -> None:
    told = {"mapping": "support", "prompt_id": 1, "text": "", "at": clock(), "number": 7}
    opened = [told | {"id": id, "kind": MomentKind.OPENED, "seconds": 4.0} for id in (1, 2)]
    published = told | {"id": 3, "kind": MomentKind.PUBLISHED, "seconds": None}
    with database.transaction() as connection:
        connection.execute(insert(moments), [*opened, published])

    totals = measure(database, clock).totals

    assert (totals.opened, totals.published) == ({"support": 1}, {"support": 1})
    assert list(totals.waits["support"].values()) == [1]
