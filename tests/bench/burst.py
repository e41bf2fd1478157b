"""``burst``: 1,000 events on 100 prompts within two seconds, through the front door of a real
``serve`` process to pull requests on a local forge; one for each prompt, and one for all."""

from __future__ import annotations

import json
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from bridge.config.bridge_config import load_config
from bridge.forge.local_forge import LocalForge
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.prompts.file_format.prompt_file import parse_prompt_file
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry import PromptRegistry
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox, DeliveryState
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH
from bridge.wiring import build_database_url
from tests.bench.figure import Figure, counted, exactly, told
from tests.bench.generated_prompts import name_of, template_of
from tests.bench.measured_bridge import REPOSITORY, SECRET, configured, served_platform
from tests.e2e.bridge_process import BridgeProcess, reserved_port, start, until
from tests.standins.git_http import git, read_file

PROMPTS = 100
SAVES = 10  # of each prompt
WITHIN = 2.0  # seconds
CONNECTIONS = 8
_PATIENCE = 240.0  # seconds for all pull requests
_UNFINISHED = {DeliveryState.NEW, DeliveryState.DISPATCHED}


def measure() -> Iterator[Figure]:
    yield from _burst("prompt", PROMPTS)
    yield from _burst("mapping", 1)


@dataclass(frozen=True)
class Came:
    """What a burst led to."""

    sending: float  # seconds until the last event was acknowledged
    settling: float  # seconds until every delivery was settled
    lost: int  # events that were not acknowledged or not carried out, and files behind PromptLayer
    pushes: int
    pull_requests: int


def _burst(group: str, pull_requests: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        came = _came(Path(folder), group)
    grouped = f"group: {group}"
    yield counted("burst_sending", round(came.sending, 2), f"s, 1,000 events, {grouped}", WITHIN)
    yield counted("burst_pushes", came.pushes, f"pushes, {grouped}", PROMPTS)
    yield exactly(
        "burst_pull_requests", came.pull_requests, f"pull requests, {grouped}", pull_requests
    )
    yield Figure("burst_lost", came.lost, f"lost, {grouped}", 0, None, "= 0", came.lost == 0)
    yield told("burst_settling", round(came.settling, 1), f"s until all was settled, {grouped}")


def _came(folder: Path, group: str) -> Came:
    repository = LocalForge.create_repository(folder / "forge", REPOSITORY, {"README.md": b"Hi\n"})
    git(repository, "config", "core.logAllRefUpdates", "always")
    forge = LocalForge(folder / "forge", REPOSITORY)
    with served_platform(PromptRegistry()) as platform:
        local = {"type": "local", "root": "forge"}
        settings = {"group": group, "limit": 2 * PROMPTS}
        config = configured(folder, platform.url, local, pull_request=settings)
        with _serving(config, folder / "bridge.log") as (bridge, port), _books(config) as inbox:
            started = time.monotonic()
            acknowledged = _save_all(platform.registry, port)
            sending = time.monotonic() - started
            until(lambda: _is_settled(inbox, acknowledged), "deliveries wait", bridge, _PATIENCE)
            settling = time.monotonic() - started
            done = [one for one in _deliveries(inbox) if one.state is DeliveryState.DONE]
    return Came(
        sending=sending,
        settling=settling,
        lost=PROMPTS * SAVES - len(done) + _behind(platform.registry, repository, forge),
        pushes=_pushes(repository),
        pull_requests=len(forge.list_open_pull_requests("")),
    )


@dataclass
class Post:
    """Sends events while prompts are being saved, over several connections at once."""

    port: int
    waiting: queue.SimpleQueue[JsonObject | None] = field(default_factory=queue.SimpleQueue)
    statuses: list[int] = field(default_factory=list)  # of the answers

    def send(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            while (payload := self.waiting.get()) is not None:
                signed = {SIGNATURE_HEADER: sign_payload(payload, SECRET)}
                connection.request("POST", PROMPTLAYER_WEBHOOK_PATH, json.dumps(payload), signed)
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)


def _save_all(registry: PromptRegistry, port: int) -> int:
    """Save every prompt ten times, in turns; how many events were acknowledged."""
    post = Post(port)
    registry.subscribe(post.waiting.put)
    senders = [threading.Thread(target=post.send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for turn in range(SAVES):
        for number in range(PROMPTS):
            registry.save_version(name_of(number), template_of(turn * PROMPTS + number))
    for _ in senders:
        post.waiting.put(None)
    for sender in senders:
        sender.join()
    return post.statuses.count(202)


@contextmanager
def _serving(config: Path, log: Path) -> Iterator[tuple[BridgeProcess, int]]:
    """``serve`` as anybody would start it, once its sweep at the start is over."""
    with reserved_port() as port:
        bridge = start(["serve", "--port", str(port), "--config", str(config)], os.environ, log)
        try:
            bridge.until_it_says("sweep of")
            yield bridge, port
        finally:
            bridge.end()


@contextmanager
def _books(config: Path) -> Iterator[DeliveryInbox]:
    with (
        closing(Database(build_database_url(load_config(config)))) as database,
        closing(DeliveryInbox(database, lambda: datetime.now(UTC))) as inbox,
    ):
        yield inbox


def _deliveries(inbox: DeliveryInbox) -> list[Delivery]:
    return list(inbox.list_recent(2 * PROMPTS * SAVES))


def _is_settled(inbox: DeliveryInbox, acknowledged: int) -> bool:
    found = _deliveries(inbox)
    return len(found) >= acknowledged and not any(one.state in _UNFINISHED for one in found)


def _behind(registry: PromptRegistry, repository: Path, forge: LocalForge) -> int:
    """Prompts whose newest version is on no pull request."""
    proposed = set()
    for pull in forge.list_open_pull_requests(""):
        listing = git(repository, "ls-tree", "-r", "--name-only", pull.head_branch, "prompts")
        for path in listing.splitlines():
            prompt = parse_prompt_file(
                read_file(repository, pull.head_branch, path), path=path
            ).prompt
            proposed.add((prompt.id, prompt.version))
    return len({(entry.id, entry.latest.number) for entry in registry.entries.values()} - proposed)


def _pushes(repository: Path) -> int:
    """Every movement of a branch of ours, as git wrote it down."""
    logs = (repository / "logs" / "refs" / "heads" / "promptlayer").rglob("*")
    return sum(len(log.read_text().splitlines()) for log in logs if log.is_file())
