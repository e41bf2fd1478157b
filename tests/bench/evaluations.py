"""``evals_once``: evaluations that are started for each head, over 200 heads with a kill at every step
between a save and the result. It is first shown to see a planted fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.figure import Figure, exactly, told
from tests.bench.people import open_world
from tests.integration.lifecycle.evaluation_kills import (
    MAPPING,
    StartedHeads,
    evaluate_heads,
    forgotten_executions,
)
from tests.integration.lifecycle.forge_repository import FORGES

HEADS, PLANTED_HEADS, PLANTED_STEP = 200, 1, 1_000  # none has so many steps


def measure() -> Iterator[Figure]:
    with forgotten_executions():
        planted = _evaluate(PLANTED_HEADS, first_step=PLANTED_STEP)
    if not planted.wrong:
        raise RuntimeError("the planted fault was not seen")
    found = _evaluate(HEADS)
    for head, count in found.wrong.items():
        print(f"{head}: started {count} times", file=sys.stderr)
    for step, count in sorted(found.killed_at.items()):
        print(f"killed {step}: {count}", file=sys.stderr)
    heads = len(found.starts)
    once = heads - len(found.wrong)
    yield exactly("evals_once", once, f"of {heads} heads evaluated exactly once", heads)
    lost = found.starts_after_lost_answer
    unit = f"starts of {len(lost)} heads where PromptLayer's answer to the first was lost"
    yield told("evals_after_lost_answer", sum(lost.values()), unit, len(lost))


def _evaluate(heads: int, first_step: int = 1) -> StartedHeads:
    with open_world(FORGES[0], MAPPING) as environment:
        return evaluate_heads(environment, heads, first_step=first_step)
