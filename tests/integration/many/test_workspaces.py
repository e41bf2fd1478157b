"""Several PromptLayer workspaces behind one bridge: each with its key, its secret and its door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bridge.cli.opening import opened_worker
from bridge.config.whole import load
from bridge.engine.sync import synchronise
from bridge.engine.worker import Worker
from bridge.promptlayer.workspace import PROMPTLAYER
from bridge.prompts.outcome import OutcomeKind
from bridge.storage.inbox import DeliveryState
from bridge.web.app import WebSettings, create_app
from bridge.wiring import doors_of, now
from tests.integration.many.town import DOOR, Town, Workspace, deliver, mapping, work_off
from tests.standins.serving import serve

CARE, SALES = mapping("care", "care"), mapping("sales", "sales")


@dataclass
class Running:
    town: Town
    worker: Worker
    address: str

    def tell(self, workspace: Workspace) -> None:
        """Deliver what a workspace has told so far, at its own door."""
        for payload in workspace.told:
            door = f"{DOOR}/{workspace.name}"
            assert deliver(self.address, payload, workspace.secret, door).status_code == 202


@pytest.fixture
def running(town: Town) -> Iterator[Running]:
    town.configure(CARE, SALES)
    config = load(town.config)
    with opened_worker(config) as worker:
        doors = doors_of(config)
        app = create_app(WebSettings(now, lambda: doors), worker.inbox)
        with serve(app) as address:
            yield Running(town, worker, address)


def test_prompts_of_one_number_in_two_workspaces_are_two_prompts(running: Running) -> None:
    care, sales = running.town.workspaces.values()
    assert care.save("greeting", "Be kind.") == sales.save("pitch", "Be brief.")
    running.tell(care)
    running.tell(sales)

    deliveries = work_off(running.worker)

    assert {delivery.source for delivery in deliveries} == {"promptlayer:care", "promptlayer:sales"}
    assert {delivery.state for delivery in deliveries} == {DeliveryState.DONE}
    proposed = running.town.proposed()
    assert proposed.keys() == {"promptlayer/care/latest/1", "promptlayer/sales/latest/1"}
    assert "Be kind." in proposed["promptlayer/care/latest/1"]
    assert "Be brief." in proposed["promptlayer/sales/latest/1"]


def test_an_event_of_one_workspace_asks_for_no_look_at_another(running: Running) -> None:
    care, sales = running.town.workspaces.values()
    care.save("greeting", "Be kind.")
    sales.save("greeting", "Be brief.")
    running.tell(care)

    work_off(running.worker)

    assert running.town.proposed().keys() == {"promptlayer/care/latest/1"}


def test_the_same_content_told_by_two_workspaces_is_two_deliveries(running: Running) -> None:
    care, sales = running.town.workspaces.values()
    care.save("greeting", "Be kind.")
    sales.told[:] = care.told
    running.tell(care)
    running.tell(sales)
    running.tell(sales)

    assert [(each.source, each.seen) for each in running.worker.inbox.recent(10)] == [
        ("promptlayer:sales", 2),
        ("promptlayer:care", 1),
    ]


@pytest.mark.parametrize(
    ("door", "secret", "status"),
    [
        ("/care", "whsec_care", 202),
        ("/care", "whsec_sales", 401),
        ("/nobody", "whsec_care", 404),
        ("", "whsec_care", 404),
        ("/care/more", "whsec_care", 404),
    ],
)
def test_each_workspace_has_a_door_and_a_secret_of_its_own(
    running: Running, door: str, secret: str, status: int
) -> None:
    care = running.town.workspaces["care"]
    care.save("greeting", "Be kind.")

    answer = deliver(running.address, care.told[-1], secret, DOOR + door)

    assert answer.status_code == status
    assert len(running.worker.inbox.recent(10)) == (status == 202)


def test_the_only_workspace_keeps_its_door_and_its_deliveries_their_numbers(town: Town) -> None:
    care = town.workspaces["care"]
    town.configure({**CARE, "workspace": None}, workspaces={}, promptlayer=care.settings)
    config = load(town.config)
    care.save("greeting", "Be kind.")

    with opened_worker(config) as worker:
        app = create_app(WebSettings(now, lambda: doors_of(config)), worker.inbox)
        with serve(app) as address:
            assert deliver(address, care.told[-1], care.secret, f"{DOOR}/care").status_code == 404
            assert deliver(address, care.told[-1], care.secret).status_code == 202
        (delivery,) = work_off(worker)

    assert delivery.source == PROMPTLAYER
    assert town.proposed().keys() == {"promptlayer/care/latest/1"}


def test_a_sync_asks_each_mappings_own_workspace_and_is_in_step_after_the_merge(
    running: Running,
) -> None:
    for workspace in running.town.workspaces.values():
        workspace.save("greeting", f"This is {workspace.name}.")

    synchronise(running.worker, ["care", "sales"], lambda *_: None)

    assert len(running.town.proposed()) == 2
    for pull in running.town.forge.open_pull_requests("promptlayer/"):
        running.town.forge.merge(pull.number)
    again = synchronise(running.worker, ["care", "sales"], lambda *_: None)
    assert {each.kind for each in again} == {OutcomeKind.IN_STEP}


def test_a_link_leads_to_the_workspaces_own_dashboard(town: Town) -> None:
    care = {**town.workspaces["care"].settings, "dashboard_url": "https://eu.example.com/"}
    town.configure(CARE, workspaces={"care": care})

    with opened_worker(load(town.config)) as worker:
        assert worker.sites["care"].version_url.startswith("https://eu.example.com/workspace/")
