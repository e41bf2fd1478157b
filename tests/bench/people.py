"""``person_lost``: words that people wrote on proposals' branches and that are gone, in long random
runs; and ``needless_pushes``: pushes of open proposals after commits that do not concern them. Each
is first shown to see a planted fault."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.figure import Figure, none_of
from tests.integration.lifecycle.branch_model import (
    MAPPING,
    BranchModel,
    Losses,
    everything_counts_as_the_bridges,
)
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.integration.lifecycle.forge_repository import FORGES, create_forge_repository
from tests.integration.lifecycle.test_behind import pushes_after_unrelated_commits
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve

SEEDS, STEPS, PLANTED_STEPS = (1, 2, 3), 1_000, 60


def lost() -> Iterator[Figure]:
    with everything_counts_as_the_bridges():
        planted = _lost(SEEDS[0], PLANTED_STEPS)
    if not planted.words:
        raise RuntimeError("the planted fault was not seen")
    found = [_lost(seed, STEPS) for seed in SEEDS]
    runs = f"in {len(SEEDS)} runs of {STEPS:,} steps"
    for words in (word for each in found for word in (*each.words, *each.strange)):
        print(words, file=sys.stderr)
    yield none_of("person_lost", sum(len(each.words) for each in found), f"words {runs}")
    strange = sum(len(each.strange) for each in found)
    yield none_of("nobodys_words", strange, f"words that nobody wrote, proposed {runs}")


def pushes() -> Iterator[Figure]:
    with open_world(FORGES[0], {"pull_request": {"behind": "update"}}) as environment:
        if not pushes_after_unrelated_commits(environment):
            raise RuntimeError("the planted fault was not seen")
    for forge in FORGES:
        with open_world(forge, {}) as environment:
            count = pushes_after_unrelated_commits(environment)
        yield none_of("needless_pushes", count, f"pushes, 10 proposals, 100 commits, {forge}")


def _lost(seed: int, steps: int) -> Losses:
    group = ("prompt", "mapping")[seed % 2]
    with open_world(FORGES[0], {**MAPPING, "pull_request": {"group": group}}) as environment:
        with tempfile.TemporaryDirectory() as folder:
            model = BranchModel(environment, Path(folder) / "sam", seed)
            for _ in range(steps):
                model.step()
        return model.losses


@contextmanager
def open_world(forge: str, mapping: dict[str, Any]) -> Iterator[BridgeEnvironment]:
    changing = SwitchableApp()
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(changing) as url,
        create_forge_repository(forge, Path(folder) / "forge") as repository,
    ):
        environment = BridgeEnvironment(
            repository, Path(folder), url, [{"name": "support", "prompts": ["**"], **mapping}]
        )
        changing.app = environment.address
        try:
            yield environment
        finally:
            environment.close()
