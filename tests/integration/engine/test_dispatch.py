"""Which looks an event asks for."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.mapping_settings import MappingSettings
from bridge.engine.dispatch_events import (
    build_reconcile_requests,
    build_trigger_event,
    find_affected_labels,
    may_affect,
    parse_prompt_event,
)
from bridge.promptlayer.webhook_events import PromptEvent, parse_event
from bridge.reconcile.mapping_context import MappingContext
from tests.integration.sample_deliveries import delivery_of, payload_of

TRACK = ("latest", "prod")


def event_of(type: str, **details: Any) -> PromptEvent:
    found = parse_event(payload_of(type, **details))
    assert isinstance(found, PromptEvent)
    return found


LABELLED: dict[str, Any] = {
    "prompt_template_label": "prod",
    "old_prompt_template_version_number": 1,
}
CONCERNS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("prompt_template_version_created", {}, ("latest",)),
    ("prompt_template_label_moved", LABELLED, ("prod",)),
    ("prompt_template_label_created", LABELLED, ("prod",)),
    ("prompt_template_label_deleted", LABELLED, ("prod",)),
    ("prompt_template_label_created", {"prompt_template_label": "dev"}, ()),
]


@pytest.mark.parametrize(("type", "details", "labels"), CONCERNS)
def test_an_event_is_about_the_labels_it_names(
    type: str, details: dict[str, Any], labels: tuple[str, ...]
) -> None:
    assert find_affected_labels(event_of(type, **details), TRACK) == labels


def mapping(**settings: Any) -> MappingSettings:
    return MappingSettings.model_validate(
        {"name": "support", "repository": "local:acme/bot", "prompts": ["support/*"], **settings}
    )


def test_an_event_may_concern_a_mapping_by_the_name_of_its_prompt() -> None:
    event = event_of("prompt_template_version_created")

    assert may_affect(event, mapping())
    assert not may_affect(event, mapping(prompts=["sales/*"]))
    assert may_affect(event, mapping(prompts=[], tags=["any"]))


def site(**settings: Any) -> MappingContext:
    """A mapping that nothing is asked of but names."""
    nothing: Any = None
    return MappingContext(mapping(**settings), nothing, nothing, nothing, nothing, nothing, "")


def test_a_delivery_asks_every_mapping_that_follows_its_prompt() -> None:
    delivery = delivery_of(payload_of("prompt_template_version_created"))
    contexts = {
        "support": site(),
        "all": site(name="all", prompts=["**"]),
        "prod": site(name="prod", track=["prod"]),
        "sales": site(name="sales", prompts=["sales/*"]),
    }

    asks = build_reconcile_requests(delivery, parse_prompt_event(delivery), contexts)

    assert [ask.proposal.branch for ask in asks] == [
        "promptlayer/support/latest/17",
        "promptlayer/all/latest/17",
    ]
    assert {ask.delivery_id for ask in asks} == {delivery.id}
    assert {ask.target.prompt_id for ask in asks} == {17}


def test_a_cause_names_who_and_when() -> None:
    delivery = delivery_of(payload_of("prompt_template_label_moved", **LABELLED))

    trigger_event = build_trigger_event(delivery)

    assert trigger_event is not None
    assert (trigger_event.type, trigger_event.prompt_id, trigger_event.label) == (
        *("prompt_template_label_moved", 17, "prod"),
    )
    assert (trigger_event.user_name, trigger_event.user_email) == ("José", "jose@example.com")
    assert trigger_event.received_at == delivery.received_at


def test_what_is_not_about_a_prompt_asks_for_nothing() -> None:
    delivery = delivery_of({"event_type": "moon_phase_changed", "details": {}})

    assert (
        build_reconcile_requests(delivery, parse_prompt_event(delivery), {"support": site()}) == ()
    )
    assert build_trigger_event(delivery) is None
