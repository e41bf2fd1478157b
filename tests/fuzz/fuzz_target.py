"""What is fuzzed: how an input is made, and what must hold of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar

Input = TypeVar("Input")


@dataclass(frozen=True)
class Target(Generic[Input]):
    """``hold`` returns for every input that ``draw`` can make; whatever it raises is a finding. The
    errors that the project promises for bad input are part of what it expects."""

    name: str
    draw: Callable[[Random], Input]
    hold: Callable[[Input], None]

    def try_one(self, random: Random) -> None:
        self.hold(self.draw(random))


AnyTarget = Target[Any]
