"""The books say at any time how a prompt stands, and how it came to that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import count

import pytest

from bridge.engine.dispatcher import Dispatcher
from bridge.engine.operator_actions import OperatorActions
from bridge.engine.resync import ResyncRunner
from bridge.errors import InvalidInputError
from bridge.forge.forge import PullRequest
from bridge.forge.forge_webhooks import PullRequestAction, PullRequestEvent
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.reconcile.scan_mapping import scan_mapping
from bridge.status.history_events import HistoryEvent, HistoryEventKind
from bridge.status.status_reader import StatusReader
from bridge.status.target_status import TargetStatus
from bridge.storage.forge_delivery import build_forge_delivery
from bridge.storage.inbox import DeliveryState
from bridge.storage.operator_delivery import SOURCE
from tests.integration.lifecycle.bridge_environment import (
    JANE,
    NAME,
    PATH,
    BridgeEnvironment,
    MakeWorld,
)
from tests.integration.lifecycle.test_publishing import PUBLISH, edited

SEEN = [
    HistoryEventKind.VERSION_SAVED,
    HistoryEventKind.EVENT_RECEIVED,
    HistoryEventKind.RECONCILED,
]
REPLY = Target("support", 1, "latest")
_numbers = count(1)


def overview(environment: BridgeEnvironment) -> StatusReader:
    return StatusReader(environment.database, environment.clock)


def entry(environment: BridgeEnvironment, prompt_id: int = 1) -> TargetStatus:
    (only,) = overview(environment).find_targets_of_prompt(prompt_id)
    return only.status


def way(environment: BridgeEnvironment, prompt_id: int = 1) -> list[HistoryEvent]:
    """What happened to a prompt, the first step first."""
    steps = overview(environment).list_timeline("support", prompt_id).rows
    return [step.event for step in reversed(steps)]


def kinds(moments: Sequence[HistoryEvent]) -> list[HistoryEventKind]:
    return [event.kind for event in moments]


def actions(environment: BridgeEnvironment) -> OperatorActions:
    return OperatorActions(environment.database, environment.controller.inbox, environment.clock)


def merged_told(environment: BridgeEnvironment, pull: PullRequest) -> None:
    """The forge's webhook about a merge arrives; nobody has looked yet."""
    told = PullRequestEvent(
        *(
            "acme/support-bot",
            pull.number,
            PullRequestAction.MERGED,
            pull.head_branch,
            pull.base_branch,
        ),
        *(pull.head_commit, False, "jane"),
    )
    id = f"{next(_numbers):064x}"
    environment.controller.inbox.put(build_forge_delivery("local", id, told, environment.clock()))


# How it stands


def test_a_prompt_waits_then_has_a_pull_request_then_is_in_step(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.", by=JANE)
    environment.deliver()
    Dispatcher(environment.controller).dispatch_deliveries(lambda _: None, lambda *_: None)
    waits = entry(environment)
    environment.settle()
    pull = environment.pull_request()
    proposed = entry(environment)
    environment.repository.merge(pull)
    environment.sweep()

    assert (waits.state, waits.name) == (TargetState.WAITING, NAME)
    assert (proposed.state, proposed.number) == (TargetState.OPEN, pull.number)
    assert (proposed.pull_request, proposed.pull_request_state) == (pull.url, "open")
    assert (proposed.path, proposed.version) == (PATH, 1)
    done = entry(environment)
    assert (done.state, done.pull_request_state) == (TargetState.IN_STEP, "merged")


def test_a_state_that_a_look_finds_again_lasts_on(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    since = entry(environment).since
    environment.clock.advance(3600)

    environment.sweep()

    assert (entry(environment).state, entry(environment).since) == (TargetState.OPEN, since)


def test_a_prompt_saved_after_an_older_listing_stays_in_the_books(
    environment: BridgeEnvironment,
) -> None:
    older = scan_mapping(
        environment.controller.contexts["support"], environment.controller.file_index
    )
    environment.clock.advance(30)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.sweep()
    environment.clock.advance(1)

    ResyncRunner(environment.controller).record_scan(
        environment.controller.contexts["support"], older, environment.clock(), timedelta(minutes=1)
    )

    assert entry(environment).state is TargetState.IN_STEP


def test_what_a_person_closed_is_declined(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    environment.sweep()

    assert (entry(environment).state, entry(environment).pull_request_state) == (
        TargetState.DECLINED,
        "closed",
    )
    assert kinds(way(environment))[-2:] == [HistoryEventKind.CLOSED, HistoryEventKind.RECONCILED]


def test_what_only_the_repository_changed_needs_a_person(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")

    environment.sweep()

    assert entry(environment).state is TargetState.PERSON
    assert kinds(way(environment)) == [HistoryEventKind.RECONCILED, HistoryEventKind.NEEDS_PERSON]


def test_a_prompt_that_holds_a_secret_is_parked_with_the_reason(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Use ghp_16C7e42F292c6912E7710c838347Ae178B4a.")

    environment.settle()

    parked = entry(environment)
    assert parked.state is TargetState.PARKED
    assert "secret" in parked.reason
    assert kinds(way(environment)) == [*SEEN, HistoryEventKind.PARKED]


def test_while_a_forge_does_not_answer_the_reason_says_so(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.deliver()
    Dispatcher(environment.controller).dispatch_deliveries(lambda _: None, lambda *_: None)
    (proposal,) = environment.controller.find_pending_proposals()

    environment.store.postpone(proposal, "The forge does not answer.", None)

    assert (entry(environment).state, entry(environment).reason) == (
        TargetState.WAITING,
        "The forge does not answer.",
    )


def test_a_sweep_writes_down_what_is_in_step_and_forgets_what_is_gone(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.sweep()
    (known,) = overview(environment).find_targets_of_prompt(1)

    environment.registry.delete(1)
    environment.repository.commit({PATH: None})
    environment.post.lose()
    environment.sweep()

    assert (known.status.state, known.status.name, known.status.path) == (
        TargetState.IN_STEP,
        NAME,
        PATH,
    )
    assert overview(environment).find_targets_of_prompt(1) == ()


def test_a_sweep_that_finds_all_as_it_was_says_when_it_looked(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.sweep()
    (before,) = overview(environment).find_targets_of_prompt(1)
    environment.clock.advance(3600)

    environment.sweep()

    (after,) = overview(environment).find_targets_of_prompt(1)
    assert after.status == before.status
    assert after.observed_at > before.observed_at


def test_of_a_rolling_proposal_each_prompt_stands_as_it_is_itself(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"group": "mapping"}})
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Say thanks.", "support/thank")
    environment.save("Answer kindly.")  # the same again
    environment.settle()

    assert entry(environment, 1).state is TargetState.IN_STEP
    assert entry(environment, 2).state is TargetState.OPEN


def test_a_renamed_prompt_is_found_by_its_new_name_only(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    environment.registry.rename(1, "support/answer")
    environment.settle()

    assert entry(environment).name == "support/answer"
    assert HistoryEventKind.RENAMED in kinds(way(environment))


# How it came to that


def test_the_way_of_a_prompt_is_told_step_by_step(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", by=JANE)
    environment.settle()
    pull = environment.pull_request()
    environment.repository.merge(pull)
    environment.sweep()

    told = way(environment)
    assert kinds(told) == [
        *SEEN,
        HistoryEventKind.PULL_REQUEST_OPENED,
        HistoryEventKind.MERGED,
        HistoryEventKind.RECONCILED,
    ]
    saved, opened = told[0], told[3]
    assert (saved.who, saved.version) == ("Jane Doe", 1)
    assert (opened.number, opened.url, opened.version) == (pull.number, pull.url, 1)
    assert opened.seconds is not None


def test_a_merge_is_told_once_and_at_the_time_the_forge_told_it(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    pull = environment.pull_request()
    environment.repository.merge(pull)
    merged_told(environment, pull)
    told_at = environment.clock()
    environment.clock.advance(60)
    environment.settle()
    environment.sweep()

    (merged,) = (event for event in way(environment) if event.kind is HistoryEventKind.MERGED)
    assert abs((merged.at - told_at).total_seconds()) < 1


def test_the_same_events_again_tell_nothing_twice(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    payloads = environment.post.take()
    environment.deliver(payloads)
    environment.settle()
    before = [each for each in kinds(way(environment)) if each is not HistoryEventKind.RECONCILED]
    (delivery,) = environment.controller.inbox.list_recent(5)

    actions(environment).redeliver(delivery.id, by="jane")
    environment.settle()

    assert [
        each for each in kinds(way(environment)) if each is not HistoryEventKind.RECONCILED
    ] == before


def test_a_merged_edit_is_published_and_told_with_its_version(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    environment.sweep()
    environment.settle()

    (published,) = (event for event in way(environment) if event.kind is HistoryEventKind.PUBLISHED)
    assert published.version == 2
    assert entry(environment).state is TargetState.IN_STEP


def test_a_label_that_a_merge_moved_is_told(make_world: MakeWorld) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.sweep()

    (moved,) = (
        event for event in way(environment) if event.kind is HistoryEventKind.LABEL_MOVED_BY_BRIDGE
    )
    assert moved.text == "label prod is on version 1"


def test_a_pull_request_knows_what_it_carries_and_what_made_it(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    environment.save("Answer briefly.")
    environment.settle()
    number = environment.pull_request().number

    shown = overview(environment).find_pull_request("support", number)

    assert shown is not None
    assert [one.status.target for one in shown.targets] == [REPLY]
    assert shown.state == "open"
    told = kinds([step.event for step in shown.steps])
    assert (
        told.count(HistoryEventKind.PULL_REQUEST_OPENED),
        told.count(HistoryEventKind.PULL_REQUEST_UPDATED),
    ) == (1, 1)
    assert len(shown.deliveries) == 2
    assert overview(environment).find_pull_request("support", number + 1) is None


# Looking again


def test_a_person_may_have_a_prompt_looked_at_again(environment: BridgeEnvironment) -> None:
    environment.save("Use ghp_16C7e42F292c6912E7710c838347Ae178B4a.")
    environment.settle()
    environment.save("Answer kindly.")
    environment.post.lose()

    assert actions(environment).unpark(by="jane") == 1
    environment.settle()

    assert entry(environment).state is TargetState.OPEN
    asked = environment.controller.inbox.list_recent(1)[0]
    assert (asked.source, asked.state, asked.prompt_name) == (SOURCE, DeliveryState.DONE, NAME)
    assert json.loads(asked.payload)["asked_by"] == "jane"


def test_a_prompt_in_step_may_be_looked_at_again(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.sweep()
    environment.save("Answer briefly.")
    environment.post.lose()

    assert actions(environment).request_reconcile([REPLY], by="jane") == 1
    environment.settle()

    assert entry(environment).state is TargetState.OPEN


def test_a_prompt_that_nobody_follows_is_not_looked_at(environment: BridgeEnvironment) -> None:
    with pytest.raises(InvalidInputError, match="does not follow"):
        actions(environment).request_reconcile([REPLY], by="jane")
