"""The numbers that metrics are made of, and whether a process is ready, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.errors import RateLimitedError
from bridge.forge.forge import RateLimitStatus
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.status.daily_sums import DailySumStore
from bridge.status.history_events import HistoryEventKind
from bridge.status.lifetime_totals import LifetimeTotals
from bridge.status.metrics_snapshot import BacklogStatistics, read_metrics_snapshot
from bridge.status.tables import history_events_table
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from bridge.storage.instances import InstanceRegistry
from bridge.storage.rate_limits import RateLimitStore
from bridge.storage.readiness import ReadinessCheck
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import version_delivery

ONE, TWO = Proposal("support", "b/one"), Proposal("support", "b/two")


def test_an_empty_bridge_measures_nothing(database: Database, clock: ManualClock) -> None:
    measures = read_metrics_snapshot(database, clock)

    assert (
        measures.undispatched_deliveries,
        measures.lifetime_totals,
        measures.pending_reconciles,
    ) == (BacklogStatistics(), LifetimeTotals(), {})
    assert (measures.proposal_counts, measures.repository_pauses, measures.rate_limits) == (
        {},
        {},
        (),
    )
    assert (measures.target_counts, measures.last_resyncs) == ({}, {})


def test_what_waits_is_counted_with_the_age_of_the_oldest(
    database: Database, clock: ManualClock
) -> None:
    inbox, store = DeliveryInbox(database, clock), ReconcileStore(database, clock)
    inbox.put(version_delivery(1))
    inbox.put(version_delivery(2))
    store.request(
        [
            ReconcileRequest(ONE, Target("support", 1, "latest")),
            ReconcileRequest(TWO, Target("support", 2, "latest")),
        ]
    )
    store.record_outcome(
        TWO,
        store.find_pending(TWO),
        ReconcileOutcome(ReconcileOutcomeKind.PARKED, "no right to push"),
    )
    oldest = inbox.list_recent(2)[1].received_at
    clock.advance(90)

    measures = read_metrics_snapshot(database, clock)

    inbox.close()
    version = "prompt_template_version_created"
    assert measures.lifetime_totals.deliveries == {("promptlayer", version, DeliveryState.NEW): 2}
    assert measures.undispatched_deliveries.count == 2
    assert measures.undispatched_deliveries.oldest_seconds == (clock() - oldest).total_seconds()
    assert measures.pending_reconciles == {"support": BacklogStatistics(1, 90.0)}
    assert measures.proposal_counts == {("support", ReconcileOutcomeKind.PARKED): 1}


def test_a_pause_that_is_over_is_none(database: Database, clock: ManualClock) -> None:
    backoff = RepositoryBackoff(database, clock)
    backoff.pause_repository("hub:a/b", "down", 30)
    backoff.pause_repository("hub:a/c", "down", 90)
    clock.advance(60)

    assert read_metrics_snapshot(database, clock).repository_pauses == {"hub:a/c": 30.0}


def test_a_process_that_beats_is_a_member_until_it_leaves(
    database: Database, clock: ManualClock
) -> None:
    one, two = InstanceRegistry(database, "1", "one"), InstanceRegistry(database, "2", "two")
    one.register()
    two.register()
    both = read_metrics_snapshot(database, clock).instance_count
    two.unregister()

    assert (both, read_metrics_snapshot(database, clock).instance_count) == (2, 1)


def budget(remaining: int, clock: ManualClock) -> RateLimitStatus:
    return RateLimitStatus(5000, remaining, clock() + timedelta(minutes=10))


def test_a_forges_budget_is_noted_but_not_at_each_answer(
    database: Database, clock: ManualClock
) -> None:
    rate_limits = RateLimitStore(database, clock)

    rate_limits.record("hub", budget(4000, clock))
    rate_limits.record("hub", budget(3999, clock))
    rate_limits.record("lab", budget(77, clock))
    (hub, lab) = read_metrics_snapshot(database, clock).rate_limits
    clock.advance(11)
    rate_limits.record("hub", budget(3500, clock))

    assert (hub.forge, hub.rate_limit.remaining, lab.forge) == ("hub", 4000, "lab")
    assert rate_limits.list_all()[0].rate_limit.remaining == 3500


def test_a_budget_that_runs_out_is_noted_more_often_and_is_scarce_until_it_resets(
    database: Database, clock: ManualClock
) -> None:
    rate_limits = RateLimitStore(database, clock)
    rate_limits.record("hub", budget(300, clock))
    rate_limits.require_spare("hub")  # there is plenty
    clock.advance(2)
    rate_limits.record("hub", budget(200, clock))

    with pytest.raises(RateLimitedError, match="only 200 more requests") as told:
        rate_limits.require_spare("hub")
    assert told.value.retry_after == 600.0
    rate_limits.require_spare("lab")
    clock.advance(601)
    rate_limits.require_spare("hub")


def test_a_budget_that_cannot_be_noted_stops_nobody(database: Database, clock: ManualClock) -> None:
    with database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE budgets RENAME TO elsewhere")

    RateLimitStore(database, clock).record("hub", budget(1, clock))


def test_a_bridge_with_a_database_and_room_is_ready(database: Database, tmp_path: Path) -> None:
    assert ReadinessCheck(database, tmp_path, floor=1).find_problems() == {}


def test_a_full_disk_is_told_in_megabytes(database: Database, tmp_path: Path) -> None:
    problems = ReadinessCheck(database, tmp_path, floor=2**70).find_problems()

    assert problems.keys() == {"disk"}
    assert "MiB are free" in problems["disk"]


def test_a_folder_that_is_not_there_is_no_place_to_work(database: Database, tmp_path: Path) -> None:
    problems = ReadinessCheck(database, tmp_path / "gone", floor=1).find_problems()

    assert problems == {"disk": "the data folder cannot be written"}


def test_a_database_that_cannot_be_written_is_told_without_its_address(
    database: Database, tmp_path: Path
) -> None:
    with database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE schema_version RENAME TO elsewhere")

    problems = ReadinessCheck(database, tmp_path, floor=1).find_problems()

    assert problems == {"database": "it cannot be written, or does not answer"}


def test_past_days_are_read_from_their_sums_and_the_rest_is_counted(
    database: Database, clock: ManualClock
) -> None:
    inbox, daily_sums = DeliveryInbox(database, clock), DailySumStore(database)
    inbox.put(version_delivery(1))
    clock.advance(10 * 86400)
    daily_sums.sum_up_past_days(clock())
    with database.open_transaction() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    inbox.put(replace(version_delivery(2), received_at=clock()))
    inbox.close()

    received = read_metrics_snapshot(database, clock).lifetime_totals.deliveries

    version = "prompt_template_version_created"
    assert received == {("promptlayer", version, DeliveryState.NEW): 2}


def test_types_that_nobody_documents_are_one(database: Database, clock: ManualClock) -> None:
    inbox = DeliveryInbox(database, clock)
    for number in range(3):
        strange = replace(version_delivery(number + 1), event_type=f"invented_{number}")
        inbox.put(replace(strange, received_at=clock()))
    inbox.put(replace(version_delivery(9), event_type="forge:hub:pushed", source="forge:hub"))
    inbox.close()

    received = read_metrics_snapshot(database, clock).lifetime_totals.deliveries

    assert {type_: count for (_, type_, _), count in received.items()} == {
        "other": 3,
        "forge:hub:pushed": 1,
    }


def test_a_pull_request_is_counted_once_with_the_time_it_took(
    database: Database, clock: ManualClock
) -> None:
    told = {"mapping": "support", "prompt_id": 1, "text": "", "at": clock(), "number": 7}
    opened = [
        told | {"id": id, "kind": HistoryEventKind.PULL_REQUEST_OPENED, "seconds": 4.0}
        for id in (1, 2)
    ]
    published = told | {"id": 3, "kind": HistoryEventKind.PUBLISHED, "seconds": None}
    with database.open_transaction() as connection:
        connection.execute(insert(history_events_table), [*opened, published])

    totals = read_metrics_snapshot(database, clock).lifetime_totals

    assert (totals.opened_pull_requests, totals.published_versions) == (
        {"support": 1},
        {"support": 1},
    )
    assert list(totals.seconds_to_pull_request["support"].values()) == [1]
