"""Loops: rounds in threads of their own."""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue

import pytest

from bridge.engine.loop_threads import LoopThreads

DEADLINE = 10  # seconds


def test_a_round_that_fails_is_tried_again_and_said(caplog: pytest.LogCaptureFixture) -> None:
    tries = SimpleQueue[int]()
    numbers = iter(range(100))

    def fail_once() -> None:
        tries.put(number := next(numbers))
        if number == 0:
            raise ConnectionError("the database is away")
        threads.wait(DEADLINE)

    threads = LoopThreads({"caretaker": fail_once}, error_pause=0.01)
    with caplog.at_level(logging.ERROR):
        threads.start()
        assert [tries.get(timeout=DEADLINE) for _ in range(2)] == [0, 1]
    threads.stop(DEADLINE)

    assert caplog.messages == ["caretaker stumbled and goes on"]


def test_stopping_waits_for_the_round_in_hand_and_begins_no_other() -> None:
    begun = SimpleQueue[None]()
    finished: list[bool] = []

    def slowly() -> None:
        begun.put(None)
        while not threads.wait(DEADLINE):
            pass
        finished.append(threads.is_stopping())

    threads = LoopThreads({"tidier": slowly}, error_pause=0.01)
    threads.start()
    begun.get(timeout=DEADLINE)
    threads.stop(DEADLINE)

    assert finished == [True]
    assert begun.empty()


def test_whoever_waits_by_other_means_is_roused_when_it_knows_that_it_is_to_stop() -> None:
    begun, roused, knew = threading.Event(), threading.Event(), SimpleQueue[bool]()

    def wait_to_be_roused() -> None:
        begun.set()
        roused.wait(3 * DEADLINE)
        knew.put(threads.is_stopping())

    threads = LoopThreads({"sweeper": wait_to_be_roused}, error_pause=0.01)
    threads.start()
    assert begun.wait(DEADLINE)
    threads.stop(DEADLINE, roused.set)

    assert knew.get_nowait() is True


def test_what_goes_wrong_while_it_is_stopped_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    begun = threading.Event()

    def stand_on_what_is_closed() -> None:
        begun.set()
        threads.wait(DEADLINE)
        raise ConnectionError("closed")

    threads = LoopThreads({"pulse": stand_on_what_is_closed}, error_pause=0.01)
    with caplog.at_level(logging.ERROR):
        threads.start()
        assert begun.wait(DEADLINE)
        threads.stop(DEADLINE)

    assert not caplog.messages


def test_loops_that_never_started_can_be_stopped() -> None:
    LoopThreads({"pulse": lambda: None}, error_pause=0.01).stop(DEADLINE)
