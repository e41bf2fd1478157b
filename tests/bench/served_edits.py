"""``unmerged_served`` and ``went_back``: answers that nobody merged, and answers older than one
before, in long random runs of edits on both sides with races and kills. Each is first shown to see
a planted fault. ``same_answer``: PromptLayer's recorded answers through the bridge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.figure import Figure, exactly, none_of
from tests.bench.people import open_world
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.serving_model import (
    ServedReadings,
    ServingModel,
    stores_what_was_read_earlier,
)
from tests.integration.serve.application_server import start_application_server
from tests.integration.serve.recorded_answers import compare_recorded_answers

EDITS, SEEDS, PLANTED_EDITS = 1_000, (1, 2), 15
_MERGED = {"serve": "merged", "publish": True}


def edits() -> Iterator[Figure]:
    with stores_what_was_read_earlier():
        went_back = _run(1, PLANTED_EDITS, _MERGED).went_back
    if not went_back or not _run(1, PLANTED_EDITS, {"serve": "platform"}).unmerged:
        raise RuntimeError("a planted fault was not seen")
    each = EDITS // len(SEEDS)
    found = [_run(seed, each, {**_MERGED, "publish": seed == SEEDS[0]}) for seed in SEEDS]
    of = f"of {sum(one.answers for one in found):,} answers, {EDITS:,} edits"
    yield none_of("unmerged_served", sum(len(one.unmerged) for one in found), of)
    yield none_of("went_back", sum(len(one.went_back) for one in found), of)


def answers() -> Iterator[Figure]:
    with start_application_server() as server:
        compared, same = compare_recorded_answers(server)
    yield exactly("same_answer", same, "recorded answers, JSON-equal", compared)


def _run(seed: int, edits: int, mapping: dict[str, Any]) -> ServedReadings:
    with (
        open_world(FORGES[0], mapping) as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        return ServingModel(environment, seed, patch).run(edits)
