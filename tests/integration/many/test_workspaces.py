"""Several PromptLayer workspaces behind one bridge: each with its key, its secret and its door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bridge.cli.resources import open_controller
from bridge.config.bridge_config import load_config
from bridge.engine.controller import BridgeController
from bridge.engine.sync_mappings import sync_mappings
from bridge.promptlayer.workspace_source import PROMPTLAYER_SOURCE
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.storage.inbox import DeliveryState
from bridge.web.app import WebSettings, create_app
from bridge.wiring import build_webhook_endpoints, get_current_time
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
    address: str

    def tell(self, workspace: Workspace) -> None:
        """Deliver what a workspace has told so far, at its own door."""
        for payload in workspace.told:
            door = f"{DOOR}/{workspace.name}"
            assert deliver(self.address, payload, workspace.secret, door).status_code == 202


@pytest.fixture
def running(environment: TwoWorkspacesEnvironment) -> Iterator[Running]:
    environment.configure(CARE, SALES)
    config = load_config(environment.config)
    with open_controller(config) as controller:
        endpoints = build_webhook_endpoints(config)
        app = create_app(WebSettings(get_current_time, lambda: endpoints), controller.inbox)
        with serve(app) as address:
            yield Running(environment, controller, address)


def test_prompts_of_one_number_in_two_workspaces_are_two_prompts(running: Running) -> None:
    care, sales = running.environment.workspaces.values()
    assert care.save("greeting", "Be kind.") == sales.save("pitch", "Be brief.")
    running.tell(care)
    running.tell(sales)

    deliveries = work_off(running.controller)

    assert {delivery.source for delivery in deliveries} == {"promptlayer:care", "promptlayer:sales"}
    assert {delivery.state for delivery in deliveries} == {DeliveryState.DONE}
    proposed = running.environment.proposed()
    assert proposed.keys() == {"promptlayer/care/latest/1", "promptlayer/sales/latest/1"}
    assert "Be kind." in proposed["promptlayer/care/latest/1"]
    assert "Be brief." in proposed["promptlayer/sales/latest/1"]


def test_an_event_of_one_workspace_asks_for_no_look_at_another(running: Running) -> None:
    care, sales = running.environment.workspaces.values()
    care.save("greeting", "Be kind.")
    sales.save("greeting", "Be brief.")
    running.tell(care)

    work_off(running.controller)

    assert running.environment.proposed().keys() == {"promptlayer/care/latest/1"}


def test_the_same_content_told_by_two_workspaces_is_two_deliveries(running: Running) -> None:
    care, sales = running.environment.workspaces.values()
    care.save("greeting", "Be kind.")
    sales.told[:] = care.told
    running.tell(care)
    running.tell(sales)
    running.tell(sales)

    assert [(each.source, each.seen) for each in running.controller.inbox.list_recent(10)] == [
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
    care = running.environment.workspaces["care"]
    care.save("greeting", "Be kind.")

    answer = deliver(running.address, care.told[-1], secret, DOOR + door)

    assert answer.status_code == status
    assert len(running.controller.inbox.list_recent(10)) == (status == 202)


def test_the_only_workspace_keeps_its_door_and_its_deliveries_their_numbers(
    environment: TwoWorkspacesEnvironment,
) -> None:
    care = environment.workspaces["care"]
    environment.configure({**CARE, "workspace": None}, workspaces={}, promptlayer=care.settings)
    config = load_config(environment.config)
    care.save("greeting", "Be kind.")

    with open_controller(config) as controller:
        app = create_app(
            WebSettings(get_current_time, lambda: build_webhook_endpoints(config)), controller.inbox
        )
        with serve(app) as address:
            assert deliver(address, care.told[-1], care.secret, f"{DOOR}/care").status_code == 404
            assert deliver(address, care.told[-1], care.secret).status_code == 202
        (delivery,) = work_off(controller)

    assert delivery.source == PROMPTLAYER_SOURCE
    assert environment.proposed().keys() == {"promptlayer/care/latest/1"}


def test_a_sync_asks_each_mappings_own_workspace_and_is_in_step_after_the_merge(
    running: Running,
) -> None:
    for workspace in running.environment.workspaces.values():
        workspace.save("greeting", f"This is {workspace.name}.")

    sync_mappings(running.controller, ["care", "sales"], lambda *_: None)

    assert len(running.environment.proposed()) == 2
    for pull in running.environment.forge.list_open_pull_requests("promptlayer/"):
        running.environment.forge.merge(pull.number)
    again = sync_mappings(running.controller, ["care", "sales"], lambda *_: None)
    assert {each.kind for each in again} == {ReconcileOutcomeKind.IN_STEP}


def test_a_link_leads_to_the_workspaces_own_dashboard(
    environment: TwoWorkspacesEnvironment,
) -> None:
    care = {**environment.workspaces["care"].settings, "dashboard_url": "https://eu.example.com/"}
    environment.configure(CARE, workspaces={"care": care})

    with open_controller(load_config(environment.config)) as controller:
        assert controller.contexts["care"].version_url_template.startswith(
            "https://eu.example.com/workspace/"
        )
