"""Everything around the bridge: PromptLayer's stand-in, GitHub's stand-in and a local forge, all
on real ports and real disks, and the bridge's own folder and configuration."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bridge.engine.reconcile_store import LatestOutcome, ReconcileStore
from bridge.forge.forge import PullRequest
from bridge.forge.local_forge import LocalForge
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import parse_prompt_file
from bridge.prompts.prompt import Prompt
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import (
    RegistryVersion,
    build_chat_template,
    build_model_metadata,
)
from bridge.sandbox.webhook_sender import WebhookSender
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox, DeliveryState
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH
from tests.e2e.bridge_process import (
    PATIENCE,
    BridgeProcess,
    reserved_port,
    start,
    until,
    until_healthy,
)
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.git_http import read_file
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Pull, Repository
from tests.standins.serve_app import serve

REPOSITORY = "acme/support-bot"
API_KEY = "pl_an-api-key-that-must-stay-secret"
SECRET = "a-webhook-secret-that-must-stay-secret"
DASHBOARD_SECRET = "a-dashboard-secret-that-must-stay-secret"
UNFINISHED = {DeliveryState.NEW, DeliveryState.DISPATCHED}
FIRST_FILES = {"README.md": b"# support-bot\n"}

Mapping_ = Mapping[str, Any]


def mapping(name: str, repository: str, **settings: Any) -> Mapping_:
    """A mapping of the configuration; follows every prompt unless told otherwise."""
    followed = {"prompts": ["**"], "path": "prompts/{prompt}.yaml"}
    return {"name": name, "repository": repository, **followed, **settings}


ON_GITHUB = mapping("support", f"github:{REPOSITORY}")
ON_DISK = mapping("support", f"local:{REPOSITORY}")


class ProductEnvironment:
    """The servers, and the hand of a test in them."""

    def __init__(self, folder: Path, port: int, leaving: ExitStack) -> None:
        self.folder = folder
        self.leaving = leaving
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.registry = PromptRegistry()
        self.platform_faults = Faults()
        self.platform_url = ""
        self.webhooks = WebhookSender([(f"{self.address}{PROMPTLAYER_WEBHOOK_PATH}", SECRET)])
        self.github = GitHubStandIn(folder / "github")
        self.repository: Repository = self.github.repository(REPOSITORY, FIRST_FILES)
        self.github_token = self.github.token("bot")
        LocalForge.create_repository(folder / "local", REPOSITORY, FIRST_FILES)
        self.local = LocalForge(folder / "local", REPOSITORY)
        self.config = folder / "bridge.yaml"
        self.data = folder / "bridge-data"
        self.database: str | None = None  # where the bridge keeps its books; None: in its folder
        self.bridges: list[BridgeProcess] = []
        self._logs = itertools.count(1)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PROMPTLAYER_API_KEY": API_KEY,
            "PROMPTLAYER_WEBHOOK_SECRET": SECRET,
            "DASHBOARD_SECRET": DASHBOARD_SECRET,
            "GITHUB_TOKEN": self.github_token,
        }

    @property
    def faults(self) -> tuple[Faults, Faults]:
        """Of both servers that the bridge asks."""
        return self.platform_faults, self.github.faults

    @property
    def logs(self) -> str:
        return "\n".join(bridge.said for bridge in self.bridges)

    # The bridge

    def configure(
        self,
        *mappings: Mapping_,
        promptlayer: Mapping_ | None = None,
        forges: Mapping_ | None = None,
        **settings: Any,
    ) -> None:
        """Write bridge.yaml; every JSON document is YAML."""
        document = {
            "promptlayer": {
                "api_key": "${PROMPTLAYER_API_KEY}",
                "webhook_secret": "${PROMPTLAYER_WEBHOOK_SECRET}",
                "base_url": self.platform_url,
                "timeout": "5s",
                **(promptlayer or {}),
            },
            "forges": {
                "github": {"type": "github", "url": self.github.url, "token": "${GITHUB_TOKEN}"},
                "local": {"type": "local", "root": "local"},
                **(forges or {}),
            },
            "mappings": mappings,
            "quiet": "100ms",
            "sweep": "1h",
            **({"database": self.database} if self.database else {}),
            **settings,
        }
        self.config.write_text(json.dumps(document, indent=2))

    def serve(self, *words: str) -> BridgeProcess:
        """``serve``, once it answers."""
        bridge = self.start("serve", "--port", str(self.port), *words)
        until_healthy(bridge, self.address)
        return bridge

    def serve_swept(self) -> BridgeProcess:
        """``serve``, once its sweep at the start is over and nothing waits."""
        bridge = self.serve()
        bridge.until_it_says("sweep of ")
        self.until_settled()
        return bridge

    def start(self, *words: str) -> BridgeProcess:
        """A bridge process that stays; it is killed at the end of the test at the latest."""
        log = self.folder / f"bridge-{next(self._logs)}.log"
        bridge = start([*words, "--config", str(self.config)], self.environment, log)
        self.bridges.append(bridge)
        return bridge

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "bridge", *words, "--config", str(self.config)],
            env={**self.environment, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    # PromptLayer

    def save(self, name: str, text: str) -> RegistryVersion:
        """Somebody saves a prompt."""
        metadata = build_model_metadata("openai", "gpt-4o", temperature=0.2)
        return self.registry.save_version(
            name, build_chat_template(("system", text)), metadata=metadata
        )

    def held(self, prompt_id: int) -> Prompt:
        """What PromptLayer holds, as the bridge would read it."""
        with PromptLayerClient(API_KEY, base_url=self.platform_url) as promptlayer:
            found = promptlayer.find_prompt(prompt_id)
        assert found is not None
        return found

    # The forges

    def pulls(self) -> list[Pull]:
        self.repository.refresh()
        return list(self.repository.pulls.values())

    def file_on_github(self, pull: Pull, name: str) -> Prompt:
        """The prompt file that a pull request brings."""
        return _file_in(self.repository.path, pull.head, name)

    def file_on_disk(self, pull: PullRequest, name: str) -> Prompt:
        return _file_in(self.folder / "local" / f"{REPOSITORY}.git", pull.head_branch, name)

    # The bridge's books

    def deliveries(self, limit: int = 1000) -> list[Delivery]:
        """The newest."""
        return self._inbox.list_recent(limit)

    def stuck(self) -> Sequence[LatestOutcome]:
        return ReconcileStore(self.books, _now).find_stuck()

    def until_settled(self) -> None:
        """Every event was delivered, and every look is over."""
        assert self.webhooks.wait_until_sent(PATIENCE)
        until(self.settled, "something still waits", self.bridges[-1])

    def settled(self) -> bool:
        """Whether nothing that was delivered waits for anything."""
        if ReconcileStore(self.books, _now).find_pending_proposals():
            return False
        return not any(delivery.state in UNFINISHED for delivery in self.deliveries())

    @cached_property
    def books(self) -> Database:
        """Opened once, as tests ask again and again until something has happened."""
        database = Database(self.database or f"sqlite:///{self.data / 'bridge.sqlite'}")
        self.leaving.callback(database.close)
        return database

    @cached_property
    def _inbox(self) -> DeliveryInbox:
        return self.leaving.enter_context(closing(DeliveryInbox(self.books, _now)))


@contextmanager
def start_product_environment(folder: Path) -> Iterator[ProductEnvironment]:
    """A scene whose servers run; whatever bridge is left at the end is killed."""
    with ExitStack() as stack:
        environment = ProductEnvironment(folder, stack.enter_context(reserved_port()), stack)
        stack.callback(environment.webhooks.close)
        platform = create_promptlayer_app(
            environment.registry, api_key=API_KEY, webhooks=environment.webhooks
        )
        watched = WithFaults(platform, environment.platform_faults)
        environment.platform_url = stack.enter_context(serve(watched))
        stack.enter_context(environment.github.serving())
        environment.configure(ON_GITHUB)
        try:
            yield environment
        finally:
            for bridge in environment.bridges:
                if bridge.alive:
                    bridge.kill()


def _file_in(repository: Path, branch: str, name: str) -> Prompt:
    path = f"prompts/{name}.yaml"
    return parse_prompt_file(read_file(repository, branch, path), path=path).prompt


def _now() -> datetime:
    return datetime.now(UTC)
