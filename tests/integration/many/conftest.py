from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.changing_app import ChangingApp
from tests.integration.many.town import NAMES, Town, town_in
from tests.standins.serving import serve


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, tuple[ChangingApp, str]]]:
    with ExitStack() as stack:
        apps = {name: ChangingApp() for name in NAMES}
        yield {name: (app, stack.enter_context(serve(app))) for name, app in apps.items()}


@pytest.fixture
def town(tmp_path: Path, servers: dict[str, tuple[ChangingApp, str]]) -> Town:
    return town_in(tmp_path, servers)
