"""A new configuration while the bridge runs: taken over as a whole, or not at all."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.cli.config_reloader import ConfigReloader, LiveConfig
from bridge.cli.resources import open_controller
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.config.config_files import ConfigFiles
from bridge.config.file_watch import FileWatcher
from bridge.engine.controller import BridgeController
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.reconciler import Reconciler
from bridge.storage.inbox import DeliveryState
from bridge.web.app import WebSettings, create_app
from bridge.wiring import AdapterCache, get_current_time
from tests.integration.many.two_workspaces import (
    DOOR,
    TwoWorkspacesEnvironment,
    Workspace,
    deliver,
    mapping,
    work_off,
)
from tests.standins.serve_app import serve

CARE, SALES = mapping("care", "care"), mapping("sales", "sales")


@dataclass
class Running:
    environment: TwoWorkspacesEnvironment
    controller: BridgeController
    live: LiveConfig
    address: str

    def tell(self, workspace: Workspace, secret: str | None = None) -> int:
        """Deliver the newest that a workspace told, at its own door; the answer's status."""
        door, payload = f"{DOOR}/{workspace.name}", workspace.told[-1]
        return deliver(self.address, payload, secret or workspace.secret, door).status_code


@pytest.fixture
def running(environment: TwoWorkspacesEnvironment) -> Iterator[Running]:
    """A bridge that follows one of two workspaces."""
    only_care = {"care": environment.workspaces["care"].settings}
    environment.configure(CARE, workspaces=only_care)
    config, adapters = load_config(environment.config), AdapterCache()
    with open_controller(config, adapters) as controller:
        live = LiveConfig(environment.config, config, controller, adapters, serving=True)
        with serve(
            create_app(WebSettings(get_current_time, lambda: live.endpoints), controller.inbox)
        ) as address:
            yield Running(environment, controller, live, address)


def test_a_new_workspace_has_its_door_and_its_mapping_at_once(running: Running) -> None:
    sales = running.environment.workspaces["sales"]
    sales.save("pitch", "Be brief.")
    assert running.tell(sales) == 404

    running.environment.configure(CARE, SALES)
    assert running.live.reload() == frozenset({"sales"})

    assert running.tell(sales) == 202
    work_off(running.controller)
    assert running.environment.proposed().keys() == {"promptlayer/sales/latest/1"}


def test_a_workspace_that_is_gone_has_no_door_any_more(running: Running) -> None:
    running.environment.configure(CARE, SALES)
    running.live.reload()
    sales = running.environment.workspaces["sales"]
    sales.save("pitch", "Be brief.")
    only_care = {"care": running.environment.workspaces["care"].settings}

    running.environment.configure(CARE, workspaces=only_care)

    assert running.live.reload() == frozenset()
    assert running.tell(sales) == 404


def test_secrets_are_exchanged_one_after_the_other_without_a_gap(running: Running) -> None:
    care = running.environment.workspaces["care"]
    care.save("greeting", "Be kind.")
    both = {**care.settings, "webhook_secret": None, "webhook_secrets": [care.secret, "whsec_2"]}
    new = {**care.settings, "webhook_secret": "whsec_2"}
    answers = []

    for settings in (both, new):
        running.environment.configure(CARE, workspaces={"care": settings})
        assert running.live.reload() == frozenset()
        answers += [running.tell(care), running.tell(care, "whsec_2")]

    assert answers == [202, 202, 401, 202]


def test_a_mistake_keeps_what_was_in_force_and_is_told_loudly(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = (running.live.config, running.live.endpoints, running.controller.contexts)
    loaded_at = running.live.state.loaded_at
    running.environment.configure(CARE, {**SALES, "brunch": "x"})

    with caplog.at_level(logging.ERROR):
        assert running.live.reload() is None

    told = "bridge.yaml:38: mappings[1].brunch: this setting is not known; did you mean branch?"
    assert running.live.state.mistake is not None
    assert running.live.state.mistake.endswith(told)
    assert told in caplog.text
    assert running.live.state.loaded_at == loaded_at
    assert (running.live.config, running.live.endpoints, running.controller.contexts) == before
    care = running.environment.workspaces["care"]
    care.save("greeting", "Be kind.")
    assert running.tell(care) == 202


def test_once_the_mistake_is_mended_it_is_forgotten(running: Running) -> None:
    running.environment.config.write_text("promptlayer: [")
    assert running.live.reload() is None
    running.environment.configure(CARE, SALES)

    assert running.live.reload() == frozenset({"sales"})

    assert running.live.state.mistake is None


@pytest.mark.parametrize("settings", [{"api_key": "a key"}])
def test_what_only_building_shows_is_a_mistake_too(
    running: Running, settings: dict[str, str | None]
) -> None:
    """A key that no client takes."""
    before = running.controller.contexts
    sales = {**running.environment.workspaces["sales"].settings, **settings}
    care = running.environment.workspaces["care"].settings
    running.environment.configure(CARE, SALES, workspaces={"care": care, "sales": sales})

    assert running.live.reload() is None

    assert running.live.state.mistake
    assert running.controller.contexts is before


def test_what_cannot_change_while_running_waits_for_the_next_start(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = running.live.config
    only_care = {"care": running.environment.workspaces["care"].settings}
    more = {"workspaces": only_care, "sweep": "5m", "quiet": "7s"}
    running.environment.configure(CARE, **more, data="elsewhere", workers=3)

    running.live.reload()

    assert running.live.state.settings_pending_restart == ("data", "workers")
    assert "the setting data has changed: that takes effect at the next start" in caplog.text
    assert (running.live.config.data, running.live.config.workers) == (before.data, before.workers)
    assert running.live.config.sweep == timedelta(minutes=5)
    assert not (running.environment.folder / "elsewhere").exists()
    running.environment.configure(CARE, **more)
    running.live.reload()
    assert not running.live.state.settings_pending_restart


def test_what_did_not_change_goes_on_as_it_was(running: Running) -> None:
    before = running.controller.contexts["care"]
    running.environment.configure(CARE, SALES)

    running.live.reload()

    after = running.controller.contexts
    assert not after["care"].differs_from(before)
    assert after["sales"].forge is before.forge
    assert after["sales"].mirror is before.mirror
    assert after["sales"].promptlayer is not before.promptlayer


def test_a_step_under_way_ends_with_the_client_it_began_with_which_is_then_let_go(
    running: Running,
) -> None:
    care = running.environment.workspaces["care"]
    care.save("greeting", "Be kind.")
    context = running.controller.contexts["care"]
    let_go = weakref.ref(context.promptlayer)
    with_key = {"care": {**care.settings, "api_key": "pl_another"}}
    running.environment.configure(CARE, workspaces=with_key)

    assert running.live.reload() == frozenset({"care"})

    assert running.controller.contexts["care"].promptlayer is not context.promptlayer
    assert context.promptlayer.find_prompt(1) is not None
    del context
    gc.collect()
    assert let_go() is None


def test_what_waits_for_a_mapping_that_is_gone_is_parked_once_everybody_has_heard(
    running: Running,
) -> None:
    """Of a new mapping, another process may have heard sooner than this one: no hurry."""
    care = running.environment.workspaces["care"]
    care.save("greeting", "Be kind.")
    running.tell(care)
    waiting: list[str] = []
    Dispatcher(running.controller).dispatch_deliveries(
        lambda proposal: waiting.append(proposal.branch), lambda *_: None
    )
    (proposal,) = running.controller.find_pending_proposals()
    running.environment.configure(mapping("other", "care"))
    running.live.reload()

    assert Reconciler(running.controller).reconcile(proposal) is not None
    running.controller.clock = lambda: get_current_time() + timedelta(minutes=3)
    assert Reconciler(running.controller).reconcile(proposal) is None

    (delivery,) = running.controller.inbox.list_recent(10)
    assert delivery.state is DeliveryState.PARKED
    assert "There is no mapping care any more." in str(delivery.outcome)


def reloading_of(running: Running) -> tuple[list[BridgeConfig], ConfigReloader]:
    """And the configuration in force after each try."""
    heard: list[BridgeConfig] = []
    files = FileWatcher(ConfigFiles(running.environment.config))

    def hear() -> None:
        heard.append(running.live.config)

    return heard, ConfigReloader(running.live, files, threading.Event(), None, hear)


def test_a_file_that_changes_is_taken_over_once_it_rests(running: Running) -> None:
    heard, reloading = reloading_of(running)
    running.environment.configure(CARE, SALES)
    seen = []

    for _ in range(3):
        reloading.reload_if_changed(asked=False)
        seen.append(len(running.controller.contexts))

    assert seen == [1, 2, 2]
    assert heard == [running.live.config]


def test_a_secret_in_a_file_is_exchanged_while_the_bridge_runs(running: Running) -> None:
    care = running.environment.workspaces["care"]
    care.save("greeting", "Be kind.")
    file = running.environment.folder / "secret"
    file.write_text(care.secret)
    named = {**care.settings, "webhook_secret": "${file:secret}"}
    running.environment.configure(CARE, workspaces={"care": named})
    _, reloading = reloading_of(running)
    reloading.reload_if_changed(asked=True)
    before = running.tell(care)

    file.write_text("whsec_another\n")
    for _ in range(2):
        reloading.reload_if_changed(asked=False)

    answers = [running.tell(care), running.tell(care, "whsec_another")]
    assert [before, *answers] == [202, 401, 202]


def test_who_asks_gets_it_at_once_and_once(running: Running) -> None:
    heard, reloading = reloading_of(running)
    running.environment.configure(CARE, SALES)

    reloading.reload_if_changed(asked=True)
    reloading.reload_if_changed(asked=False)
    reloading.reload_if_changed(asked=False)

    assert set(running.controller.contexts) == {"care", "sales"}
    assert len(heard) == 1


def test_a_file_of_the_folder_is_watched_from_the_moment_it_comes(running: Running) -> None:
    folder = running.environment.folder / "mappings.d"
    folder.mkdir()
    running.environment.configure(CARE, mappings_folder="mappings.d")
    _, reloading = reloading_of(running)

    (folder / "sales.yaml").write_text("mappings:\n  - " + _inline(SALES))
    for _ in range(2):
        reloading.reload_if_changed(asked=False)

    assert set(running.controller.contexts) == {"care", "sales"}


def _inline(settings: dict[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {value!r}" for key, value in settings.items()) + "}\n"


def test_a_private_key_that_was_exchanged_makes_another_adapter(tmp_path: Path) -> None:
    (tmp_path / "app.pem").write_text("one")
    config = tmp_path / "bridge.yaml"
    config.write_text(
        "promptlayer: {api_key: key}\n"
        "forges: {hub: {type: github, app_id: 1, private_key_file: app.pem}}\n"
        'mappings: [{name: a, prompts: ["**"], repository: "hub:acme/a"}]\n'
    )
    adapters = AdapterCache()
    first = adapters.build_contexts(load_config(config))["a"]
    same = adapters.build_contexts(load_config(config))["a"]
    watching = FileWatcher(ConfigFiles(config))

    (tmp_path / "app.pem").write_text("two")

    assert [watching.has_changed(), watching.has_changed()] == [False, True]
    assert same.forge is first.forge
    assert adapters.build_contexts(load_config(config))["a"].forge is not first.forge
    adapters.close()


def test_a_workspace_that_loses_its_secret_is_told_and_receives_no_webhooks(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    care = running.environment.workspaces["care"]
    running.environment.configure(
        CARE, workspaces={"care": {**care.settings, "webhook_secret": None}}
    )

    running.live.reload()

    care.save("greeting", "Say hello.")
    assert running.tell(care) == 404
    assert "workspaces.care.webhook_secret is not set: serve receives no webhooks" in caplog.text
