"""Drift in one line and in an order that people expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bridge.cli.drift_rows import IN_CONFLICT, DriftRow
from bridge.prompts.natural_order import split_naturally

_COUNTED = ("to propose", "to update", "to publish", "to leave")


def sort_naturally(rows: Iterable[DriftRow]) -> list[DriftRow]:
    """By mapping, prompt and label, without regard to case; numbers in names count as numbers, so
    that ``step 9`` comes before ``step 10``."""
    return sorted(
        rows,
        key=lambda row: [split_naturally(each) for each in (row.mapping, row.prompt, row.label)],
    )


def summarise_drift(rows: Sequence[DriftRow]) -> str:
    """How many rows ``sync`` would propose, update, publish and leave, and how many are in
    conflict: ``120 to propose, 3 to publish, 1 conflict``. A conflict counts as its action too."""
    actions = Counter(_classify_action(row.action) for row in rows)
    parts = [f"{actions[name]} {name}" for name in _COUNTED if actions[name]]
    conflicts = sum(row.standing.partition(": ")[0].endswith(IN_CONFLICT) for row in rows)
    if conflicts:
        parts.append(f"{conflicts} {'conflict' if conflicts == 1 else 'conflicts'}")
    return ", ".join(parts)


def _classify_action(action: str) -> str:
    if action == "open a pull request":
        return "to propose"
    if action.startswith(("publish ", "make ")):
        return "to publish"
    return "to leave" if action.startswith(("nothing", "skip")) else "to update"
