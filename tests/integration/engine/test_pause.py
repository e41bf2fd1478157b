"""A running bridge with a paused mapping: it compares, writes nothing, and goes on afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.cli.resources import open_controller
from bridge.config.bridge_config import parse_config
from bridge.engine.controller import BridgeController
from bridge.engine.reconciler import Reconciler
from bridge.engine.resync import ResyncRunner
from bridge.forge.local_forge import LocalForge
from bridge.prompts.target import Proposal
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from bridge.sandbox.webhook_sender import WebhookSender
from bridge.status.problems import ProblemKind
from tests.standins.serve_app import serve

CONFIG = """\
promptlayer: {{api_key: key, base_url: "{url}"}}
forges:
  local: {{type: local, root: {folder}/forge}}
mappings:
  - {{name: support, prompts: ["**"], repository: "local:acme/bot", publish: true, pause: true}}
data: {folder}/data
"""
NEW_FILE = b"""\
kind: prompt/v1
name: drafted
label: latest
messages:
  - role: user
    content: Be brief.
"""


@pytest.fixture
def registry() -> PromptRegistry:
    return PromptRegistry()


@pytest.fixture
def forge(tmp_path: Path) -> LocalForge:
    files = {"prompts/latest/drafted.yaml": NEW_FILE}
    LocalForge.create_repository(tmp_path / "forge", "acme/bot", files)
    return LocalForge(tmp_path / "forge", "acme/bot")


@pytest.fixture
def controller(
    registry: PromptRegistry, forge: LocalForge, tmp_path: Path
) -> Iterator[BridgeController]:
    app = create_promptlayer_app(registry, api_key="key", webhooks=WebhookSender())
    with serve(app) as url:
        config = parse_config(CONFIG.format(url=url, folder=tmp_path), "bridge.yaml", {})
        with open_controller(config) as opened:
            yield opened


def end_pause(controller: BridgeController) -> None:
    """As a reload does that no longer has the setting."""
    context = controller.contexts["support"]
    running = replace(context, mapping=context.mapping.model_copy(update={"pause": False}))
    controller.contexts = {"support": running}


def run_resync(controller: BridgeController) -> list[float | None]:
    """Compare the mapping and reconcile what differs; after how many seconds each is tried again."""
    proposals: list[Proposal] = []
    assert ResyncRunner(controller).resync("support", proposals.append) is None
    return [Reconciler(controller).reconcile(each) for each in proposals]


def list_refs(folder: Path) -> str:
    """Every branch and other reference of the forge's repository, with its commit."""
    command = ["git", "for-each-ref", "--format=%(refname) %(objectname)"]
    repository = folder / "forge/acme/bot.git"
    return subprocess.run(
        command, cwd=repository, check=True, capture_output=True, text=True
    ).stdout


def test_nothing_is_written_for_a_paused_mapping_and_all_of_it_afterwards(
    controller: BridgeController, registry: PromptRegistry, tmp_path: Path
) -> None:
    registry.save_version("one", build_chat_template(("system", "Be kind.")))
    before = list_refs(tmp_path)

    assert run_resync(controller) == [300.0]

    assert list_refs(tmp_path) == before
    assert [entry.name for entry in registry.entries.values()] == ["one"]
    (problem,) = controller.store.problems.list_open("support")
    assert problem.kind is ProblemKind.PAUSE
    assert problem.message == controller.contexts["support"].mapping.explain_pause()
    (waiting,) = controller.store.find_stuck()
    assert waiting.reason == problem.message

    end_pause(controller)

    assert set(run_resync(controller)) == {None}
    assert list_refs(tmp_path) != before
    assert sorted(entry.name for entry in registry.entries.values()) == ["drafted", "one"]
    assert controller.store.problems.list_open("support") == []
    assert controller.store.find_stuck() == ()
