"""The demo: PromptLayer's stand-in, the real bridge as a process of its own, and a local forge.

Nothing is pretended between them: webhooks are signed and go over HTTP, git fetches and pushes.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import uvicorn
from rich.console import Console
from starlette.applications import Starlette

from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.forge.base import PullRequest, PullRequestState
from bridge.forge.local import LocalForge
from bridge.promptlayer.events import User
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.forge_page import forge_page
from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from bridge.sandbox.webhooks import Webhooks

REPOSITORY = "acme/support-bot"
PROMPT = "support/reply"
LABEL = "prod"
JANE = User(7, "Jane Doe", "jane@example.com")

_PATIENCE = 60.0  # seconds for one step
_PORTS = {"promptlayer": 8485, "forge": 8486, "bridge": 8484}
_OURS = ".promptlayer-bridge-demo"  # a folder without this file is not ours to remove


@dataclass(frozen=True)
class Scene:
    """Everything that runs, and where."""

    registry: Registry
    forge: LocalForge
    webhooks: Webhooks
    addresses: dict[str, str]
    command: Command

    def deliveries(self) -> list[JsonObject]:
        """What the bridge says of the deliveries it got."""
        answer = subprocess.run(
            self.command.of("deliveries", "list", "--json", "--limit", "1000"),
            env=self.command.environment,
            capture_output=True,
            check=True,
        )
        listed: list[JsonObject] = json.loads(answer.stdout)["deliveries"]
        return listed


@dataclass(frozen=True)
class Command:
    """How this demo's bridge is called."""

    config: Path
    environment: dict[str, str] = field(repr=False)

    def of(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "bridge", *words, "--config", str(self.config)]


def run_demo(folder: Path, *, once: bool, as_json: bool) -> bool:
    """Run it; with ``once`` the whole loop unattended. True when every step did what it should."""
    with _scene(folder.resolve(), fixed_ports=not once) as scene:
        if once:
            return _once(scene, as_json=as_json)
        _invite(scene)
        return True


@contextmanager
def _scene(folder: Path, *, fixed_ports: bool) -> Iterator[Scene]:
    _make_anew(folder)
    with ExitStack() as stack:
        sockets = {name: _socket(port if fixed_ports else 0) for name, port in _PORTS.items()}
        addresses = {name: f"http://127.0.0.1:{s.getsockname()[1]}" for name, s in sockets.items()}
        api_key, secret = f"pl_{secrets.token_hex(16)}", secrets.token_hex(16)
        forge = _forge(folder, addresses["forge"])
        registry = Registry()
        webhooks = Webhooks([(f"{addresses['bridge']}/webhooks/promptlayer", secret)])
        stack.callback(webhooks.close)
        platform = promptlayer_app(registry, api_key=api_key, webhooks=webhooks)
        stack.enter_context(_served(platform, sockets["promptlayer"]))
        stack.enter_context(_served(forge_page(folder / "forge"), sockets["forge"]))
        config = folder / "bridge.yaml"
        config.write_text(_config(addresses), encoding="utf-8")
        named = {"PROMPTLAYER_API_KEY": api_key, "PROMPTLAYER_WEBHOOK_SECRET": secret}
        command = Command(config, {**os.environ, **named})
        port = sockets["bridge"].getsockname()[1]
        sockets["bridge"].close()
        stack.enter_context(_bridge(command, port, folder / "bridge.log"))
        yield Scene(registry, forge, webhooks, addresses, command)


def _make_anew(folder: Path) -> None:
    if folder.exists():
        if not (folder / _OURS).exists() and any(folder.iterdir()):
            raise ConfigError(
                f"{folder} holds something else; give the demo a --folder of its own."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _OURS).touch()


def _socket(port: int) -> socket.socket:
    """A listening address: the wanted one, or any when somebody has it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.bind(("127.0.0.1", 0))
    return listening


def _forge(folder: Path, page: str) -> LocalForge:
    readme = b"# support-bot\n\nIts prompts are in `prompts/`, proposed by promptlayer-bridge.\n"
    LocalForge.create_repository(folder / "forge", REPOSITORY, {"README.md": readme})
    return LocalForge(folder / "forge", REPOSITORY, page_url=page)


def _config(addresses: dict[str, str]) -> str:
    return f"""\
promptlayer:
  api_key: ${{PROMPTLAYER_API_KEY}}
  webhook_secret: ${{PROMPTLAYER_WEBHOOK_SECRET}}
  base_url: {addresses["promptlayer"]}
  dashboard_url: {addresses["promptlayer"]}
forges:
  local: {{type: local, root: forge, page_url: "{addresses["forge"]}"}}
mappings:
  - name: support
    prompts: ["**"]
    repository: local:{REPOSITORY}
    track: [latest, {LABEL}]
    pull_request: {{labels: [prompt]}}
quiet: 1s
sweep: 1m
"""


@contextmanager
def _served(app: Starlette, listening: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    _wait(lambda: server.started, "a server of the demo did not start")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listening.close()


@contextmanager
def _bridge(command: Command, port: int, log: Path) -> Iterator[None]:
    """The bridge itself, as anybody would start it."""
    words = command.of("serve", "--port", str(port))
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=command.environment, stdout=output, stderr=output)
        try:
            _wait(lambda: _healthy(process, port, log), f"the bridge did not start; see {log}")
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
        raise Unavailable(f"The bridge ended at once:\n{log.read_text(errors='replace')[-2000:]}")
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Unavailable(f"After {_PATIENCE:.0f} seconds {otherwise}.")
        time.sleep(0.05)


# Attended.


def _invite(scene: Scene) -> None:
    scene.registry.save(
        PROMPT, template(), metadata=MODEL, actor=JANE, commit_message="First draft"
    )
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"""
[bold]PromptLayer[/] (stand-in)   {scene.addresses["promptlayer"]}   save a prompt, move a label
[bold]Forge[/] (local)            {scene.addresses["forge"]}   review, merge or close
[bold]Bridge[/]                   {scene.addresses["bridge"]}/healthz

Jane has just saved [bold]{PROMPT}[/]; its pull request appears within seconds. Try:
  1. Read it on the forge's page and merge it.
  2. Change a word on the PromptLayer page: the change alone is proposed. Save twice: one pull request.
  3. Give version 1 the label [bold]{LABEL}[/]: the label's own file is proposed.
  4. Close that pull request: the same content is not proposed again.

Ctrl-C ends it.""")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


MODEL: JsonObject = {
    "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}
}


def template(tone: str = "kindly") -> JsonObject:
    """The demo's prompt, with one word to change."""
    system = (
        "You are a support assistant of Acme.\n"
        f"Answer {tone}, in {{language}}, in at most three sentences.\n"
        "If you do not know, say so and name the help desk.\n"
    )
    return {
        "type": "chat",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [{"type": "text", "text": "{question}"}]},
        ],
    }


# Unattended.


@dataclass(frozen=True)
class Step:
    step: str
    ok: bool
    pull_request: str | None
    commit: str | None
    seconds: float
    problem: str | None = None


def _once(scene: Scene, *, as_json: bool) -> bool:
    steps = []
    for name, act in _Loop(scene).acts():
        steps.append(_step(name, act))
        if not as_json:
            _tell(steps[-1])
        if not steps[-1].ok:
            break
    ok = all(step.ok for step in steps) and len(steps) == len(_Loop(scene).acts())
    if as_json:
        told = [
            {k: v for k, v in asdict(step).items() if v is not None or k != "problem"}
            for step in steps
        ]
        print(json.dumps({"steps": told, "ok": ok}))
    return ok


def _step(name: str, act: Callable[[], PullRequest | None]) -> Step:
    started = time.monotonic()
    try:
        found = act()
    except BridgeError as error:
        return Step(name, False, None, None, _since(started), str(error))
    address, commit = (found.url, found.head_commit) if found else (None, None)
    return Step(name, True, address, commit, _since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _tell(step: Step) -> None:
    mark = "ok    " if step.ok else "failed"
    print(f"{mark} {step.seconds:6.1f} s  {step.step}  {step.problem or step.pull_request or ''}")


class _Loop:
    """The main job, step by step. Each step waits for what it should bring about."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.forge = scene.forge

    def acts(self) -> list[tuple[str, Callable[[], PullRequest | None]]]:
        return [
            ("create prompt → pull request", self.create),
            ("second save updates it", self.save_again),
            ("merge", self.merge),
            ("label move → pull request for the label's file", self.move_label),
            ("close it", self.close),
            ("same content is not proposed again", self.same_again),
        ]

    def create(self) -> PullRequest:
        self._save("kindly", "First draft")
        return self._open("prompts/latest/support/reply.yaml", "kindly")

    def save_again(self) -> PullRequest:
        before = self._only_open()
        self._save("briefly", "Shorter answers")
        after = self._open("prompts/latest/support/reply.yaml", "briefly")
        _expect(after.number == before.number, "the second save opened a second pull request")
        return after

    def merge(self) -> PullRequest:
        merged = self.forge.merge(self._only_open().number, "squash")
        _expect(merged.state is PullRequestState.MERGED, "the pull request was not merged")
        return merged

    def move_label(self) -> PullRequest:
        self.scene.registry.move_label(self._id(), LABEL, 1, actor=JANE)
        return self._open("prompts/prod/support/reply.yaml", "kindly")

    def close(self) -> PullRequest:
        return self.forge.close(self._only_open().number)

    def same_again(self) -> PullRequest | None:
        """Another look at the same content: version 3 says what version 1 said, and has the label.
        A change of ``latest`` beside it shows that the bridge has looked."""
        before = len(self.forge.open_pull_requests("promptlayer/"))
        self._save("kindly", "Back to the first draft")
        self.scene.registry.move_label(self._id(), LABEL, 3, actor=JANE)
        shown = self._open("prompts/latest/support/reply.yaml", "kindly")
        self._settled()
        _expect(before == 0, "a pull request was open that should have been closed")
        open_ = self.forge.open_pull_requests("promptlayer/")
        _expect([one.number for one in open_] == [shown.number], "the closed content is back")
        return None

    def _save(self, tone: str, why: str) -> None:
        self.scene.registry.save(
            PROMPT, template(tone), metadata=MODEL, commit_message=why, actor=JANE
        )

    def _id(self) -> int:
        return self.scene.registry.entry_named(PROMPT).id

    def _only_open(self) -> PullRequest:
        found = self.forge.open_pull_requests("promptlayer/")
        _expect(len(found) == 1, f"{len(found)} pull requests are open instead of one")
        return found[0]

    def _open(self, path: str, text: str) -> PullRequest:
        """The open pull request that brings this text into this file, once it is there."""
        found: list[PullRequest] = []

        def there() -> bool:
            found[:] = [
                one
                for one in self.forge.open_pull_requests("promptlayer/")
                if f"+++ b/{path}" in (diff := self.forge.diff(one.number))
                and f"+      Answer {text}" in diff
            ]
            return len(found) == 1

        _wait(there, f"no pull request brings “{text}” into {path}")
        return found[0]

    def _settled(self) -> None:
        """Every delivery that was sent has been looked after."""
        self.scene.webhooks.wait_until_sent()
        _wait(self._nothing_waits, "the bridge was still busy with deliveries")

    def _nothing_waits(self) -> bool:
        return not {"new", "dispatched"} & {one["state"] for one in self.scene.deliveries()}


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Unavailable(f"Not as it should be: {otherwise}.")
