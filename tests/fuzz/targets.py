"""Every target, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import doors, reading, writing
from tests.fuzz.target import AnyTarget

TARGETS: Mapping[str, AnyTarget] = {
    each.name: each for each in (*doors.TARGETS, *reading.TARGETS, *writing.TARGETS)
}
