"""The environment of the demo: PromptLayer's stand-in, the real bridge in a process of its own, and
a local forge.

They communicate as in production: webhooks are signed and sent by HTTP, git fetches and pushes.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import uvicorn
from starlette.applications import Starlette

from bridge.errors import ConfigError, UnavailableError
from bridge.forge.local_forge import LocalForge
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.demo_engineer import DemoEngineer
from bridge.sandbox.forge_announcer import LocalForgeWebhookSender
from bridge.sandbox.forge_page import create_forge_page
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.webhook_sender import WebhookSender

DEMO_REPOSITORY = "acme/support-bot"
DEMO_LABEL = "prod"
DEMO_MAPPING = "support"
DEMO_WORKFLOW = "answer-quality"

_STEP_TIMEOUT = 60.0  # seconds for one step
_PORTS = {"promptlayer": 8485, "forge": 8486, "bridge": 8484}
_SECRET_BYTES = 15  # 20 characters to type
_MARKER_FILE = ".promptlayer-bridge-demo"  # a folder without this file is not removed


@dataclass(frozen=True)
class DemoEnvironment:
    """The running parts of the demo, and their addresses."""

    folder: Path
    registry: PromptRegistry
    forge: LocalForge
    webhooks: WebhookSender
    addresses: dict[str, str]
    command: BridgeCommand
    dashboard_secret: str = field(repr=False)

    @property
    def engineer(self) -> DemoEngineer:
        return DemoEngineer(self.forge, self.folder / "engineer")

    def list_deliveries(self) -> list[JsonObject]:
        """The deliveries that the bridge lists."""
        answer = subprocess.run(
            self.command.build_arguments("deliveries", "list", "--json", "--limit", "1000"),
            env=self.command.environment,
            capture_output=True,
            check=True,
        )
        listed: list[JsonObject] = json.loads(answer.stdout)["deliveries"]
        return listed


@dataclass(frozen=True)
class BridgeCommand:
    """The command line of the demo's bridge."""

    config: Path
    environment: dict[str, str] = field(repr=False)

    def build_arguments(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "bridge", *words, "--config", str(self.config)]


@contextmanager
def open_demo_environment(folder: Path, *, fixed_ports: bool) -> Iterator[DemoEnvironment]:
    """Start all parts in ``folder``, which is recreated, and end them with the block."""
    _make_anew(folder)
    with ExitStack() as stack:
        sockets = {name: _socket(port if fixed_ports else 0) for name, port in _PORTS.items()}
        addresses = {name: f"http://127.0.0.1:{s.getsockname()[1]}" for name, s in sockets.items()}
        api_key, secret = f"pl_{secrets.token_hex(16)}", secrets.token_hex(16)
        forge_secret = secrets.token_hex(16)
        forge = _forge(folder, addresses["forge"])
        registry = PromptRegistry()
        webhooks = WebhookSender([(f"{addresses['bridge']}/webhooks/promptlayer", secret)])
        stack.callback(webhooks.close)
        platform = create_promptlayer_app(registry, api_key=api_key, webhooks=webhooks)
        platform.state.evaluations.add_workflow(DEMO_WORKFLOW, {"tone": 0.95, "length": 0.9})
        stack.enter_context(_served(platform, sockets["promptlayer"]))
        stack.enter_context(_served(create_forge_page(folder / "forge"), sockets["forge"]))
        config = folder / "bridge.yaml"
        config.write_text(_config(addresses), encoding="utf-8")
        named = {"PROMPTLAYER_API_KEY": api_key, "PROMPTLAYER_WEBHOOK_SECRET": secret}
        named["FORGE_WEBHOOK_SECRET"] = forge_secret
        named["DASHBOARD_SECRET"] = dashboard_secret = secrets.token_urlsafe(_SECRET_BYTES)
        command = BridgeCommand(config, {**os.environ, **named})
        port = sockets["bridge"].getsockname()[1]
        sockets["bridge"].close()
        stack.enter_context(_bridge(command, port, folder / "bridge.log"))
        told = f"{addresses['bridge']}/webhooks/local"
        announcer = LocalForgeWebhookSender(
            folder / "forge", DEMO_REPOSITORY, url=told, secret=forge_secret
        )
        stack.enter_context(announcer.run())
        yield DemoEnvironment(
            folder, registry, forge, webhooks, addresses, command, dashboard_secret
        )


def _make_anew(folder: Path) -> None:
    if folder.exists():
        if not (folder / _MARKER_FILE).exists() and any(folder.iterdir()):
            raise ConfigError(
                f"{folder} holds something else; give the demo a --folder of its own."
            )
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        (folder / _MARKER_FILE).touch()
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}.") from None


def _socket(port: int) -> socket.socket:
    """A listening socket at the wanted port, or at any where that is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.bind(("127.0.0.1", 0))
    return listening


def _forge(folder: Path, page: str) -> LocalForge:
    readme = b"# support-bot\n\nIts prompts are in `prompts/`, proposed by promptlayer-bridge.\n"
    LocalForge.create_repository(folder / "forge", DEMO_REPOSITORY, {"README.md": readme})
    return LocalForge(folder / "forge", DEMO_REPOSITORY, page_url=page)


def _config(addresses: dict[str, str]) -> str:
    return f"""\
promptlayer:
  api_key: ${{PROMPTLAYER_API_KEY}}
  webhook_secret: ${{PROMPTLAYER_WEBHOOK_SECRET}}
  base_url: {addresses["promptlayer"]}
  dashboard_url: {addresses["promptlayer"]}
forges:
  local:
    type: local
    root: forge
    page_url: {addresses["forge"]}
    webhook_secret: ${{FORGE_WEBHOOK_SECRET}}
mappings:
  - name: {DEMO_MAPPING}
    prompts: ["**"]
    repository: local:{DEMO_REPOSITORY}
    track: [latest, {DEMO_LABEL}]
    pull_request: {{labels: [prompt]}}
    publish: true
    evals: {{minimum: 0.8, workflow: {DEMO_WORKFLOW}, run: bridge}}
dashboard:
  operator_secret: ${{DASHBOARD_SECRET}}
quiet: 1s
sweep: 1m
"""


@contextmanager
def _served(app: Starlette, listening: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "a server of the demo did not start")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listening.close()


@contextmanager
def _bridge(command: BridgeCommand, port: int, log: Path) -> Iterator[None]:
    """Start the bridge as a user would."""
    words = command.build_arguments("serve", "--port", str(port))
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=command.environment, stdout=output, stderr=output)
        try:
            wait_until(lambda: _healthy(process, port, log), f"the bridge did not start; see {log}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    if process.poll() is not None:
        raise UnavailableError(
            f"The bridge ended at once:\n{log.read_text(errors='replace')[-2000:]}"
        )
    try:
        with create_local_client(timeout=2) as client:
            return client.get(f"http://127.0.0.1:{port}/healthz").is_success
    except httpx2.HTTPError:
        return False


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until the condition holds. Raises UnavailableError after the time limit."""
    deadline = time.monotonic() + _STEP_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise UnavailableError(f"After {_STEP_TIMEOUT:.0f} seconds {otherwise}.")
        time.sleep(0.05)
