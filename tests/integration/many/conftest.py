from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.many.two_workspaces import NAMES, TwoWorkspacesEnvironment, town_in
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, tuple[SwitchableApp, str]]]:
    with ExitStack() as stack:
        apps = {name: SwitchableApp() for name in NAMES}
        yield {name: (app, stack.enter_context(serve(app))) for name, app in apps.items()}


@pytest.fixture
def environment(
    tmp_path: Path, servers: dict[str, tuple[SwitchableApp, str]]
) -> TwoWorkspacesEnvironment:
    return town_in(tmp_path, servers)
