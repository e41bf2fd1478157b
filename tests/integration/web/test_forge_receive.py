"""The forges' webhooks at the front door: over real HTTP, into a real inbox."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from bridge.engine.dispatch_events import build_reconcile_requests, parse_prompt_event
from bridge.errors import MalformedPayloadError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.forge_webhooks import (
    ForgeEndpoint,
    ForgeEvent,
    PullRequestAction,
    PullRequestEvent,
    PushEvent,
)
from bridge.promptlayer.workspace_source import PROMPTLAYER_SOURCE
from bridge.sandbox.local_http_client import create_local_client
from bridge.storage.database import Database
from bridge.storage.forge_delivery import find_forge_name, parse_forge_event
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from bridge.web.app import WebSettings, create_app
from bridge.web.receive_forge_webhook import BODY_LIMIT
from bridge.web.webhook_endpoints import WebhookEndpoints, WorkspaceEndpoint
from tests.integration.sample_deliveries import NOON, version_delivery
from tests.standins.github import GitHubStandIn
from tests.standins.serve_app import serve

SECRET, OLD = "forge secret 1", "forge secret 0"
A, B = "a" * 40, "b" * 40
PUSHED = PushEvent("acme/support-bot", "main", A, B)
CHANGED = PullRequestEvent(
    "acme/support-bot", 7, PullRequestAction.MERGED, "b/one", "main", A, True, "mallory"
)
FORGES = {
    "hub": ForgeEndpoint(github_webhooks, (SECRET,)),
    "lab": ForgeEndpoint(gitlab_webhooks, (SECRET,)),
    "here": ForgeEndpoint(local_webhooks, (SECRET, OLD)),
    "shut": ForgeEndpoint(local_webhooks, ()),
    "blank": ForgeEndpoint(local_webhooks, ("",)),
}
DOORS = WebhookEndpoints({PROMPTLAYER_SOURCE: WorkspaceEndpoint(("whsec",))}, FORGES)


@dataclass(frozen=True)
class Door:
    url: str
    inbox: DeliveryInbox
    client: httpx2.Client

    def post(self, forge: str, body: bytes, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"{self.url}/webhooks/{forge}", content=body, headers=named)

    def deliver(
        self, event: ForgeEvent, *, name: str = "1", secret: str = SECRET, forge: str = "here"
    ) -> httpx2.Response:
        body = local_webhooks.render_webhook_body(event)
        headers = local_webhooks.build_signed_headers(body, secret, name)
        return self.client.post(f"{self.url}/webhooks/{forge}", content=body, headers=headers)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    app = create_app(WebSettings(lambda: NOON, lambda: DOORS), inbox)
    with serve(app) as url, create_local_client(timeout=20) as client:
        yield Door(url, inbox, client)
    inbox.close()
    database.close()


@pytest.mark.parametrize("event", [PUSHED, CHANGED], ids=["pushed", "pull request"])
def test_an_event_is_on_disk_before_it_is_acknowledged(door: Door, event: ForgeEvent) -> None:
    answer = door.deliver(event)

    (kept,) = door.inbox.find_new(10)
    assert (answer.status_code, answer.json()) == (202, {"delivery": kept.id, "status": "accepted"})
    assert (kept.state, kept.received_at) == (DeliveryState.NEW, NOON)
    assert (find_forge_name(kept), parse_forge_event(kept)) == ("here", event)


def test_a_delivery_is_listed_by_what_happened(door: Door) -> None:
    door.deliver(PUSHED)
    door.deliver(CHANGED)

    assert {each.event_type for each in door.inbox.list_recent(10)} == {
        "forge:here:pushed",
        "forge:here:pull_request_merged",
    }


def test_the_same_delivery_again_is_a_duplicate(door: Door) -> None:
    first = door.deliver(PUSHED)
    again = door.deliver(PUSHED)

    assert again.json() == {"delivery": first.json()["delivery"], "status": "duplicate"}
    assert len(door.inbox.find_new(10)) == 1


def test_the_same_push_told_anew_is_another_delivery(door: Door) -> None:
    door.deliver(PUSHED, name="1")  # pushed, taken back, and pushed again

    assert door.deliver(PUSHED, name="2").json()["status"] == "accepted"


def test_a_secret_that_is_being_replaced_still_opens(door: Door) -> None:
    assert door.deliver(PUSHED, secret=OLD).status_code == 202


def test_nobody_delivers_without_the_secret(door: Door) -> None:
    refused = [
        door.deliver(PUSHED, secret="guess"),
        door.post("here", local_webhooks.render_webhook_body(PUSHED)),
        door.post("hub", b"{}", X_GitHub_Event="push", X_Hub_Signature_256="sha256=00"),
        door.post("lab", b"{}", X_Gitlab_Token="guess"),
        door.post("hub", b"not even JSON"),
    ]

    assert [each.status_code for each in refused] == [401] * len(refused)
    assert all(SECRET not in each.text for each in refused)
    assert door.inbox.list_recent(10) == []


@pytest.mark.parametrize("forge", ["shut", "blank", "unknown"])
def test_a_forge_without_a_secret_or_a_name_has_no_door(door: Door, forge: str) -> None:
    assert door.deliver(PUSHED, forge=forge, secret="any").status_code == 404
    assert door.inbox.list_recent(10) == []


def test_promptlayers_door_is_still_its_own(door: Door) -> None:
    assert door.deliver(PUSHED, forge="promptlayer").status_code == 401


def test_a_signed_delivery_that_is_nonsense_is_told_so(door: Door) -> None:
    assert door.post("lab", b"{}", X_Gitlab_Token=SECRET).status_code == 400
    assert door.post("lab", b"\xff", X_Gitlab_Token=SECRET).status_code == 400


def test_what_is_of_no_interest_is_acknowledged_and_not_kept(door: Door) -> None:
    body = b'{"zen": "Design for failure."}'
    signature = github_webhooks.compute_signature(body, SECRET)

    answer = door.post("hub", body, X_GitHub_Event="ping", X_Hub_Signature_256=signature)

    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert door.inbox.list_recent(10) == []


def test_a_large_push_is_taken_and_a_larger_one_is_not(door: Door) -> None:
    payload = json.loads(local_webhooks.render_webhook_body(PUSHED)) | {
        "commits": "x" * (BODY_LIMIT - 1000)
    }
    large = json.dumps(payload).encode()
    headers = local_webhooks.build_signed_headers(large, SECRET, "1")

    taken = door.client.post(f"{door.url}/webhooks/here", content=large, headers=headers)

    assert taken.status_code == 202
    assert announced(door, BODY_LIMIT + 1) == 413
    (kept,) = door.inbox.find_new(10)
    assert len(kept.payload) < 1000  # only the event


def announced(door: Door, length: int) -> int:
    """The answer to a body of which not a byte is sent."""
    connection = http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=20)
    try:
        connection.putrequest("POST", "/webhooks/here")
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_only_a_post_is_a_delivery(door: Door) -> None:
    assert door.client.get(f"{door.url}/webhooks/here").status_code == 405


def test_a_full_inbox_says_when_to_come_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    inbox.close()
    app = create_app(WebSettings(lambda: NOON, lambda: DOORS), inbox)
    with serve(app) as url, create_local_client(timeout=20) as client:
        answer = Door(url, inbox, client).deliver(PUSHED)
    database.close()

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_forges_delivery_is_no_event_of_promptlayer(door: Door) -> None:
    door.deliver(PUSHED)
    door.inbox.put(version_delivery())

    ours, theirs = sorted(door.inbox.find_new(10), key=lambda each: each.source)

    assert (find_forge_name(ours), parse_prompt_event(ours)) == ("here", None)
    assert build_reconcile_requests(ours, None, {}) == ()
    assert (find_forge_name(theirs), parse_forge_event(theirs)) == (None, None)
    assert parse_prompt_event(theirs) is not None


def test_a_payload_of_another_time_is_malformed(door: Door) -> None:
    door.deliver(PUSHED)
    (kept,) = door.inbox.find_new(10)

    with pytest.raises(MalformedPayloadError):
        parse_forge_event(type(kept)(**vars(kept) | {"payload": '{"something": "else"}'}))


def test_a_forge_knocks_by_itself(door: Door, tmp_path: Path) -> None:
    with GitHubStandIn(tmp_path / "forge").serving() as standin:
        site = standin.repository("acme/support-bot", {"README.md": b"Hello\n"})
        standin.hooks.register(f"{door.url}/webhooks/hub", SECRET)

        commit = site.push("b/one", {"a.txt": b"one"})

        (delivered,) = standin.hooks.delivered
        assert delivered.status == 202
        assert delivered.again() == 202

    (kept,) = door.inbox.find_new(10)
    assert kept.seen == 2
    assert parse_forge_event(kept) == PushEvent("acme/support-bot", "b/one", None, commit)
