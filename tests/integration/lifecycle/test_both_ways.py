"""People edit both sides at random: the bench's ``both_ways``, made small."""

from __future__ import annotations

from tests.bench.both_ways import Trial


def test_edits_on_both_sides_lose_no_text_and_make_nothing_that_nobody_needs() -> None:
    trial = Trial(prompts=6, edits=36, between_rests=6, between_sweeps=18)

    with trial.carried_out(seed=1) as people:
        assert people.extra() == 0
        assert people.lost() == set()
        assert people.published() > 0
