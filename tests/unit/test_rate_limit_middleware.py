"""Who has to wait before the door, and who never does."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.rate_limit_middleware import TokenBucket

HERE, THERE = "192.0.2.1", "192.0.2.2"


@dataclass
class Seconds:
    """A clock that is turned by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    clock: Seconds = field(default_factory=Seconds)
    per_minute: int = 60
    trusted: tuple[str, ...] = ()
    addresses: int = 100
    bucket: TokenBucket = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = TokenBucket(
            self.per_minute, self.trusted, clock=self.clock, addresses=self.addresses
        )

    def refuse(self, address: str, times: int = 1) -> None:
        for _ in range(times):
            self.bucket.take(address)


def test_who_was_never_refused_never_waits() -> None:
    assert Door().bucket.compute_wait_seconds(HERE) == 0


def test_who_was_refused_too_often_waits_and_nobody_else_does() -> None:
    door = Door()
    door.refuse(HERE, 60)

    assert door.bucket.compute_wait_seconds(HERE) == pytest.approx(1.0)
    assert door.bucket.compute_wait_seconds(THERE) == 0


def test_the_last_refusal_that_is_allowed_is_told_once() -> None:
    door = Door(per_minute=2)

    assert [door.bucket.take(HERE) for _ in range(4)] == [False, True, False, False]


def test_waiting_helps() -> None:
    door = Door()
    door.refuse(HERE, 60)
    door.clock.now += 1.0

    assert door.bucket.compute_wait_seconds(HERE) == 0
    door.refuse(HERE)
    assert door.bucket.compute_wait_seconds(HERE) > 0


def test_a_minute_of_peace_forgives_everything() -> None:
    door = Door()
    door.refuse(HERE, 1000)
    door.clock.now += 60.0
    door.refuse(HERE, 59)

    assert door.bucket.compute_wait_seconds(HERE) == 0


def test_a_refusal_that_costs_much_counts_as_several() -> None:
    door = Door(per_minute=60)

    assert not door.bucket.take(HERE, 40)
    assert door.bucket.take(HERE, 40)
    assert door.bucket.compute_wait_seconds(HERE) > 0


def test_all_addresses_of_one_ipv6_network_are_one() -> None:
    door = Door()
    door.refuse("2001:db8:1:2:aaaa::1", 60)

    assert door.bucket.compute_wait_seconds("2001:db8:1:2:bbbb::2") > 0
    assert door.bucket.compute_wait_seconds("2001:db8:1:3::1") == 0


def test_a_trusted_proxy_is_not_limited_for_what_strangers_send_through_it() -> None:
    door = Door(trusted=("10.0.0.0/8", "::1"))
    door.refuse("10.1.2.3", 1000)
    door.refuse("::1", 1000)

    assert (
        door.bucket.compute_wait_seconds("10.1.2.3") == door.bucket.compute_wait_seconds("::1") == 0
    )


def test_strangers_cannot_fill_the_memory() -> None:
    door = Door(addresses=10)
    for number in range(1000):
        door.refuse(f"198.51.{number // 256}.{number % 256}")

    assert len(door.bucket._buckets) == 10


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 40)), max_size=30), st.integers(1, 100))
def test_more_than_twice_the_allowance_in_a_minute_never_comes_in(
    steps: list[tuple[float, int]], per_minute: int
) -> None:
    door = Door(per_minute=per_minute)
    came_in: list[float] = []
    for pause, attempts in steps:
        door.clock.now += pause
        for _ in range(attempts):
            if door.bucket.compute_wait_seconds(HERE) == 0:
                came_in.append(door.clock.now)
                door.refuse(HERE)

    for start in came_in:
        assert sum(start <= at <= start + 60 for at in came_in) <= 2 * per_minute + 1
