from __future__ import annotations

import contextlib
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import MalformedPayloadError
from bridge.promptlayer.webhook_events import (
    DOCUMENTED_EVENTS,
    EventUser,
    PromptEvent,
    UnknownWebhookEvent,
    WebhookEvent,
    check_age,
    compute_delivery_id,
    needs_dispatch,
    parse_event,
)
from tests.unit.promptlayer.recorded_payloads import event_files, fact

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

MOVED: dict[str, Any] = {
    "event_type": "prompt_template_label_moved",
    "details": {
        "prompt_template_id": 12,
        "prompt_template_name": "Hello",
        "prompt_template_version_number": 9,
        "old_prompt_template_version_number": 8,
        "prompt_template_label": "prod",
    },
    "user_id": 1,
    "user_name": "John Doe",
    "user_email": "john.doe@example.com",
    "workspace_id": 1,
    "timestamp": "2023-12-01T22:05:57.924833",
}


def moved(**details: Any) -> dict[str, Any]:
    return {**MOVED, "details": {**MOVED["details"], **details}}


def prompt_event(payload: dict[str, Any]) -> PromptEvent:
    event = parse_event(payload)
    assert isinstance(event, PromptEvent)
    return event


@pytest.mark.parametrize("file", event_files())
def test_every_documented_payload_is_understood(file: str) -> None:
    payload = fact(f"events/{file}")
    event = parse_event(payload)
    documented = payload["event_type"] in DOCUMENTED_EVENTS
    assert isinstance(event, WebhookEvent if documented else UnknownWebhookEvent)
    assert event.type == payload["event_type"]
    polled = event.type in ("agent_run_finished", "report_finished")
    reconciled = event.type.startswith("prompt_template_")
    assert needs_dispatch(event) == (documented and (polled or reconciled))


def test_the_documentation_names_twenty_types() -> None:
    files = [file for file in event_files() if "/" not in file]
    if not files:
        pytest.skip("the example payloads are not at hand")
    assert sorted(DOCUMENTED_EVENTS) == sorted(file.removesuffix(".json") for file in files)
    assert len(DOCUMENTED_EVENTS) == 20


def test_a_moved_label_tells_prompt_versions_label_and_person() -> None:
    event = prompt_event(MOVED)
    assert (event.prompt_id, event.prompt_name, event.label) == (12, "Hello", "prod")
    assert (event.version, event.old_version) == (9, 8)
    assert (event.old_name, event.change_type) == (None, None)
    assert event.user == EventUser(1, "John Doe", "john.doe@example.com")
    assert event.timestamp == datetime(2023, 12, 1, 22, 5, 57, 924833, tzinfo=UTC)


def test_a_change_of_a_protected_label_has_no_version() -> None:
    details = {"prompt_template_id": 1, "prompt_template_name": "p", "prompt_template_label": "l"}
    payload = {
        **MOVED,
        "event_type": "prompt_template_label_change_approved",
        "details": {**details, "change_type": "deletion"},
    }
    event = prompt_event(payload)
    assert (event.label, event.change_type, event.version) == ("l", "deletion", None)


def test_a_rename_tells_both_names() -> None:
    payload = moved(old_prompt_template_name="Old", prompt_template_name="New")
    event = prompt_event({**payload, "event_type": "prompt_template_name_changed"})
    assert (event.old_name, event.prompt_name) == ("Old", "New")


def test_the_person_may_be_unknown() -> None:
    payload = {key: value for key, value in MOVED.items() if not key.startswith("user_")}
    assert prompt_event(payload).user == EventUser(None, None, None)


@pytest.mark.parametrize(
    "written", ["2023-12-01T22:05:57.924833Z", "2023-12-02T00:05:57.924833+02:00"]
)
def test_a_timestamp_with_a_zone_is_brought_to_utc(written: str) -> None:
    event = prompt_event({**MOVED, "timestamp": written})
    assert event.timestamp == prompt_event(MOVED).timestamp


def test_a_hostile_prompt_name_is_kept_as_it_is() -> None:
    for name in ("../../.git/config", "a\x00b", "-rf", "x" * 512, "Zeile\nzwei"):
        assert prompt_event(moved(prompt_template_name=name)).prompt_name == name


def test_undocumented_fields_are_tolerated() -> None:
    assert prompt_event({**moved(folder="new"), "delivery": 7}) == prompt_event(MOVED)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"prompt_template_id": True}, "details.prompt_template_id: should be a valid integer"),
        ({"prompt_template_id": "12"}, "details.prompt_template_id: should be a valid integer"),
        ({"prompt_template_id": 0}, "details.prompt_template_id: should be greater than"),
        ({"prompt_template_id": 10**30}, "details.prompt_template_id: should be less than"),
        ({"prompt_template_version_number": 1.5}, "details.prompt_template_version_number"),
        ({"prompt_template_version_number": None}, "details.prompt_template_version_number"),
        ({"prompt_template_name": ""}, "details.prompt_template_name: string should have at least"),
        ({"prompt_template_name": ["secret"]}, "details.prompt_template_name: should be a valid"),
        ({"prompt_template_name": "secret" * 99}, "details.prompt_template_name: string should"),
    ],
)
def test_a_wrong_detail_is_named_and_never_repeated(details: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedPayloadError) as refusal:
        parse_event(moved(**details))
    assert f"The prompt_template_label_moved event is malformed: {reason}" in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("field", ["details", "workspace_id", "timestamp"])
def test_a_missing_field_is_named(field: str) -> None:
    payload = {key: value for key, value in MOVED.items() if key != field}
    with pytest.raises(MalformedPayloadError, match=f"{field}: field required"):
        parse_event(payload)


@pytest.mark.parametrize("field", MOVED["details"])
def test_a_missing_detail_is_named(field: str) -> None:
    payload = copy.deepcopy(MOVED)
    del payload["details"][field]
    with pytest.raises(MalformedPayloadError, match=rf"details\.{field}: field required"):
        parse_event(payload)


@pytest.mark.parametrize("value", ["yesterday", 17, None, "", "0001-01-01T00:00:00+23:59"])
def test_a_nonsensical_timestamp_is_malformed(value: object) -> None:
    with pytest.raises(MalformedPayloadError, match="timestamp: should be an ISO 8601 timestamp"):
        parse_event({**MOVED, "timestamp": value})


@pytest.mark.parametrize("value", [None, 7, "", "x" * 201, {"a": 1}])
def test_a_nonsensical_event_type_is_malformed(value: object) -> None:
    with pytest.raises(MalformedPayloadError, match="event_type should be a string"):
        parse_event({**MOVED, "event_type": value})


@unhurried
@given(
    st.sampled_from(sorted(DOCUMENTED_EVENTS)),
    st.dictionaries(st.sampled_from(sorted([*MOVED["details"], "x"])), st.none() | st.text()),
)
def test_no_object_raises_anything_but_our_errors(event_type: str, details: dict[str, Any]) -> None:
    with contextlib.suppress(MalformedPayloadError):
        parse_event({**MOVED, "event_type": event_type, "details": details})


def test_a_delivery_outside_the_replay_window_is_refused() -> None:
    event = parse_event(MOVED)
    dated = datetime(2023, 12, 1, 22, 5, 57, tzinfo=UTC)
    window = timedelta(minutes=5)
    check_age(event, dated + timedelta(minutes=5), window)
    for now in (dated + timedelta(minutes=6), dated - timedelta(minutes=6)):
        with pytest.raises(MalformedPayloadError, match="more than 0:05:00 from now"):
            check_age(event, now, window)


def test_the_identity_of_a_delivery_is_its_content() -> None:
    assert compute_delivery_id(MOVED) == compute_delivery_id(dict(reversed(MOVED.items())))
    assert compute_delivery_id(MOVED) != compute_delivery_id(
        {**MOVED, "timestamp": "2023-12-01T22:05:57.924834"}
    )
    assert len(compute_delivery_id({"name": "José"})) == 64
