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

from bridge.cli.opening import opened_worker
from bridge.cli.reloading import LiveConfig, Reloading
from bridge.config.file_watch import FileWatch
from bridge.config.files import ConfigFiles
from bridge.config.whole import Config, load
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.reconciler import Reconciler
from bridge.engine.worker import Worker
from bridge.storage.inbox import DeliveryState
from bridge.web.app import WebSettings, create_app
from bridge.wiring import Adapters, now
from tests.integration.many.town import (
    DOOR,
    Town,
    Workspace,
    deliver,
    mapping,
    work_off,
)
from tests.standins.serving import serve

CARE, SALES = mapping("care", "care"), mapping("sales", "sales")


@dataclass
class Running:
    town: Town
    worker: Worker
    live: LiveConfig
    address: str

    def tell(self, workspace: Workspace, secret: str | None = None) -> int:
        """Deliver the newest that a workspace told, at its own door; the answer's status."""
        door, payload = f"{DOOR}/{workspace.name}", workspace.told[-1]
        return deliver(self.address, payload, secret or workspace.secret, door).status_code


@pytest.fixture
def running(town: Town) -> Iterator[Running]:
    """A bridge that follows one of two workspaces."""
    only_care = {"care": town.workspaces["care"].settings}
    town.configure(CARE, workspaces=only_care)
    config, adapters = load(town.config), Adapters()
    with opened_worker(config, adapters) as worker:
        live = LiveConfig(town.config, config, worker, adapters, serving=True)
        with serve(create_app(WebSettings(now, lambda: live.doors), worker.inbox)) as address:
            yield Running(town, worker, live, address)


def test_a_new_workspace_has_its_door_and_its_mapping_at_once(running: Running) -> None:
    sales = running.town.workspaces["sales"]
    sales.save("pitch", "Be brief.")
    assert running.tell(sales) == 404

    running.town.configure(CARE, SALES)
    assert running.live.reload() == frozenset({"sales"})

    assert running.tell(sales) == 202
    work_off(running.worker)
    assert running.town.proposed().keys() == {"promptlayer/sales/latest/1"}


def test_a_workspace_that_is_gone_has_no_door_any_more(running: Running) -> None:
    running.town.configure(CARE, SALES)
    running.live.reload()
    sales = running.town.workspaces["sales"]
    sales.save("pitch", "Be brief.")
    only_care = {"care": running.town.workspaces["care"].settings}

    running.town.configure(CARE, workspaces=only_care)

    assert running.live.reload() == frozenset()
    assert running.tell(sales) == 404


def test_secrets_are_exchanged_one_after_the_other_without_a_gap(running: Running) -> None:
    care = running.town.workspaces["care"]
    care.save("greeting", "Be kind.")
    both = {**care.settings, "webhook_secret": None, "webhook_secrets": [care.secret, "whsec_2"]}
    new = {**care.settings, "webhook_secret": "whsec_2"}
    answers = []

    for settings in (both, new):
        running.town.configure(CARE, workspaces={"care": settings})
        assert running.live.reload() == frozenset()
        answers += [running.tell(care), running.tell(care, "whsec_2")]

    assert answers == [202, 202, 401, 202]


def test_a_mistake_keeps_what_was_in_force_and_is_told_loudly(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = (running.live.config, running.live.doors, running.worker.sites)
    loaded_at = running.live.state.loaded_at
    running.town.configure(CARE, {**SALES, "brunch": "x"})

    with caplog.at_level(logging.ERROR):
        assert running.live.reload() is None

    told = "bridge.yaml:38: mappings[1].brunch: this setting is not known"
    assert running.live.state.mistake is not None
    assert running.live.state.mistake.endswith(told)
    assert told in caplog.text
    assert running.live.state.loaded_at == loaded_at
    assert (running.live.config, running.live.doors, running.worker.sites) == before
    care = running.town.workspaces["care"]
    care.save("greeting", "Be kind.")
    assert running.tell(care) == 202


def test_once_the_mistake_is_mended_it_is_forgotten(running: Running) -> None:
    running.town.config.write_text("promptlayer: [")
    assert running.live.reload() is None
    running.town.configure(CARE, SALES)

    assert running.live.reload() == frozenset({"sales"})

    assert running.live.state.mistake is None


@pytest.mark.parametrize("settings", [{"webhook_secret": None}, {"api_key": "a key"}])
def test_what_only_building_shows_is_a_mistake_too(
    running: Running, settings: dict[str, str | None]
) -> None:
    """A workspace without a secret, and a key that no client takes."""
    before = running.worker.sites
    sales = {**running.town.workspaces["sales"].settings, **settings}
    care = running.town.workspaces["care"].settings
    running.town.configure(CARE, SALES, workspaces={"care": care, "sales": sales})

    assert running.live.reload() is None

    assert running.live.state.mistake
    assert running.worker.sites is before


def test_what_cannot_change_while_running_waits_for_the_next_start(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = running.live.config
    only_care = {"care": running.town.workspaces["care"].settings}
    more = {"workspaces": only_care, "sweep": "5m", "quiet": "7s"}
    running.town.configure(CARE, **more, data="elsewhere", workers=3)

    running.live.reload()

    assert running.live.state.at_next_start == ("data", "workers")
    assert "the setting data has changed: that takes effect at the next start" in caplog.text
    assert (running.live.config.data, running.live.config.workers) == (before.data, before.workers)
    assert running.live.config.sweep == timedelta(minutes=5)
    assert not (running.town.folder / "elsewhere").exists()
    running.town.configure(CARE, **more)
    running.live.reload()
    assert not running.live.state.at_next_start


def test_what_did_not_change_goes_on_as_it_was(running: Running) -> None:
    before = running.worker.sites["care"]
    running.town.configure(CARE, SALES)

    running.live.reload()

    after = running.worker.sites
    assert not after["care"].differs(before)
    assert after["sales"].forge is before.forge
    assert after["sales"].mirror is before.mirror
    assert after["sales"].platform is not before.platform


def test_a_step_under_way_ends_with_the_client_it_began_with_which_is_then_let_go(
    running: Running,
) -> None:
    care = running.town.workspaces["care"]
    care.save("greeting", "Be kind.")
    site = running.worker.sites["care"]
    let_go = weakref.ref(site.platform)
    with_key = {"care": {**care.settings, "api_key": "pl_another"}}
    running.town.configure(CARE, workspaces=with_key)

    assert running.live.reload() == frozenset({"care"})

    assert running.worker.sites["care"].platform is not site.platform
    assert site.platform.prompt(1) is not None
    del site
    gc.collect()
    assert let_go() is None


def test_what_waits_for_a_mapping_that_is_gone_is_parked_once_everybody_has_heard(
    running: Running,
) -> None:
    """Of a new mapping, another process may have heard sooner than this one: no hurry."""
    care = running.town.workspaces["care"]
    care.save("greeting", "Be kind.")
    running.tell(care)
    waiting: list[str] = []
    Dispatcher(running.worker).dispatch_deliveries(
        lambda proposal: waiting.append(proposal.branch), lambda *_: None
    )
    (proposal,) = running.worker.unfinished()
    running.town.configure(mapping("other", "care"))
    running.live.reload()

    assert Reconciler(running.worker).reconcile(proposal) is not None
    running.worker.clock = lambda: now() + timedelta(minutes=3)
    assert Reconciler(running.worker).reconcile(proposal) is None

    (delivery,) = running.worker.inbox.recent(10)
    assert delivery.state is DeliveryState.PARKED
    assert "There is no mapping care any more." in str(delivery.outcome)


def reloading_of(running: Running) -> tuple[list[Config], Reloading]:
    """And the configuration in force after each try."""
    heard: list[Config] = []
    files = FileWatch(ConfigFiles(running.town.config))

    def hear() -> None:
        heard.append(running.live.config)

    return heard, Reloading(running.live, files, threading.Event(), None, hear)


def test_a_file_that_changes_is_taken_over_once_it_rests(running: Running) -> None:
    heard, reloading = reloading_of(running)
    running.town.configure(CARE, SALES)
    seen = []

    for _ in range(3):
        reloading.look(asked=False)
        seen.append(len(running.worker.sites))

    assert seen == [1, 2, 2]
    assert heard == [running.live.config]


def test_a_secret_in_a_file_is_exchanged_while_the_bridge_runs(running: Running) -> None:
    care = running.town.workspaces["care"]
    care.save("greeting", "Be kind.")
    file = running.town.folder / "secret"
    file.write_text(care.secret)
    named = {**care.settings, "webhook_secret": "${file:secret}"}
    running.town.configure(CARE, workspaces={"care": named})
    _, reloading = reloading_of(running)
    reloading.look(asked=True)
    before = running.tell(care)

    file.write_text("whsec_another\n")
    for _ in range(2):
        reloading.look(asked=False)

    answers = [running.tell(care), running.tell(care, "whsec_another")]
    assert [before, *answers] == [202, 401, 202]


def test_who_asks_gets_it_at_once_and_once(running: Running) -> None:
    heard, reloading = reloading_of(running)
    running.town.configure(CARE, SALES)

    reloading.look(asked=True)
    reloading.look(asked=False)
    reloading.look(asked=False)

    assert set(running.worker.sites) == {"care", "sales"}
    assert len(heard) == 1


def test_a_file_of_the_folder_is_watched_from_the_moment_it_comes(running: Running) -> None:
    folder = running.town.folder / "mappings.d"
    folder.mkdir()
    running.town.configure(CARE, mappings_folder="mappings.d")
    _, reloading = reloading_of(running)

    (folder / "sales.yaml").write_text("mappings:\n  - " + _inline(SALES))
    for _ in range(2):
        reloading.look(asked=False)

    assert set(running.worker.sites) == {"care", "sales"}


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
    adapters = Adapters()
    first = adapters.sites(load(config))["a"]
    same = adapters.sites(load(config))["a"]
    watching = FileWatch(ConfigFiles(config))

    (tmp_path / "app.pem").write_text("two")

    assert [watching.changed(), watching.changed()] == [False, True]
    assert same.forge is first.forge
    assert adapters.sites(load(config))["a"].forge is not first.forge
    adapters.close()
