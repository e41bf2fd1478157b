from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.forge.local import LocalForge
from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from bridge.sandbox.webhooks import Webhooks
from tests.integration.changing_app import ChangingApp
from tests.integration.cli.desk import KEY, Desk
from tests.standins.serving import serve


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[ChangingApp, str]]:
    changing = ChangingApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def desk(
    served: tuple[ChangingApp, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """A desk with a good bridge.yaml, an empty PromptLayer and a repository without prompts."""
    changing, url = served
    registry = Registry()
    changing.app = promptlayer_app(registry, api_key=KEY, webhooks=Webhooks())
    LocalForge.create_repository(tmp_path / "forge", "acme/support-bot", {"README.md": b"# Bot\n"})
    forge = LocalForge(tmp_path / "forge", "acme/support-bot")
    made = Desk(tmp_path, url, registry, capsys, forge)
    registry.subscribe(made.posted.append)
    made.configure()
    return made
