"""The front door over real HTTP: who gets in, who does not, and what is on disk by then."""

from __future__ import annotations

import gzip
import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.promptlayer.webhook_events import compute_delivery_id
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.sandbox.local_http_client import create_local_client
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH, WebSettings, create_app
from tests.integration.sample_deliveries import NOON, payload_of, version_created
from tests.integration.web.webhook_client import OLD_SECRET, SECRET, WebhookServer
from tests.standins.serve_app import serve
from tests.standins.webhook_endpoints import one_workspace

PROJECT = Path(__file__).resolve().parents[3]
EVENTS = PROJECT.parent / "shared" / "promptlayer" / "events"


# Let in


def test_a_signed_delivery_is_accepted_and_on_disk(server: WebhookServer) -> None:
    payload = version_created()

    answer = server.deliver(payload)

    assert answer.status_code == 202
    assert answer.json() == {"delivery": compute_delivery_id(payload), "status": "accepted"}
    (kept,) = server.inbox.find_new(10)
    assert (kept.id, kept.prompt_id, kept.received_at) == (compute_delivery_id(payload), 17, NOON)


def test_the_same_delivery_again_is_a_duplicate(server: WebhookServer) -> None:
    server.deliver(version_created())

    again = server.deliver(version_created())

    assert (again.status_code, again.json()["status"]) == (202, "duplicate")
    assert len(server.inbox.list_recent(10)) == 1


def test_the_same_content_spelled_otherwise_is_a_duplicate(server: WebhookServer) -> None:
    payload = version_created()
    server.deliver(payload)

    again = server.deliver_raw(json.dumps(payload, indent=3, ensure_ascii=False).encode())

    assert again.json()["status"] == "duplicate"


def test_while_secrets_rotate_either_of_them_signs(server: WebhookServer) -> None:
    assert server.deliver(version_created(1), SECRET).status_code == 202
    assert server.deliver(version_created(2), OLD_SECRET).status_code == 202


@pytest.mark.parametrize("event_type", ["dataset_version_created_by_file", "tea_ready"])
def test_events_of_no_interest_are_ignored_and_kept(server: WebhookServer, event_type: str) -> None:
    payload = payload_of(event_type, dataset_id=1, dataset_version_number=2)

    answer = server.deliver(payload)

    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert [each.state for each in server.inbox.list_recent(10)] == [DeliveryState.IGNORED]


def test_every_recorded_event_is_taken(server: WebhookServer) -> None:
    if not EVENTS.is_dir():
        pytest.skip("the recorded events are not at hand")
    files = sorted(each for each in EVENTS.rglob("*.json") if each.name != "signatures.json")

    answers = {file.name: server.deliver(json.loads(file.read_bytes())) for file in files}

    assert {answer.status_code for answer in answers.values()} == {202}
    assert len(server.inbox.list_recent(100)) == len(files)


# Kept out


@pytest.mark.parametrize(
    "signature",
    [None, "", "0" * 64, "sha256=" + "0" * 64, "é", "A" * 64, "0" * 5000],
    ids=["none", "empty", "wrong", "prefixed", "not ascii", "upper case", "long"],
)
def test_what_nobody_signed_is_kept_out(server: WebhookServer, signature: str | None) -> None:
    headers = {} if signature is None else {SIGNATURE_HEADER.encode(): signature.encode()}
    body = json.dumps(version_created()).encode()

    answer = server.client.post(
        server.url + PROMPTLAYER_WEBHOOK_PATH, content=body, headers=list(headers.items())
    )

    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}
    assert server.inbox.list_recent(10) == []


def test_a_changed_delivery_no_longer_fits_its_signature(server: WebhookServer) -> None:
    signature = sign_payload(version_created(1), SECRET)

    answer = server.post(json.dumps(version_created(2)).encode(), signature)

    assert answer.status_code == 401


MALFORMED = {
    "nothing": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"event_type": "\xff"}',
    "a list": b"[]",
    "a number": b"1",
    "NaN": b'{"event_type": NaN}',
    "no type": b"{}",
    "a type that is no text": b'{"event_type": 7}',
    "no details": b'{"event_type": "prompt_template_deleted", "workspace_id": 1}',
    "a lone surrogate": b'{"event_type": "\\ud800"}',
    "an endless number": b'{"event_type": "x", "n": ' + b"9" * 10_000 + b"}",
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"event_type": "x", "details": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "compressed": gzip.compress(json.dumps(version_created()).encode()),
    "an id that is no number": json.dumps(version_created(prompt_template_id="17")).encode(),
    "an id beyond all bounds": json.dumps(version_created(prompt_template_id=2**70)).encode(),
    "a timestamp that is none": json.dumps(version_created() | {"timestamp": "soon"}).encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_signed_and_makes_no_sense_is_refused(server: WebhookServer, body: bytes) -> None:
    answer = server.deliver_raw(body)

    assert answer.status_code == 400
    assert len(answer.json()["error"]) < 300
    assert server.inbox.list_recent(10) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NEARLY_EVENTS = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["prompt_template_deleted", "report_finished", "?"]) | JSON},
    optional={"details": JSON, "workspace_id": JSON, "timestamp": JSON | st.datetimes().map(str)},
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=st.binary() | st.one_of(JSON, NEARLY_EVENTS).map(lambda value: json.dumps(value).encode())
)
def test_no_signed_body_makes_the_server_fail(running: WebhookServer, body: bytes) -> None:
    assert running.deliver_raw(body).status_code in (202, 400)


# What a client can put into a header at all.
HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, categories=("L", "N", "P"))
)


@settings(max_examples=50, deadline=None)
@given(body=st.binary(), signature=HEADER_VALUES)
def test_no_unsigned_body_gets_in(running: WebhookServer, body: bytes, signature: str) -> None:
    headers = [(SIGNATURE_HEADER.encode(), signature.encode("latin-1"))]
    answer = running.client.post(
        running.url + PROMPTLAYER_WEBHOOK_PATH, content=body, headers=headers
    )

    assert answer.status_code == 401


def test_no_answer_and_no_log_line_holds_a_secret(
    server: WebhookServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        server.deliver(version_created()),
        server.post(b"{}", "0" * 64),
        server.post(SECRET.encode(), SECRET),
        server.deliver_raw(b"{"),
    ]

    told = [*(answer.text for answer in answers), *(str(vars(each)) for each in caplog.records)]
    assert not [text for text in told if SECRET in text or OLD_SECRET in text]
    assert SECRET not in repr(one_workspace(SECRET)())


def test_each_delivery_is_one_log_line_that_a_name_cannot_break(
    server: WebhookServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bridge.web")

    server.deliver(version_created(prompt_template_name="a\nERROR root: all is lost \x1b[31m"))

    (record,) = [each for each in caplog.records if each.name == "bridge.web"]
    assert record.getMessage().isprintable()
    assert vars(record)["outcome"] == "accepted"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_delivers(server: WebhookServer, method: str) -> None:
    assert server.client.request(method, server.url + PROMPTLAYER_WEBHOOK_PATH).status_code == 405


# The replay window


@pytest.mark.parametrize(("age", "status"), [(0, 202), (299, 202), (301, 400), (-301, 400)])
def test_outside_the_replay_window_a_delivery_is_refused(
    tmp_path: Path, age: int, status: int
) -> None:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    web = WebSettings(lambda: NOON, one_workspace(SECRET, replay_window=timedelta(minutes=5)))
    payload = version_created() | {"timestamp": (NOON - timedelta(seconds=age)).isoformat()}

    with serve(create_app(web, inbox)) as url, create_local_client() as client:
        answer = WebhookServer(url, database, inbox, client).deliver(payload)

    assert answer.status_code == status
    inbox.close()
    database.close()


# Without a secret nothing is received


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_no_webhook_is_received(
    running: WebhookServer, secrets: tuple[str, ...]
) -> None:
    web = WebSettings(lambda: NOON, one_workspace(*secrets))
    payload = version_created()

    with serve(create_app(web, running.inbox)) as url, create_local_client() as client:
        answer = client.post(
            f"{url}{PROMPTLAYER_WEBHOOK_PATH}",
            content=json.dumps(payload).encode(),
            headers={SIGNATURE_HEADER: sign_payload(payload, "")},
        )

    assert answer.status_code == 404
    assert "bridge.yaml has no webhook_secret for it" in answer.json()["error"]
