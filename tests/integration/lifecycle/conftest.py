"""``world`` follows every prompt's newest version into one repository; ``make_world`` makes others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import Windows, create_forge_repository
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[SwitchableApp, str]]:
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def forge_name() -> str:
    """Where the repository is; tests that run on every forge are parametrised by it."""
    return "local"


@pytest.fixture
def make_world(
    served: tuple[SwitchableApp, str], forge_name: str, tmp_path: Path
) -> Iterator[MakeWorld]:
    changing, url = served
    with ExitStack() as stack:

        def make(
            *mappings: dict[str, Any], creations: Windows = (), **bridge: Any
        ) -> BridgeEnvironment:
            """A world with these mappings, each named and about everything unless it says so."""
            repository = stack.enter_context(
                create_forge_repository(forge_name, tmp_path / "forge", creations)
            )
            told = [{"name": "support", "prompts": ["**"], **each} for each in mappings or ({},)]
            made = BridgeEnvironment(repository, tmp_path, url, told, **bridge)
            stack.callback(check_foreign_work, made)
            stack.callback(made.close)
            changing.app = made.address
            return made

        yield make


def check_foreign_work(environment: BridgeEnvironment) -> None:
    """After every test: no open pull request brings what is not its own."""
    if environment.repository.faults is not None:
        environment.repository.faults.clear()
    assert environment.repository.foreign_work() == []


@pytest.fixture
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    return make_world()
