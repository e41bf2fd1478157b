"""Trying a target many times: so many inputs, or so many seconds, whichever is over first."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass

from tests.fuzz.fuzz_target import AnyTarget
from tests.fuzz.random_source import numbered

MOST_FINDINGS = 3


@dataclass(frozen=True)
class Finding:
    """One input for which something did not hold."""

    target: str
    seed: int
    number: int
    shown: str  # the input
    error: str

    @property
    def again(self) -> str:
        """The command that tries it again."""
        return f"python -m tests.fuzz {self.target} --seed {self.seed} --only {self.number}"


@dataclass(frozen=True)
class Tried:
    target: str
    seed: int
    inputs: int
    seconds: float
    slowest: float  # seconds
    slowest_number: int
    findings: tuple[Finding, ...]


def tried(target: AnyTarget, seed: int, inputs: int, seconds: float, first: int = 0) -> Tried:
    """Inputs ``first`` and the ``inputs - 1`` after it; ends early after ``seconds``, or when there
    is enough to mend."""
    findings: list[Finding] = []
    slowest, slowest_number, count = 0.0, first, 0
    began = at = time.monotonic()
    for number in range(first, first + inputs):
        if found := attempt(target, seed, number):
            findings.append(found)
        count += 1
        now = time.monotonic()
        if now - at > slowest:
            slowest, slowest_number = now - at, number
        at = now
        if now - began > seconds or len(findings) == MOST_FINDINGS:
            break
    return Tried(target.name, seed, count, at - began, slowest, slowest_number, tuple(findings))


def attempt(target: AnyTarget, seed: int, number: int) -> Finding | None:
    """None where everything holds."""
    given = target.draw(numbered(seed, target.name, number))
    try:
        target.hold(given)
    except Exception:
        return Finding(target.name, seed, number, ascii(given)[:2000], traceback.format_exc())
    return None
