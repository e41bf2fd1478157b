"""Errors that nobody expected: written down, shown, counted and tried again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.books.measures import measure
from bridge.books.problems import ProblemKind, Problems
from bridge.engine import dispatch
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.errand_run import ErrandRun
from bridge.engine.errands import Errand
from bridge.engine.failures import MOST_ATTEMPTS
from bridge.engine.resync import ResyncRunner
from bridge.forge.webhooks import Pushed
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.state import State
from bridge.storage.database import Database
from bridge.storage.forge_delivery import delivery_of
from bridge.storage.inbox import DeliveryState
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_choosing import edited_on_both_sides
from tests.integration.lifecycle.test_leaving_out import entry
from tests.integration.lifecycle.test_publishing import PUBLISH
from tests.integration.lifecycle.world import MakeWorld, TurnedClock, World


class Broken:
    """Stands where a platform or a mirror should, and knows nothing of what is asked of it."""

    base_url = "http://nowhere"


def break_platform(world: World) -> None:
    site = world.worker.sites["support"]
    world.worker.sites = {"support": replace(site, platform=Broken())}  # type: ignore[arg-type]


def mend_platform(world: World) -> None:
    site = world.worker.sites["support"]
    world.worker.sites = {"support": replace(site, platform=world.platform)}


def problems(world: World) -> list[tuple[str, str]]:
    return [(str(one.kind), one.subject) for one in world.ledger.problems.open("support")]


def test_a_sweep_that_stumbles_is_written_down_and_tried_again(world: World) -> None:
    world.save("Hello.")
    world.post.lose()
    break_platform(world)

    pauses = [
        ResyncRunner(world.worker).resync("support", lambda _: None) for _ in range(MOST_ATTEMPTS)
    ]

    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] is None
    assert problems(world) == [("unexpected error", "sweep")]
    (problem,) = world.ledger.problems.open("support")
    assert "AttributeError at bridge/steps/scan.py:" in problem.message
    counted = measure(world.database, world.clock)
    assert counted.problems == {("support", "unexpected error"): 1}
    assert counted.exceptions == {"support": MOST_ATTEMPTS}

    mend_platform(world)
    world.sweep()

    assert problems(world) == []
    assert measure(world.database, world.clock).exceptions == {"support": MOST_ATTEMPTS}


def test_a_look_that_stumbles_is_tried_again_and_parked_in_the_end(world: World) -> None:
    world.save("Hello.")
    world.deliver()
    break_platform(world)

    (first,) = world.look()
    assert first is not None
    assert world.standing().kind is OutcomeKind.WAITING
    assert "A mistake in the bridge (AttributeError" in world.standing().reason
    assert problems(world) == [("unexpected error", f"look at {world.branch()}")]

    for _ in range(MOST_ATTEMPTS):
        world.clock.turn(600)
        world.look()
    assert world.standing().kind is OutcomeKind.PARKED

    mend_platform(world)
    world.sweep()
    assert problems(world) == []
    assert world.proposed() == "Hello."


def test_a_delivery_that_cannot_be_read_keeps_no_other_from_its_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.save("Bad.", "bad")
    world.save("Good.", "good")
    read = dispatch.asks_of

    def asks_of(delivery: object, sites: object) -> object:
        if getattr(delivery, "prompt_id", None) == bad:
            raise KeyError("a secret that nobody may see")
        return read(delivery, sites)  # type: ignore[arg-type]

    monkeypatch.setattr("bridge.engine.dispatcher.asks_of", asks_of)
    world.settle()

    assert [pull.title for pull in world.place.open()] == ["Add good (version 1)"]
    (stuck,) = world.worker.inbox.recent(10, prompt=bad)
    assert stuck.state is DeliveryState.NEW
    assert "A mistake in the bridge (KeyError" in (stuck.outcome or "")
    assert "secret" not in (stuck.outcome or "")
    (problem,) = world.ledger.problems.open("")
    assert problem.subject.startswith("dispatch ")

    monkeypatch.undo()
    world.clock.turn(600)
    world.settle()
    assert len(world.place.open()) == 2
    assert world.ledger.problems.open("") == []


def test_the_delivery_of_an_errand_is_done_when_the_errand_is(world: World) -> None:
    world.save("Hello.")
    world.adopt()
    event = Pushed("acme/support-bot", "main", world.place.head("main"), world.place.head("main"))
    world.worker.inbox.put(delivery_of("local", "f" * 64, event, world.clock()))
    site = world.worker.sites["support"]
    world.worker.sites = {"support": replace(site, mirror=Broken())}  # type: ignore[arg-type]
    tried: list[tuple[Errand, str, float | None]] = []

    def run(errand: Errand, occasion: str) -> None:
        again = ErrandRun(world.worker, errand, occasion).run(lambda _: None)
        tried.append((errand, occasion, again))

    Dispatcher(world.worker).dispatch_deliveries(lambda _: None, run)

    ((errand, occasion, pause),) = tried
    assert pause == 2.0
    (waiting,) = world.worker.inbox.recent(1)
    assert waiting.state is DeliveryState.DISPATCHED
    assert "waits: A mistake in the bridge (AttributeError" in (waiting.outcome or "")
    assert problems(world) == [("unexpected error", "follow")]

    world.worker.sites = {"support": site}
    run(errand, occasion)

    (done,) = world.worker.inbox.recent(1)
    assert (done.state, done.outcome) == (DeliveryState.DONE, "followed")
    assert problems(world) == []


def test_an_errand_of_a_mapping_that_is_gone_is_told(world: World) -> None:
    event = Pushed("acme/support-bot", "main", None, world.place.head("main"))
    world.worker.inbox.put(delivery_of("local", "e" * 64, event, world.clock()))
    sent: list[tuple[Errand, str]] = []
    Dispatcher(world.worker).dispatch_deliveries(lambda _: None, lambda *told: sent.append(told))
    world.worker.sites = {}

    ((errand, occasion),) = sent
    assert ErrandRun(world.worker, errand, occasion).run(lambda _: None) is None
    ErrandRun(world.worker, errand, occasion).abandon()

    (gone,) = world.worker.inbox.recent(1)
    assert gone.state is DeliveryState.PARKED
    assert gone.outcome == "There is no mapping support any more."


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_new_file_with_a_mistake_is_a_problem_until_it_is_mended(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Hello.")
    world.adopt()
    path = "prompts/latest/support/new.yaml"
    world.place.commit({path: b"kind: prompt/v1\nname: support/new\nlabel: latest\nmesages: []\n"})

    world.sweep()

    (problem,) = world.ledger.problems.open("support")
    assert (problem.kind, problem.subject) == (ProblemKind.FILE, path)
    assert "mesages" in problem.message
    assert measure(world.database, world.clock).problems == {("support", "mistake in a file"): 1}

    before = world.place.head("main")
    world.place.commit({path: None})
    event = Pushed("acme/support-bot", "main", before, world.place.head("main"))
    world.worker.inbox.put(delivery_of("local", "d" * 64, event, world.clock()))
    if world.worker.sites["support"].mapping.forge == "local":
        world.settle()
    world.sweep()
    assert problems(world) == []


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_conflict_has_a_title_a_label_and_a_state_of_its_own(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    edited_on_both_sides(world)

    world.settle()

    opened = world.pull_request()
    assert opened.title == "Conflict: support/reply (version 2)"
    assert "conflict" in opened.labels
    assert entry(world, 1).state is State.CONFLICT

    world.place.close(opened.number)
    world.sweep()

    assert world.place.open() == []
    assert entry(world, 1).state is State.PERSON


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Problems]:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    yield Problems(database, TurnedClock())
    database.close()


def test_a_problem_lasts_until_it_is_not_found_any_more(known: Problems) -> None:
    known.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:1: x", "b.yaml": "b.yaml:2: y"})
    since = {one.subject: one.since for one in known.open()}
    known.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:1: x"}, among=["a.yaml"])
    assert {one.subject: one.since for one in known.open()} == since

    known.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:9: z"})

    (left,) = known.open("support")
    assert (left.message, left.since) == ("a.yaml:9: z", since["a.yaml"])
    assert known.open("sales") == []
