"""``declined_again``: content that people declined and that is proposed again, in long random runs of
decisions on rolling proposals and single ones. It is first shown to see a planted fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.figure import Figure, none_of
from tests.bench.people import SEEDS, STEPS, open_world
from tests.integration.lifecycle.decline_model import GROUPS, DeclineModel, forgotten_decisions
from tests.integration.lifecycle.forge_repository import FORGES

PLANTED_STEPS = 60


def measure() -> Iterator[Figure]:
    with forgotten_decisions():
        planted = _play(SEEDS[0], PLANTED_STEPS, GROUPS[0])
    if not planted.declined_again:
        raise RuntimeError("the planted fault was not seen")
    found = [_play(seed, STEPS, GROUPS[seed % 2]) for seed in SEEDS]
    runs = f"in {len(SEEDS)} runs of {STEPS:,} steps"
    for words in (word for each in found for word in (*each.declined_again, *each.missing)):
        print(words, file=sys.stderr)
    again = sum(len(each.declined_again) for each in found)
    yield none_of("declined_again", again, f"declined texts that were proposed again, {runs}")
    missing = sum(len(each.missing) for each in found)
    yield none_of("never_proposed", missing, f"texts that nobody declined, not proposed, {runs}")


def _play(seed: int, steps: int, group: str) -> DeclineModel:
    with open_world(FORGES[0], {"pull_request": {"group": group}}) as environment:
        model = DeclineModel(environment, seed)
        for _ in range(steps):
            model.step()
        return model
