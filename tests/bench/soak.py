"""``soak``: 100,000 deliveries over 2,000 prompts that are all in step, through a real ``serve``
process: what it holds of them in memory, and what they take on the disk.

The deliveries come prompt by prompt. Once a tenth of them is settled the process is looked at, and
at the end again: it has grown by whatever it does not let go of.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

from bridge.config.bridge_config import load_config
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.prompts.prompt import JsonObject
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH
from bridge.wiring import build_database_url
from tests.bench.figure import Figure, counted, growth, told
from tests.bench.generated_prompts import filled, name_of
from tests.bench.measured_bridge import REPOSITORY, SECRET, configured, served_platform
from tests.bench.sweep import files_in_step
from tests.e2e.bridge_process import BridgeProcess, reserved_port, start, until, until_healthy
from tests.standins.git_http import create_repository

PROMPTS, ALL = 2_000, 100_000
CONNECTIONS = 4
_PATIENCE = 900.0  # seconds for one round
_UNFINISHED = (DeliveryState.NEW, DeliveryState.DISPATCHED)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), PROMPTS, ALL)
    after = f"after {ALL:,} deliveries and a tenth of them"
    mebibytes = [round(memory / 2**20, 1) for memory in (soaked.last_memory, soaked.first_memory)]
    yield growth("soak_memory", mebibytes[0], f"MiB, {after}", mebibytes[1], 1.1)
    yield counted("soak_database", round(soaked.on_disk / ALL), "bytes a delivery", 2048)
    yield told("soak_time", round(soaked.seconds), f"s for {ALL:,} deliveries, all settled")


@dataclass(frozen=True)
class Soaked:
    first_memory: int  # bytes, once a tenth of the deliveries was settled
    last_memory: int
    on_disk: int  # bytes of all databases at the end, everything still kept
    seconds: float


def soak(folder: Path, prompts: int, all_: int) -> Soaked:
    with ExitStack() as stack:
        platform = stack.enter_context(served_platform(filled(prompts)))
        create_repository(folder / "forge", REPOSITORY, files_in_step(platform.url))
        local = {"type": "local", "root": "forge"}
        config = configured(folder, platform.url, local)
        port = stack.enter_context(reserved_port())
        words = ["serve", "--port", str(port), "--config", str(config)]
        bridge = start(words, os.environ, folder / "log")
        stack.callback(bridge.kill)
        until_healthy(bridge, f"http://127.0.0.1:{port}")
        bridge.until_it_says("sweep of")
        database = stack.enter_context(closing(Database(build_database_url(load_config(config)))))
        inbox = stack.enter_context(closing(DeliveryInbox(database, lambda: datetime.now(UTC))))
        started = time.monotonic()
        events = [_event(number, number * prompts // all_) for number in range(all_)]
        memory = []
        for some in (events[: all_ // 10], events[all_ // 10 :]):
            _send(port, some)
            until(lambda: _settled(inbox), "deliveries still wait", bridge, _PATIENCE)
            memory.append(_memory(bridge))
        seconds = time.monotonic() - started
        bridge.end()
    on_disk = sum(file.stat().st_size for file in (folder / "bridge-data").glob("*.sqlite*"))
    return Soaked(memory[0], memory[1], on_disk, seconds)


def _event(number: int, prompt: int) -> JsonObject:
    """No two are the same, and none brings anything new."""
    return {
        "event_type": "prompt_template_version_created",
        "details": {
            "prompt_template_id": prompt + 1,
            "prompt_template_name": name_of(prompt),
            "prompt_template_version_number": 1,
            "prompt_template_commit_message": "First draft",
        },
        "user_id": 7,
        "user_name": "Jane Doe",
        "user_email": "jane@example.com",
        "workspace_id": 1,
        "timestamp": (_BEGIN + timedelta(seconds=number)).replace(tzinfo=None).isoformat(),
    }


def _send(port: int, events: list[JsonObject]) -> None:
    """All of them, in this order; a delivery that is turned away is made again."""
    numbers = count()
    failed: list[Exception] = []

    def send() -> None:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                while (number := next(numbers)) < len(events):
                    while not _acknowledged(connection, events[number]):
                        time.sleep(0.1)
        except Exception as error:
            failed.append(error)

    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if failed:
        raise failed[0]


def _acknowledged(connection: HTTPConnection, event: JsonObject) -> bool:
    signed = {SIGNATURE_HEADER: sign_payload(event, SECRET)}
    connection.request("POST", PROMPTLAYER_WEBHOOK_PATH, json.dumps(event), signed)
    answer = connection.getresponse()
    answer.read()
    if answer.status not in (202, 429, 503):
        raise RuntimeError(f"A delivery was answered with {answer.status}.")
    return answer.status == 202


def _settled(inbox: DeliveryInbox) -> bool:
    time.sleep(0.5)  # the bridge needs the processor more than who waits for it
    return not any(inbox.list_recent(1, state=state) for state in _UNFINISHED)


def _memory(bridge: BridgeProcess) -> int:
    """Bytes that the process holds now."""
    status = Path(f"/proc/{bridge.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])
