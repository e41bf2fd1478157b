"""What needs a person is announced: once, grouped, signed, and again where a receiver fails."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.config.notify_settings import NotifySettings
from bridge.engine.controller import NotificationConfig
from bridge.engine.problem_notifier import ProblemNotifier
from bridge.status.notification_store import NotificationStore
from bridge.status.problems import ANY_MAPPING, ProblemKind, ProblemRecords
from bridge.storage.database import Database
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.test_choosing import edited_on_both_sides
from tests.integration.lifecycle.test_publishing import PUBLISH, published
from tests.integration.manual_clock import ManualClock
from tests.standins.serve_app import serve

SECRET = "It is a secret 7"
INTERVAL = 600.0


@dataclass
class NotificationReceiver:
    """Takes messages, or answers with ``status``."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.requests.append((dict(request.headers), await request.body()))
        await Response(status_code=self.status, headers=self.headers)(scope, receive, send)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.requests]

    def items(self) -> list[list[tuple[str, str]]]:
        """Kind and subject of each item of each message."""
        return [
            [(item["kind"], item["subject"]) for item in message["data"]["items"]]
            for message in self.messages
        ]


@pytest.fixture
def receiver() -> Iterator[NotificationReceiver]:
    receiver = NotificationReceiver()
    with serve(receiver) as url:
        receiver.url = f"{url}/T0KEN"
        yield receiver


def notify(environment: BridgeEnvironment, receiver: NotificationReceiver, **more: Any) -> None:
    webhook = {"url": receiver.url, "secret": SECRET, "format": "json"} | more.pop("webhook", {})
    settings = NotifySettings.model_validate({"webhooks": [webhook], "interval": "10m"} | more)
    environment.controller.notifications = NotificationConfig(settings)


def send(environment: BridgeEnvironment) -> None:
    ProblemNotifier(environment.controller).send_due()


def failures(environment: BridgeEnvironment) -> list[str]:
    opened = environment.store.problems.list_open(ANY_MAPPING)
    return [one.message for one in opened if one.kind is ProblemKind.NOTIFY]


def conflict(environment: BridgeEnvironment) -> None:
    edited_on_both_sides(environment)
    environment.settle()


def test_a_conflict_is_announced_once_with_its_remedy_and_no_text_of_the_prompt(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world(PUBLISH)
    notify(environment, receiver)
    conflict(environment)

    for _ in range(3):
        send(environment)
        environment.clock.advance(INTERVAL)
        environment.sweep()

    (message,) = receiver.messages
    (item,) = message["data"]["items"]
    assert (item["kind"], item["subject"], item["mapping"]) == (
        "conflict",
        "support/reply",
        "support",
    )
    assert item["remedy"].startswith("Decide in the pull request")
    assert item["pull_request"] == environment.pull_request().url
    assert message["type"] == "promptlayer_bridge.needs_person"
    body = receiver.requests[0][1].decode()
    for text in ("kindly", "briefly", "at length"):
        assert text not in body
        assert text in f"{published(environment)} {environment.says()}"


def test_a_message_is_signed_and_names_its_time(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world(PUBLISH)
    notify(environment, receiver)
    conflict(environment)

    send(environment)

    ((headers, body),) = receiver.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - environment.clock().timestamp()) < 5


def test_several_items_come_in_one_message_and_the_next_one_after_the_interval(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world(PUBLISH)
    notify(environment, receiver)
    problems = environment.store.problems
    problems.replace("support", ProblemKind.FILE, {"a.yaml": "a.yaml:1: no", "b.yaml": "b: no"})
    send(environment)
    problems.replace("support", ProblemKind.SWEEP, {"sweep": "PromptLayer does not answer."})
    send(environment)
    assert len(receiver.messages) == 1

    environment.clock.advance(INTERVAL)
    send(environment)

    assert [sorted(items) for items in receiver.items()] == [
        [("mistake in a file", "a.yaml"), ("mistake in a file", "b.yaml")],
        [("not compared", "sweep")],
    ]


def test_what_comes_up_again_is_announced_again(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver)
    problems = environment.store.problems
    for found in ({"a.yaml": "no"}, {}, {"a.yaml": "no"}):
        problems.replace("support", ProblemKind.FILE, found)
        send(environment)
        environment.clock.advance(INTERVAL)

    assert len(receiver.messages) == 2


def test_a_receiver_that_fails_is_a_problem_and_is_tried_again_with_growing_pauses(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver)
    environment.store.problems.replace("support", ProblemKind.FILE, {"a.yaml": "no"})
    receiver.status = 500

    attempts = []
    for _ in range(40):
        send(environment)
        attempts.append(len(receiver.requests))
        environment.clock.advance(1)
    assert attempts[-1] == 5  # at once, and after 2, 4, 8 and 16 seconds
    (failure,) = failures(environment)
    assert failure.startswith("127.0.0.1 answered a notification with 500")
    assert "T0KEN" not in failure

    receiver.status = 200
    environment.clock.advance(60)
    send(environment)

    assert failures(environment) == []
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    environment.clock.advance(INTERVAL)
    send(environment)
    assert len(receiver.requests) == 6


def test_a_receiver_says_when_to_try_again(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver)
    environment.store.problems.replace("support", ProblemKind.FILE, {"a.yaml": "no"})
    receiver.status, receiver.headers = 429, {"Retry-After": "120"}
    send(environment)
    environment.clock.advance(110)
    send(environment)
    assert len(receiver.requests) == 1

    environment.clock.advance(11)
    send(environment)

    assert len(receiver.requests) == 2


def test_a_receiver_that_is_not_there_is_a_problem_until_it_is_taken_out(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver, webhook={"url": "http://127.0.0.1:1/T0KEN"})
    environment.store.problems.replace("support", ProblemKind.FILE, {"a.yaml": "no"})
    send(environment)
    (failure,) = failures(environment)
    assert "the connection was refused" in failure
    assert "T0KEN" not in failure

    environment.controller.notifications = NotificationConfig()
    send(environment)

    assert failures(environment) == []


def test_slack_gets_a_text_in_which_no_name_mentions_a_channel(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver, webhook={"format": "slack"})
    evil = "<!channel> & <https://evil.example.com|click>\n• a second line"
    environment.store.problems.replace("support", ProblemKind.FILE, {evil: evil})

    send(environment)

    (message,) = receiver.messages
    assert message["text"].startswith("promptlayer-bridge: 1 thing needs a person\n• *mistake in")
    assert message["text"].count("\n") == 1
    assert "<" not in message["text"]
    assert "Correct the file on the base branch." in message["text"]


def test_of_many_items_the_first_are_listed_and_the_others_counted(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver)
    found = {f"{number:03}.yaml": "no" for number in range(50)}
    environment.store.problems.replace("support", ProblemKind.FILE, found)

    send(environment)
    environment.clock.advance(INTERVAL)
    send(environment)

    (message,) = receiver.messages
    assert (len(message["data"]["items"]), message["data"]["more"]) == (20, 30)


def test_only_the_kinds_that_are_asked_for_are_announced(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver, kinds=["parked"])
    environment.store.problems.replace("support", ProblemKind.FILE, {"a.yaml": "no"})

    send(environment)

    assert receiver.requests == []


def test_a_mistake_in_a_file_is_announced_without_the_text_around_it(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world(PUBLISH)
    notify(environment, receiver)
    text = "id: 1\nname: support/reply\nlabel: latest\nprompt: [The sunflower sings\n"
    environment.repository.commit({PATH: text.encode()})
    environment.sweep()

    send(environment)

    assert ("mistake in a file", PATH) in receiver.items()[0]
    assert "sunflower" not in receiver.requests[0][1].decode()


def test_what_was_announced_is_known_after_a_restart_and_to_other_processes(
    database: Database, same_database: list[Database], clock: ManualClock
) -> None:
    problems = ProblemRecords(database, clock)
    problems.replace("support", ProblemKind.FILE, {"a.yaml": "no"})
    here, there = (NotificationStore(one) for one in same_database[:2])
    kinds = [ProblemKind.FILE]
    items = here.find_unannounced("one", ["support"], kinds)
    assert len(items) == 1

    here.record_announced("one", items, clock(), clock() + timedelta(seconds=INTERVAL))

    assert there.find_unannounced("one", ["support"], kinds) == []
    assert there.find_unannounced("another", ["support"], kinds) == items
    assert there.read_retry("one").not_before is not None


def test_a_declined_pull_request_is_announced(
    make_world: MakeWorld, receiver: NotificationReceiver
) -> None:
    environment = make_world()
    notify(environment, receiver)
    environment.propose("Answer kindly.")
    environment.repository.close(environment.pull_request().number)
    environment.sweep()

    send(environment)

    assert receiver.items() == [[("declined", "support/reply")]]
