"""Two PromptLayer workspaces whose prompts have the same numbers, a local forge, and one bridge
between them: real files, real HTTP, and the queues left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from bridge.engine.controller import BridgeController
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.reconciler import Reconciler
from bridge.engine.repository_jobs import RepositoryJob
from bridge.forge.local_forge import LocalForge
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.prompts.prompt import JsonObject
from bridge.prompts.target import Proposal
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from bridge.sandbox.webhook_sender import WebhookSender
from bridge.storage.inbox import Delivery
from tests.integration.switchable_app import SwitchableApp
from tests.standins.git_http import read_file

REPOSITORY = "acme/bot"
NAMES = ("care", "sales")
DOOR = "/webhooks/promptlayer"


@dataclass
class Workspace:
    name: str
    url: str
    registry: PromptRegistry
    told: list[JsonObject] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"pl_{self.name}"

    @property
    def secret(self) -> str:
        return f"whsec_{self.name}"

    @property
    def settings(self) -> dict[str, Any]:
        return {"api_key": self.key, "webhook_secret": self.secret, "base_url": self.url}

    def save(self, name: str, text: str) -> int:
        """Save a prompt; its id."""
        return self.registry.save_version(name, build_chat_template(("system", text))).prompt_id


@dataclass
class TwoWorkspacesEnvironment:
    folder: Path
    workspaces: Mapping[str, Workspace]

    @property
    def config(self) -> Path:
        return self.folder / "bridge.yaml"

    @property
    def forge(self) -> LocalForge:
        return LocalForge(self.folder / "forge", REPOSITORY)

    def configure(self, *mappings: Mapping[str, Any], **settings: Any) -> None:
        """Write bridge.yaml; every JSON document is YAML."""
        document = {
            "workspaces": {name: each.settings for name, each in self.workspaces.items()},
            "forges": {"local": {"type": "local", "root": "forge"}},
            "mappings": mappings,
            **settings,
        }
        self.config.write_text(json.dumps(document, indent=1))

    def proposed(self) -> dict[str, str]:
        """The text of the only file that each open pull request brings, by its branch."""
        return {
            pull.head_branch: read_file(
                self.folder / "forge" / f"{REPOSITORY}.git",
                pull.head_branch,
                _path(pull.head_branch),
            ).decode()
            for pull in self.forge.list_open_pull_requests("promptlayer/")
        }


def mapping(name: str, workspace: str, **settings: Any) -> dict[str, Any]:
    """Files of a mapping lie in a folder of its name, each named after its prompt's number."""
    return {
        "name": name,
        "workspace": workspace,
        "prompts": ["**"],
        "repository": f"local:{REPOSITORY}",
        "path": f"{name}/{{id}}.yaml",
        **settings,
    }


def _path(branch: str) -> str:
    _, mapping, _, id = branch.split("/")
    return f"{mapping}/{id}.yaml"


def town_in(
    folder: Path, servers: Mapping[str, tuple[SwitchableApp, str]]
) -> TwoWorkspacesEnvironment:
    """A new town; each workspace is on the server of its name."""
    LocalForge.create_repository(folder / "forge", REPOSITORY, {"README.md": b"# Bot\n"})
    workspaces = {}
    for number, (name, (served, url)) in enumerate(servers.items(), 1):
        registry = PromptRegistry(workspace_id=number)
        served.app = create_promptlayer_app(
            registry, api_key=f"pl_{name}", webhooks=WebhookSender()
        )
        workspaces[name] = Workspace(name, url, registry)
        registry.subscribe(workspaces[name].told.append)
    return TwoWorkspacesEnvironment(folder, workspaces)


def deliver(address: str, payload: JsonObject, secret: str, door: str = DOOR) -> httpx2.Response:
    """As PromptLayer does."""
    return httpx2.post(
        address + door,
        content=json.dumps(payload),
        headers={SIGNATURE_HEADER: sign_payload(payload, secret)},
        timeout=20,
    )


def work_off(controller: BridgeController) -> list[Delivery]:
    """Do everything that the deliveries so far ask for; the deliveries, the newest first."""
    waiting: list[Proposal] = []
    while Dispatcher(controller).dispatch_deliveries(waiting.append, _no_errand):
        pass
    for proposal in dict.fromkeys(waiting):
        assert Reconciler(controller).reconcile(proposal) is None
    return controller.inbox.list_recent(100)


def _no_errand(job: RepositoryJob, delivery_id: str) -> None:
    raise AssertionError(f"nobody asked for {job}")
