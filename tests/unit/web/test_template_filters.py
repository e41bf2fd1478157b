"""Times as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.web.template_filters import (
    filter_web_address,
    format_age,
    format_duration,
    format_event_type,
)

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.04, "0.0 s"),
        (1.23, "1.2 s"),
        (9.94, "9.9 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (3661, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (-90, "−1 min 30 s"),
        (None, "–"),
    ],
)
def test_a_span_is_told_by_its_two_largest_units(seconds: float | None, words: str) -> None:
    assert format_duration(seconds) == words
    if seconds is not None:
        assert format_duration(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (1, "just now"),
        (-1, "just now"),
        (2, "2 s ago"),
        (119, "1 min ago"),
        (7200, "2 h ago"),
        (200000, "2 d ago"),
        (-30, "in 30 s"),
        (-300, "in 5 min"),
    ],
)
def test_an_age_is_told_by_its_largest_unit(seconds: int, words: str) -> None:
    assert format_age(NOON - timedelta(seconds=seconds), NOON) == words


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("prompt_template_label_moved", "label moved"),
        ("forge:local:pull_request_opened", "pull request opened"),
        ("forge:local:pushed", "pushed"),
        ("bridge:look", "bridge look"),
    ],
)
def test_events_are_told_in_words(event: str, words: str) -> None:
    assert format_event_type(event) == words


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil", ""])
def test_only_addresses_of_the_web_are_led_to(address: str) -> None:
    assert filter_web_address(address) == "#"
    assert filter_web_address("https://forge.example/1") == "https://forge.example/1"
