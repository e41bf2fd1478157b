"""Short sequences of what people do on both sides, hundreds of them, held against the model. Each
prompt of a script goes through a sequence of its own."""

from __future__ import annotations

import pytest

from tests.model.judge import ANCHOR
from tests.model.run import Result, Script, draw_script, play, shorten

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_people_do_both_sides_end_as_the_model_says(seed: int) -> None:
    script = draw_script(seed, pages=35, rounds=3)

    result = play(script)

    assert result.steps > len(script.pages)
    if result.faults:
        pytest.fail(tell(script, result), pytrace=False)


def tell(script: Script, result: Result) -> str:
    """Every fault, and the shortest script that was found for the first."""
    first = next((fault for fault in result.faults if fault.page != ANCHOR), result.faults[0])
    short = shorten(script, first)
    faults = "\n".join(f"- {fault}" for fault in result.faults)
    return f"{faults}\n\nTo see {first.kind} of page {first.page} again, `play` this:\n\n{short}"
