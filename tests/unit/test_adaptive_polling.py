"""The engine's queues are looked at often while there is work, and seldom while there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bridge.engine.adaptive_polling import AdaptivePolling


@dataclass
class Queue:
    said: list[float] = field(default_factory=list)

    def set_polling_interval_sec(self, value: float) -> None:
        self.said.append(value)


@dataclass
class Place:
    quiet: float = 2.0
    now: float = 0.0
    ahead: bool = False
    queue: Queue = field(default_factory=Queue)

    def __post_init__(self) -> None:
        self.polling = AdaptivePolling(
            (self.queue,),
            often=0.5,
            quiet=lambda: self.quiet,
            has_pending_jobs=lambda: self.ahead,
            clock=lambda: self.now,
        )

    def calm(self, seconds: float) -> None:
        self.now += seconds
        self.polling.note_idle()


def test_after_a_calm_queues_are_looked_at_seldom_until_there_is_work() -> None:
    place = Place()

    place.calm(10)
    place.calm(10)
    place.calm(100)
    assert place.queue.said == [2.0]

    place.polling.note_work()
    assert place.queue.said == [2.0, 0.5]


@pytest.mark.parametrize(("quiet", "seldom"), [(1.5, 1.5), (60.0, 2.0), (0.1, 0.5)])
def test_the_pause_is_no_longer_than_a_look_waits_for_quiet(quiet: float, seldom: float) -> None:
    place = Place(quiet)

    place.calm(20)

    assert place.queue.said == [seldom]


def test_while_a_job_is_ahead_there_is_no_calm() -> None:
    place = Place(ahead=True)

    place.calm(20)
    place.ahead = False
    place.calm(1)
    assert place.queue.said == []

    place.calm(20)
    assert place.queue.said == [2.0]


def test_work_is_said_again_as_another_process_may_have_been_calm_meanwhile() -> None:
    place = Place()

    for _ in range(3):
        place.polling.note_work()
    place.now = 6
    for _ in range(3):
        place.polling.note_work()

    assert place.queue.said == [0.5]
