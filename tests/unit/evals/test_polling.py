"""Waiting for something to finish, without the clock of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from bridge.errors import RateLimitedError, RequestRefusedError, UnavailableError
from bridge.evals.result_polling import PollingPace, poll_until_found


class Pauses(threading.Event):
    """An event whose waits are told and take no time but that of the clock beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.taken: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        if not self.is_set():
            self.now += timeout
            self.taken.append(timeout)
        return self.is_set()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def pace(pauses: Pauses) -> PollingPace:
    return PollingPace(timeout=60, interval=5, wake_event=pauses, clock=lambda: pauses.now)


def answering(*answers: str | Exception | None) -> Callable[[], str | None]:
    left: Iterator[str | Exception | None] = iter(answers)

    def poll() -> str | None:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return poll


def test_what_is_there_at_once_is_not_waited_for(pace: PollingPace, pauses: Pauses) -> None:
    assert poll_until_found(answering("done"), pace, "It") == "done"
    assert pauses.taken == []


def test_it_is_asked_about_at_the_pace(pace: PollingPace, pauses: Pauses) -> None:
    assert poll_until_found(answering(None, None, "done"), pace, "It") == "done"
    assert pauses.taken == [5, 5]


def test_being_woken_ends_a_pause(pace: PollingPace, pauses: Pauses) -> None:
    polls = []

    def poll() -> str | None:
        polls.append(pauses.is_set())
        pauses.set()  # the webhook arrives while the answer is on its way
        return "done" if len(polls) == 2 else None

    assert poll_until_found(poll, pace, "It") == "done"
    assert polls == [False, False]  # what was heard before asking is heard once
    assert pauses.taken == []


def test_patience_ends(pace: PollingPace, pauses: Pauses) -> None:
    with pytest.raises(UnavailableError, match=r"^It was not finished after 60 s\.$"):
        poll_until_found(lambda: None, pace, "It")
    assert pauses.now == 60


def test_a_last_look_is_taken_when_patience_ends(pace: PollingPace, pauses: Pauses) -> None:
    assert poll_until_found(lambda: "done" if pauses.now >= 60 else None, pace, "It") == "done"


def test_bad_moments_are_waited_out_as_long_as_they_ask(pace: PollingPace, pauses: Pauses) -> None:
    poll = answering(RateLimitedError("Slow.", retry_after=30), UnavailableError("Away."), "done")

    assert poll_until_found(poll, pace, "It") == "done"
    assert pauses.taken == [30, 5]


def test_the_last_trouble_is_told_when_patience_ends(pace: PollingPace) -> None:
    def away() -> None:
        raise UnavailableError("It is away.")

    with pytest.raises(UnavailableError, match=r"60 s\. It is away\.$"):
        poll_until_found(away, pace, "It")


def test_what_cannot_get_better_ends_the_wait(pace: PollingPace) -> None:
    with pytest.raises(RequestRefusedError):
        poll_until_found(answering(RequestRefusedError("No.")), pace, "It")
