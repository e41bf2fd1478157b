"""Where inputs come from: a number names one, and so does a string of bytes.

Every choice is drawn from a ``random.Random``. Seeded, it makes the same input again wherever it
runs; fed with the bytes of a coverage-guided fuzzer, it lets that fuzzer steer each choice.
"""

from __future__ import annotations

from random import Random


def numbered(seed: int, target: str, number: int) -> Random:
    """The source of one input: the same for the same three words."""
    return Random(f"{seed}/{target}/{number}")


class Steered(Random):
    """Choices that are read from bytes; zeros where they end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0)
        self._content = content
        self._at = 0

    def random(self) -> float:
        return self.getrandbits(32) / 2**32

    def getrandbits(self, k: int, /) -> int:
        size = (k + 7) // 8
        taken = self._content[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "little") & ((1 << k) - 1)
