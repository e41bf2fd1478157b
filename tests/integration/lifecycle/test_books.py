"""The books say at any time how a prompt stands, and how it came to that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import count

import pytest

from bridge.books.entry import Entry
from bridge.books.moments import Moment, MomentKind
from bridge.books.overview import Overview
from bridge.engine.actions import Actions
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.resync import ResyncRunner
from bridge.errors import Rejected
from bridge.forge.base import PullRequest
from bridge.forge.webhooks import PullRequestAction, PullRequestChanged
from bridge.prompts.state import State
from bridge.prompts.target import Target
from bridge.steps.scan import scan
from bridge.storage.forge_delivery import delivery_of
from bridge.storage.inbox import DeliveryState
from bridge.storage.person_delivery import SOURCE
from tests.integration.lifecycle.test_publishing import PUBLISH, edited
from tests.integration.lifecycle.world import JANE, NAME, PATH, MakeWorld, World

SEEN = [MomentKind.SAVED, MomentKind.ARRIVED, MomentKind.LOOKED]
REPLY = Target("support", 1, "latest")
_numbers = count(1)


def overview(world: World) -> Overview:
    return Overview(world.database, world.clock)


def entry(world: World, prompt_id: int = 1) -> Entry:
    (only,) = overview(world).prompt(prompt_id)
    return only.entry


def way(world: World, prompt_id: int = 1) -> list[Moment]:
    """What happened to a prompt, the first step first."""
    steps = overview(world).timeline("support", prompt_id).rows
    return [step.moment for step in reversed(steps)]


def kinds(moments: Sequence[Moment]) -> list[MomentKind]:
    return [moment.kind for moment in moments]


def actions(world: World) -> Actions:
    return Actions(world.database, world.worker.inbox, world.clock)


def merged_told(world: World, pull: PullRequest) -> None:
    """The forge's webhook about a merge arrives; nobody has looked yet."""
    told = PullRequestChanged(
        *("acme/support-bot", pull.number, PullRequestAction.MERGED, pull.head, pull.base),
        *(pull.head_commit, False, "jane"),
    )
    id = f"{next(_numbers):064x}"
    world.worker.inbox.put(delivery_of("local", id, told, world.clock()))


# How it stands


def test_a_prompt_waits_then_has_a_pull_request_then_is_in_step(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    world.deliver()
    Dispatcher(world.worker).dispatch_deliveries(lambda _: None, lambda *_: None)
    waits = entry(world)
    world.settle()
    pull = world.pull_request()
    proposed = entry(world)
    world.place.merge(pull)
    world.sweep()

    assert (waits.state, waits.name) == (State.WAITING, NAME)
    assert (proposed.state, proposed.number) == (State.OPEN, pull.number)
    assert (proposed.pull_request, proposed.pull_request_state) == (pull.url, "open")
    assert (proposed.path, proposed.version) == (PATH, 1)
    done = entry(world)
    assert (done.state, done.pull_request_state) == (State.IN_STEP, "merged")


def test_a_state_that_a_look_finds_again_lasts_on(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    since = entry(world).since
    world.clock.turn(3600)

    world.sweep()

    assert (entry(world).state, entry(world).since) == (State.OPEN, since)


def test_a_prompt_saved_after_an_older_listing_stays_in_the_books(world: World) -> None:
    older = scan(world.worker.sites["support"], world.worker.index)
    world.clock.turn(30)
    world.save("Answer kindly.")
    world.adopt()
    world.sweep()
    world.clock.turn(1)

    ResyncRunner(world.worker).record_scan(
        world.worker.sites["support"], older, world.clock(), timedelta(minutes=1)
    )

    assert entry(world).state is State.IN_STEP


def test_what_a_person_closed_is_declined(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    world.place.close(world.pull_request().number)

    world.sweep()

    assert (entry(world).state, entry(world).pull_request_state) == (State.DECLINED, "closed")
    assert kinds(way(world))[-2:] == [MomentKind.CLOSED, MomentKind.LOOKED]


def test_what_only_the_repository_changed_needs_a_person(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")

    world.sweep()

    assert entry(world).state is State.PERSON
    assert kinds(way(world)) == [MomentKind.LOOKED, MomentKind.PERSON]


def test_a_prompt_that_holds_a_secret_is_parked_with_the_reason(world: World) -> None:
    world.save("Use ghp_16C7e42F292c6912E7710c838347Ae178B4a.")

    world.settle()

    parked = entry(world)
    assert parked.state is State.PARKED
    assert "secret" in parked.reason
    assert kinds(way(world)) == [*SEEN, MomentKind.PARKED]


def test_while_a_forge_does_not_answer_the_reason_says_so(world: World) -> None:
    world.save("Answer kindly.")
    world.deliver()
    Dispatcher(world.worker).dispatch_deliveries(lambda _: None, lambda *_: None)
    (proposal,) = world.worker.unfinished()

    world.ledger.postpone(proposal, "The forge does not answer.", None)

    assert (entry(world).state, entry(world).reason) == (
        State.WAITING,
        "The forge does not answer.",
    )


def test_a_sweep_writes_down_what_is_in_step_and_forgets_what_is_gone(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.sweep()
    (known,) = overview(world).prompt(1)

    world.registry.delete(1)
    world.place.commit({PATH: None})
    world.post.lose()
    world.sweep()

    assert (known.entry.state, known.entry.name, known.entry.path) == (State.IN_STEP, NAME, PATH)
    assert overview(world).prompt(1) == ()


def test_a_sweep_that_finds_all_as_it_was_says_when_it_looked(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.sweep()
    (before,) = overview(world).prompt(1)
    world.clock.turn(3600)

    world.sweep()

    (after,) = overview(world).prompt(1)
    assert after.entry == before.entry
    assert after.seen_at > before.seen_at


def test_of_a_rolling_proposal_each_prompt_stands_as_it_is_itself(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"group": "mapping"}})
    world.save("Answer kindly.")
    world.adopt()
    world.save("Say thanks.", "support/thank")
    world.save("Answer kindly.")  # the same again
    world.settle()

    assert entry(world, 1).state is State.IN_STEP
    assert entry(world, 2).state is State.OPEN


def test_a_renamed_prompt_is_found_by_its_new_name_only(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    world.registry.rename(1, "support/answer")
    world.settle()

    assert entry(world).name == "support/answer"
    assert MomentKind.RENAMED in kinds(way(world))


# How it came to that


def test_the_way_of_a_prompt_is_told_step_by_step(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    world.settle()
    pull = world.pull_request()
    world.place.merge(pull)
    world.sweep()

    told = way(world)
    assert kinds(told) == [*SEEN, MomentKind.OPENED, MomentKind.MERGED, MomentKind.LOOKED]
    saved, opened = told[0], told[3]
    assert (saved.who, saved.version) == ("Jane Doe", 1)
    assert (opened.number, opened.url, opened.version) == (pull.number, pull.url, 1)
    assert opened.seconds is not None


def test_a_merge_is_told_once_and_at_the_time_the_forge_told_it(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    pull = world.pull_request()
    world.place.merge(pull)
    merged_told(world, pull)
    told_at = world.clock()
    world.clock.turn(60)
    world.settle()
    world.sweep()

    (merged,) = (moment for moment in way(world) if moment.kind is MomentKind.MERGED)
    assert abs((merged.at - told_at).total_seconds()) < 1


def test_the_same_events_again_tell_nothing_twice(world: World) -> None:
    world.save("Answer kindly.")
    payloads = world.post.take()
    world.deliver(payloads)
    world.settle()
    before = [each for each in kinds(way(world)) if each is not MomentKind.LOOKED]
    (delivery,) = world.worker.inbox.recent(5)

    assert actions(world).redeliver([delivery.id]) == 1
    world.settle()

    assert [each for each in kinds(way(world)) if each is not MomentKind.LOOKED] == before


def test_a_merged_edit_is_published_and_told_with_its_version(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    world.sweep()
    world.settle()

    (published,) = (moment for moment in way(world) if moment.kind is MomentKind.PUBLISHED)
    assert published.version == 2
    assert entry(world).state is State.IN_STEP


def test_a_label_that_a_merge_moved_is_told(make_world: MakeWorld) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    world.save("Answer kindly.")
    world.settle()
    world.place.merge(world.pull_request())
    world.sweep()

    (moved,) = (moment for moment in way(world) if moment.kind is MomentKind.MOVED)
    assert moved.text == "label prod is on version 1"


def test_a_pull_request_knows_what_it_carries_and_what_made_it(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    world.save("Answer briefly.")
    world.settle()
    number = world.pull_request().number

    shown = overview(world).pull_request("support", number)

    assert shown is not None
    assert [one.entry.target for one in shown.targets] == [REPLY]
    assert shown.state == "open"
    told = kinds([step.moment for step in shown.steps])
    assert (told.count(MomentKind.OPENED), told.count(MomentKind.UPDATED)) == (1, 1)
    assert len(shown.deliveries) == 2
    assert overview(world).pull_request("support", number + 1) is None


# Looking again


def test_a_person_may_have_a_prompt_looked_at_again(world: World) -> None:
    world.save("Use ghp_16C7e42F292c6912E7710c838347Ae178B4a.")
    world.settle()
    world.save("Answer kindly.")
    world.post.lose()

    assert actions(world).unpark(by="jane") == 1
    world.settle()

    assert entry(world).state is State.OPEN
    asked = world.worker.inbox.recent(1)[0]
    assert (asked.source, asked.state, asked.prompt_name) == (SOURCE, DeliveryState.DONE, NAME)
    assert json.loads(asked.payload)["asked_by"] == "jane"


def test_a_prompt_in_step_may_be_looked_at_again(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.sweep()
    world.save("Answer briefly.")
    world.post.lose()

    assert actions(world).look_again([REPLY], by="jane") == 1
    world.settle()

    assert entry(world).state is State.OPEN


def test_a_prompt_that_nobody_follows_is_not_looked_at(world: World) -> None:
    with pytest.raises(Rejected, match="does not follow"):
        actions(world).look_again([REPLY], by="jane")
