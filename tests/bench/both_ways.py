"""``false_conflicts``, ``undone``, ``loop_extra`` and ``lost_updates``: people edit both sides of fifty
prompts a thousand times, move labels, merge, decline, rename and revert. What did the bridge make of
it that the model of a page does not say?
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Figure, none_of, told
from tests.model.judge import FALSE_CONFLICT, LOOP_EXTRA, LOST, MISSING, UNDONE
from tests.model.looks import LookKind
from tests.model.run import draw_script, play

SEEDS = (1, 2, 3)
PAGES, STEPS = 50, 1_000
ROUNDS = 42  # so that as many steps happen; many that are drawn cannot
_UNITS = {
    FALSE_CONFLICT: "conflicts where one side alone moved",
    UNDONE: "decisions of a person that were reversed",
    LOOP_EXTRA: "versions, commits and pull requests beyond the needed",
    LOST: "texts that are nowhere, and that nobody let go",
    MISSING: "versions, label moves and pull requests that did not come",
}


def measure() -> Iterator[Figure]:
    for seed in SEEDS:
        result = play(draw_script(seed, PAGES, ROUNDS), rests=list(LookKind))
        if result.steps < STEPS and not result.faults:
            raise RuntimeError(f"{result.steps} steps happened, not {STEPS}.")
        for kind, count in result.counts.items():
            yield none_of(kind, count, f"{_UNITS[kind]} in run {seed}, {result.steps} steps")
        yield told("both_ways_steps", result.steps, f"of people in run {seed}")
