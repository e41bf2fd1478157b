"""Errors that nobody expected: written down, shown, counted and tried again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.engine import dispatch_events
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.failures import MOST_ATTEMPTS
from bridge.engine.repository_job_runner import RepositoryJobRunner
from bridge.engine.repository_jobs import RepositoryJob
from bridge.engine.resync import ResyncRunner
from bridge.errors import UnavailableError
from bridge.forge.forge_webhooks import PushEvent
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.target_state import TargetState
from bridge.status.metrics_snapshot import read_metrics_snapshot
from bridge.status.problems import ProblemKind, ProblemRecords
from bridge.storage.database import Database
from bridge.storage.forge_delivery import build_forge_delivery
from bridge.storage.inbox import DeliveryState
from tests.integration.lifecycle.bridge_environment import (
    AdvancingClock,
    BridgeEnvironment,
    MakeWorld,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_choosing import edited_on_both_sides
from tests.integration.lifecycle.test_leaving_out import entry
from tests.integration.lifecycle.test_publishing import PUBLISH


class Broken:
    """Stands where a platform or a mirror should, and knows nothing of what is asked of it."""

    base_url = "http://nowhere"


def break_platform(environment: BridgeEnvironment) -> None:
    context = environment.controller.contexts["support"]
    environment.controller.contexts = {"support": replace(context, promptlayer=Broken())}  # type: ignore[arg-type]


def mend_platform(environment: BridgeEnvironment) -> None:
    context = environment.controller.contexts["support"]
    environment.controller.contexts = {
        "support": replace(context, promptlayer=environment.promptlayer)
    }


def problems(environment: BridgeEnvironment) -> list[tuple[str, str]]:
    return [(str(one.kind), one.subject) for one in environment.store.problems.list_open("support")]


def test_a_sweep_that_stumbles_is_written_down_and_tried_again(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Hello.")
    environment.post.lose()
    break_platform(environment)

    pauses = [
        ResyncRunner(environment.controller).resync("support", lambda _: None)
        for _ in range(MOST_ATTEMPTS)
    ]

    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] is None
    assert problems(environment) == [("unexpected error", "sweep")]
    (problem,) = environment.store.problems.list_open("support")
    assert "AttributeError at bridge/reconcile/scan_mapping.py:" in problem.message
    counted = read_metrics_snapshot(environment.database, environment.clock)
    assert counted.problems == {("support", "unexpected error"): 1}
    assert counted.exceptions == {"support": MOST_ATTEMPTS}

    mend_platform(environment)
    environment.sweep()

    assert problems(environment) == []
    assert read_metrics_snapshot(environment.database, environment.clock).exceptions == {
        "support": MOST_ATTEMPTS
    }


def test_a_look_that_stumbles_is_tried_again_and_parked_in_the_end(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Hello.")
    environment.deliver()
    break_platform(environment)

    (first,) = environment.look()
    assert first is not None
    assert environment.standing().kind is ReconcileOutcomeKind.WAITING
    assert "A mistake in the bridge (AttributeError" in environment.standing().reason
    assert problems(environment) == [("unexpected error", f"look at {environment.branch()}")]

    for _ in range(MOST_ATTEMPTS):
        environment.clock.advance(600)
        environment.look()
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED

    mend_platform(environment)
    environment.sweep()
    assert problems(environment) == []
    assert environment.proposed() == "Hello."


def test_a_delivery_that_cannot_be_read_keeps_no_other_from_its_look(
    environment: BridgeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = environment.save("Bad.", "bad")
    environment.save("Good.", "good")
    read = dispatch_events.build_reconcile_requests

    def asks_of(delivery: object, event: object, contexts: object) -> object:
        if getattr(delivery, "prompt_id", None) == bad:
            raise KeyError("a secret that nobody may see")
        return read(delivery, event, contexts)  # type: ignore[arg-type]

    monkeypatch.setattr("bridge.engine.dispatcher.build_reconcile_requests", asks_of)
    environment.settle()

    assert [pull.title for pull in environment.repository.open()] == ["Add good (version 1)"]
    (stuck,) = environment.controller.inbox.list_recent(10, prompt=bad)
    assert stuck.state is DeliveryState.NEW
    assert "A mistake in the bridge (KeyError" in (stuck.outcome or "")
    assert "secret" not in (stuck.outcome or "")
    (problem,) = environment.store.problems.list_open("")
    assert problem.subject.startswith("dispatch ")

    monkeypatch.undo()
    environment.clock.advance(600)
    environment.settle()
    assert len(environment.repository.open()) == 2
    assert environment.store.problems.list_open("") == []


def test_a_delivery_that_a_former_process_could_not_read_is_told_no_longer(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Good.", "good")
    environment.deliver()
    (delivery,) = environment.controller.inbox.list_recent(1)
    environment.store.problems.record_exception("", f"dispatch {delivery.id[:12]}", "A mistake.")

    environment.settle()

    assert environment.store.problems.list_open("") == []


def test_a_database_that_does_not_answer_is_no_fault_of_the_delivery(
    environment: BridgeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.save("Good.", "good")

    def fail(*_: object) -> object:
        raise UnavailableError("The database is locked.")

    monkeypatch.setattr("bridge.engine.dispatcher.build_reconcile_requests", fail)
    with pytest.raises(UnavailableError):
        environment.settle()
    assert environment.store.problems.list_open("") == []

    monkeypatch.undo()
    environment.settle()
    assert len(environment.repository.open()) == 1


def test_the_delivery_of_an_errand_is_done_when_the_errand_is(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Hello.")
    environment.adopt()
    event = PushEvent(
        "acme/support-bot",
        "main",
        environment.repository.head("main"),
        environment.repository.head("main"),
    )
    environment.controller.inbox.put(
        build_forge_delivery("local", "f" * 64, event, environment.clock())
    )
    context = environment.controller.contexts["support"]
    environment.controller.contexts = {"support": replace(context, mirror=Broken())}  # type: ignore[arg-type]
    tried: list[tuple[RepositoryJob, str, float | None]] = []

    def run(job: RepositoryJob, occasion: str) -> None:
        again = RepositoryJobRunner(environment.controller, job, occasion).run(lambda _: None)
        tried.append((job, occasion, again))

    Dispatcher(environment.controller).dispatch_deliveries(lambda _: None, run)

    ((errand, occasion, pause),) = tried
    assert pause == 2.0
    (waiting,) = environment.controller.inbox.list_recent(1)
    assert waiting.state is DeliveryState.DISPATCHED
    assert "waits: A mistake in the bridge (AttributeError" in (waiting.outcome or "")
    assert problems(environment) == [("unexpected error", "follow")]

    environment.controller.contexts = {"support": context}
    run(errand, occasion)

    (done,) = environment.controller.inbox.list_recent(1)
    assert (done.state, done.outcome) == (DeliveryState.DONE, "followed")
    assert problems(environment) == []


def test_an_errand_of_a_mapping_that_is_gone_is_told(environment: BridgeEnvironment) -> None:
    event = PushEvent("acme/support-bot", "main", None, environment.repository.head("main"))
    environment.controller.inbox.put(
        build_forge_delivery("local", "e" * 64, event, environment.clock())
    )
    sent: list[tuple[RepositoryJob, str]] = []
    Dispatcher(environment.controller).dispatch_deliveries(
        lambda _: None, lambda *told: sent.append(told)
    )
    environment.controller.contexts = {}

    ((job, occasion),) = sent
    assert RepositoryJobRunner(environment.controller, job, occasion).run(lambda _: None) is None
    RepositoryJobRunner(environment.controller, job, occasion).cancel()

    (gone,) = environment.controller.inbox.list_recent(1)
    assert gone.state is DeliveryState.PARKED
    assert gone.outcome == "There is no mapping support any more."


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_new_file_with_a_mistake_is_a_problem_until_it_is_mended(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Hello.")
    environment.adopt()
    path = "prompts/latest/support/new.yaml"
    environment.repository.commit(
        {path: b"kind: prompt/v1\nname: support/new\nlabel: latest\nmesages: []\n"}
    )

    environment.sweep()

    (problem,) = environment.store.problems.list_open("support")
    assert (problem.kind, problem.subject) == (ProblemKind.FILE, path)
    assert "mesages" in problem.message
    assert read_metrics_snapshot(environment.database, environment.clock).problems == {
        ("support", "mistake in a file"): 1
    }

    before = environment.repository.head("main")
    environment.repository.commit({path: None})
    event = PushEvent("acme/support-bot", "main", before, environment.repository.head("main"))
    environment.controller.inbox.put(
        build_forge_delivery("local", "d" * 64, event, environment.clock())
    )
    if environment.controller.contexts["support"].mapping.forge_name == "local":
        environment.settle()
    environment.sweep()
    assert problems(environment) == []


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_conflict_has_a_title_a_label_and_a_state_of_its_own(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)

    environment.settle()

    opened = environment.pull_request()
    assert opened.title == "Conflict: support/reply (version 2)"
    assert "conflict" in opened.labels
    assert entry(environment, 1).state is TargetState.CONFLICT

    environment.repository.close(opened.number)
    environment.sweep()

    assert environment.repository.open() == []
    assert entry(environment, 1).state is TargetState.PERSON


@pytest.fixture
def known(tmp_path: Path) -> Iterator[ProblemRecords]:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    yield ProblemRecords(database, AdvancingClock())
    database.close()


def test_a_problem_lasts_until_it_is_not_found_any_more(known: ProblemRecords) -> None:
    known.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:1: x", "b.yaml": "b.yaml:2: y"})
    since = {one.subject: one.since for one in known.list_open()}
    known.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:1: x"}, among=["a.yaml"])
    assert {one.subject: one.since for one in known.list_open()} == since

    known.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:9: z"})

    (left,) = known.list_open("support")
    assert (left.message, left.since) == ("a.yaml:9: z", since["a.yaml"])
    assert known.list_open("sales") == []
