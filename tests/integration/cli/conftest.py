from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.forge.local_forge import LocalForge
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.webhook_sender import WebhookSender
from tests.integration.cli.cli_workspace import KEY, CliWorkspace
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[SwitchableApp, str]]:
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def workspace(
    served: tuple[SwitchableApp, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CliWorkspace:
    """A desk with a good bridge.yaml, an empty PromptLayer and a repository without prompts."""
    changing, url = served
    registry = PromptRegistry()
    changing.app = create_promptlayer_app(registry, api_key=KEY, webhooks=WebhookSender())
    LocalForge.create_repository(tmp_path / "forge", "acme/support-bot", {"README.md": b"# Bot\n"})
    forge = LocalForge(tmp_path / "forge", "acme/support-bot")
    made = CliWorkspace(tmp_path, url, registry, capsys, forge)
    registry.subscribe(made.posted.append)
    made.configure()
    return made
