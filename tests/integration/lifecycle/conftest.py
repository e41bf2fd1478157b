"""``world`` follows every prompt's newest version into one repository; ``make_world`` makes others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.changing_app import ChangingApp
from tests.integration.lifecycle.place import Windows, place_on
from tests.integration.lifecycle.world import MakeWorld, World
from tests.standins.serving import serve


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[ChangingApp, str]]:
    changing = ChangingApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def forge_name() -> str:
    """Where the repository is; tests that run on every forge are parametrised by it."""
    return "local"


@pytest.fixture
def make_world(
    served: tuple[ChangingApp, str], forge_name: str, tmp_path: Path
) -> Iterator[MakeWorld]:
    changing, url = served
    with ExitStack() as stack:

        def make(*mappings: dict[str, Any], creations: Windows = (), **bridge: Any) -> World:
            """A world with these mappings, each named and about everything unless it says so."""
            place = stack.enter_context(place_on(forge_name, tmp_path / "forge", creations))
            told = [{"name": "support", "prompts": ["**"], **each} for each in mappings or ({},)]
            made = World(place, tmp_path, url, told, **bridge)
            stack.callback(check_foreign_work, made)
            stack.callback(made.close)
            changing.app = made.address
            return made

        yield make


def check_foreign_work(world: World) -> None:
    """After every test: no open pull request brings what is not its own."""
    if world.place.faults is not None:
        world.place.faults.clear()
    assert world.place.foreign_work() == []


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
