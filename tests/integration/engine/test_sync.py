"""``sync_mappings``: scan and look at everything that differs, here and now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from bridge.cli.progress_bar import show_progress_bar
from bridge.cli.resources import open_controller
from bridge.config.bridge_config import parse_config
from bridge.engine.controller import BridgeController
from bridge.engine.resync import ResyncRunner
from bridge.engine.sync_mappings import SyncInterruptedError, sync_mappings
from bridge.errors import RequestRefusedError
from bridge.forge.local_forge import LocalForge
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.target import Proposal
from bridge.reconcile.scan_mapping import scan_mapping
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from bridge.sandbox.webhook_sender import WebhookSender
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.serve_app import serve

CONFIG = """\
promptlayer: {{api_key: key, base_url: "{url}"}}
forges:
  local: {{type: local, root: {folder}/forge}}
mappings:
  - {{name: support, prompts: ["**"], repository: "local:acme/bot"}}
data: {folder}/data
"""
OTHER = """\
  - {{name: other, prompts: ["one"], repository: "local:acme/bot", path: "o/{{prompt}}.yaml"}}
"""


@pytest.fixture
def registry() -> PromptRegistry:
    return PromptRegistry()


@pytest.fixture
def forge(tmp_path: Path) -> LocalForge:
    LocalForge.create_repository(tmp_path / "forge", "acme/bot", {"README.md": b"# Bot\n"})
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


def save(registry: PromptRegistry, *names: str) -> None:
    for name in names:
        registry.save_version(name, build_chat_template(("system", f"This is {name}.")))


def nobody(what: str, finished: int, total: int | None) -> None:
    pass


def merge_all(forge: LocalForge) -> None:
    for opened in forge.list_open_pull_requests(""):
        forge.merge(opened.number, "squash")


def test_everything_new_is_proposed_and_told(
    controller: BridgeController, registry: PromptRegistry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    told: list[tuple[str, int, int | None]] = []

    done = sync_mappings(controller, ["support"], lambda *what: told.append(what))

    assert [one.kind for one in done] == [ReconcileOutcomeKind.PROPOSED] * 2
    assert {one.pull_request for one in done} == {
        opened.url for opened in forge.list_open_pull_requests("")
    }
    assert told[0] == ("comparing support", 0, 1)
    assert told[-1] == ("bringing in step", 2, 2)


def test_what_is_in_step_is_counted_and_not_looked_at(
    controller: BridgeController, registry: PromptRegistry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    sync_mappings(controller, ["support"], nobody)
    merge_all(forge)
    sync_mappings(controller, ["support"], nobody)  # clears the branches away

    found = scan_mapping(controller.contexts["support"], controller.file_index)
    (done,) = sync_mappings(controller, ["support"], nobody)

    assert (found.candidates, found.in_step_count, found.refusals) == ((), 2, ())
    assert (done.kind, done.count) == (ReconcileOutcomeKind.IN_STEP, 2)


def test_one_new_prompt_among_many_is_the_only_candidate(
    controller: BridgeController, registry: PromptRegistry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    sync_mappings(controller, ["support"], nobody)
    merge_all(forge)
    sync_mappings(controller, ["support"], nobody)
    save(registry, "c")

    found = scan_mapping(controller.contexts["support"], controller.file_index)

    assert [each.target.prompt_id for each in found.candidates] == [3]
    assert found.in_step_count == 2


def test_a_prompt_that_is_gone_is_a_candidate(
    controller: BridgeController, registry: PromptRegistry, forge: LocalForge
) -> None:
    save(registry, "a", "b")
    sync_mappings(controller, ["support"], nobody)
    merge_all(forge)
    sync_mappings(controller, ["support"], nobody)
    registry.delete(registry.find_entry_by_name("a").id)

    (done, _) = sorted(sync_mappings(controller, ["support"], nobody), key=lambda one: one.kind)[
        ::-1
    ]

    assert done.kind is ReconcileOutcomeKind.PROPOSED
    assert done.reason == "no longer in PromptLayer"


def test_an_empty_workspace_proposes_no_removals(
    controller: BridgeController, registry: PromptRegistry, forge: LocalForge
) -> None:
    save(registry, "a")
    sync_mappings(controller, ["support"], nobody)
    merge_all(forge)
    registry.delete(registry.find_entry_by_name("a").id)

    with pytest.raises(
        RequestRefusedError, match="PromptLayer shows none of the prompts whose ids 1 files"
    ):
        sync_mappings(controller, ["support"], nobody)


def test_what_was_synchronised_waits_for_nothing(
    controller: BridgeController, registry: PromptRegistry
) -> None:
    save(registry, "a")

    sync_mappings(controller, ["support"], nobody)

    assert controller.find_pending_proposals() == ()


def test_sweeps_of_one_occasion_read_the_list_pages_once(
    registry: PromptRegistry, forge: LocalForge, tmp_path: Path
) -> None:
    save(registry, "one", "two")
    faults = Faults()
    app = create_promptlayer_app(registry, api_key="key", webhooks=WebhookSender())
    two = CONFIG.replace("data:", OTHER + "data:")
    with serve(WithFaults(app, faults)) as url:
        config = parse_config(two.format(url=url, folder=tmp_path), "bridge.yaml", {})
        with open_controller(config) as controller:
            found: list[Proposal] = []
            for mapping in controller.contexts:
                assert (
                    ResyncRunner(controller).resync(mapping, found.append, with_others=True) is None
                )
            together = len(faults.requests)
            assert ResyncRunner(controller).resync("support", found.append) is None

    assert (together, len(faults.requests)) == (1, 2)
    assert sorted({proposal.mapping for proposal in found}) == ["other", "support"]


def test_a_sync_that_a_person_stops_says_what_is_done_and_the_next_one_does_the_rest(
    controller: BridgeController, registry: PromptRegistry, forge: LocalForge
) -> None:
    names = [f"prompt {number}" for number in range(30)]
    save(registry, *names)

    def stop(what: str, finished: int, total: int | None) -> None:
        if what == "bringing in step":
            raise KeyboardInterrupt

    with pytest.raises(SyncInterruptedError) as told:
        sync_mappings(controller, ["support"], stop)

    assert told.value.finished == len(forge.list_open_pull_requests(""))
    assert told.value.finished + told.value.left == len(names)
    assert told.value.left > 0
    sync_mappings(controller, ["support"], nobody)
    assert len(forge.list_open_pull_requests("")) == len(names)


def test_a_command_prints_it_and_exits_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as end, show_progress_bar("comparing"):
        raise SyncInterruptedError(3, 4)

    assert end.value.exit_code == 130
    assert capsys.readouterr().err == f"{SyncInterruptedError(3, 4)}\n"
