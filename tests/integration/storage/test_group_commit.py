"""Group commit: who shares a batch shares its fate, and nobody else does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from bridge.errors import UnavailableError
from bridge.storage.group_commit import GroupCommitWriter

DEADLINE = 20.0  # seconds, for what should happen at once


class Gate:
    """A disk that writes when it is told to, and fails when it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[str]] = []

    def write(self, batch: Sequence[str]) -> list[str]:
        self.entered.set()
        assert self.open.wait(DEADLINE)
        self.batches.append(list(batch))
        if "bad" in batch:
            raise UnavailableError("The disk is full.")
        return [item.upper() for item in batch]


def test_a_commit_that_fails_fails_its_own_callers_only() -> None:
    gate = Gate()
    commits = GroupCommitWriter(gate.write)

    async def put() -> list[str | BaseException]:
        first = asyncio.ensure_future(commits.put_async("good"))
        await asyncio.to_thread(gate.entered.wait, DEADLINE)
        second = [asyncio.ensure_future(commits.put_async(item)) for item in ("bad", "beside it")]
        await asyncio.sleep(0)  # let them enter
        gate.open.set()
        answers = await asyncio.gather(first, *second, return_exceptions=True)
        return [*answers, await commits.put_async("later")]

    good, bad, beside, later = asyncio.run(put())

    assert gate.batches == [["good"], ["bad", "beside it"], ["later"]]
    assert (good, later) == ("GOOD", "LATER")
    assert isinstance(bad, UnavailableError)
    assert isinstance(beside, UnavailableError)
    commits.close()


def test_when_too_many_wait_the_next_one_is_turned_away() -> None:
    gate = Gate()
    commits = GroupCommitWriter(gate.write, backlog=2)

    async def put() -> list[str]:
        waiting = [asyncio.ensure_future(commits.put_async("first"))]
        await asyncio.to_thread(gate.entered.wait, DEADLINE)  # it is on its way to the disk
        waiting += [asyncio.ensure_future(commits.put_async(item)) for item in ("second", "third")]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as turned_away:
            await commits.put_async("fourth")
        assert turned_away.value.retry_after == 1
        gate.open.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(put()) == ["FIRST", "SECOND", "THIRD"]
    commits.close()


def test_a_caller_who_went_away_holds_up_nobody() -> None:
    gate = Gate()
    commits = GroupCommitWriter(gate.write)

    async def put() -> str:
        impatient = asyncio.ensure_future(commits.put_async("impatient"))
        await asyncio.to_thread(gate.entered.wait, DEADLINE)
        impatient.cancel()
        gate.open.set()
        return await commits.put_async("patient")

    assert asyncio.run(put()) == "PATIENT"
    commits.close()
