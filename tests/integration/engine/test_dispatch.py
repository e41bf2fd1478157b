"""Which looks an event asks for."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.mapping import MappingSettings
from bridge.engine.dispatch import asks_of, cause_of, labels_concerned, may_concern
from bridge.promptlayer.events import PromptEvent, parse
from bridge.steps.site import Site
from tests.integration.deliveries import delivery_of, payload_of

TRACK = ("latest", "prod")


def event_of(type: str, **details: Any) -> PromptEvent:
    found = parse(payload_of(type, **details))
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
    assert labels_concerned(event_of(type, **details), TRACK) == labels


def mapping(**settings: Any) -> MappingSettings:
    return MappingSettings.model_validate(
        {"name": "support", "repository": "local:acme/bot", "prompts": ["support/*"], **settings}
    )


def test_an_event_may_concern_a_mapping_by_the_name_of_its_prompt() -> None:
    event = event_of("prompt_template_version_created")

    assert may_concern(event, mapping())
    assert not may_concern(event, mapping(prompts=["sales/*"]))
    assert may_concern(event, mapping(prompts=[], tags=["any"]))


def site(**settings: Any) -> Site:
    """A mapping that nothing is asked of but names."""
    nothing: Any = None
    return Site(mapping(**settings), nothing, nothing, nothing, nothing, nothing, "")


def test_a_delivery_asks_every_mapping_that_follows_its_prompt() -> None:
    delivery = delivery_of(payload_of("prompt_template_version_created"))
    sites = {
        "support": site(),
        "all": site(name="all", prompts=["**"]),
        "prod": site(name="prod", track=["prod"]),
        "sales": site(name="sales", prompts=["sales/*"]),
    }

    asks = asks_of(delivery, sites)

    assert [ask.proposal.branch for ask in asks] == [
        "promptlayer/support/latest/17",
        "promptlayer/all/latest/17",
    ]
    assert {ask.delivery_id for ask in asks} == {delivery.id}
    assert {ask.target.prompt_id for ask in asks} == {17}


def test_a_cause_names_who_and_when() -> None:
    delivery = delivery_of(payload_of("prompt_template_label_moved", **LABELLED))

    cause = cause_of(delivery)

    assert cause is not None
    assert (cause.type, cause.prompt_id, cause.label) == (
        *("prompt_template_label_moved", 17, "prod"),
    )
    assert (cause.user_name, cause.user_email) == ("José", "jose@example.com")
    assert cause.received_at == delivery.received_at


def test_what_is_not_about_a_prompt_asks_for_nothing() -> None:
    delivery = delivery_of({"event_type": "moon_phase_changed", "details": {}})

    assert asks_of(delivery, {"support": site()}) == ()
    assert cause_of(delivery) is None
