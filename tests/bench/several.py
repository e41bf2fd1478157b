"""Several ``work`` processes on one PostgreSQL: ``scale_out``, how much more two of them do than
one, and ``takeover``, how long the work of a killed one lies still."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.promptlayer.webhook_events import parse_event
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry import PromptRegistry
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox
from bridge.wiring import get_current_time
from tests.bench.figure import Figure, counted, gain
from tests.bench.generated_prompts import template_of
from tests.bench.measured_bridge import API_KEY, SECRET, github, served_platform
from tests.e2e.bridge_process import BridgeProcess, start, until
from tests.standins.fault_injection import late, time_out
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository
from tests.standins.postgresql import PostgreSQL, running_postgresql

REPOSITORIES = 50
EVENTS = 60  # each about a prompt of its own
ANSWER = 0.1  # seconds that the forge takes for every request
# A process with one worker waits for the forge nearly all the time: the processors of this machine,
# which also play the forge, PromptLayer and the database, are not what is measured.
WORKERS = 1
HELD = 4  # jobs in the hands of the process that is killed
_FORGES = 10  # names of one and the same: the bridge makes 80 pull requests a minute on each
_PATIENCE = 400.0  # seconds
_FOR_EVER = 2**62  # requests


def scale_out() -> Iterator[Figure]:
    with running_postgresql(durable=True) as server:
        rates = {}
        for processes in (1, 2):
            with tempfile.TemporaryDirectory() as folder, _placed(Path(folder), server) as place:
                rates[processes] = place.rate(processes)
    yield gain("scale_out", rates[2], "events → pull requests a second", rates[1], at_least=1.8)


def takeover() -> Iterator[Figure]:
    with (
        running_postgresql(durable=True) as server,
        tempfile.TemporaryDirectory() as folder,
        _placed(Path(folder), server) as place,
    ):
        seconds = place.taken_over()
    yield counted("takeover", round(seconds, 1), f"s from SIGKILL until {HELD} jobs were done", 60)


@dataclass
class _Place:
    """Fifty repositories, a bridge.yaml that names them, and an empty database."""

    folder: Path
    registry: PromptRegistry
    standin: GitHubStandIn
    repositories: list[Repository]
    inbox: DeliveryInbox
    leaving: ExitStack

    def rate(self, processes: int) -> float:
        """Events a second, from the first in the inbox to the last pull request."""
        for number in range(processes):
            self.start(f"work-{number}")
        self.until(self.all_swept)
        self.standin.faults.add("/", late(ANSWER), times=_FOR_EVER)
        started = time.monotonic()
        self.save(EVENTS)
        self.until(lambda: self.proposed() == EVENTS)
        return EVENTS / (time.monotonic() - started)

    def taken_over(self) -> float:
        """Seconds until what a killed process had in hand is done."""
        doomed = self.start("doomed", HELD)
        self.until(self.all_swept)
        self.standin.faults.add("POST /api/v3/repos", time_out(), times=_FOR_EVER)
        self.save(HELD)
        self.until(lambda: self.asked_for() == HELD)
        self.start("survivor", HELD).until_it_says("working")
        doomed.kill()
        started = time.monotonic()
        self.standin.faults.clear()
        self.until(lambda: self.proposed() == HELD)
        return time.monotonic() - started

    def start(self, name: str, workers: int = WORKERS) -> BridgeProcess:
        words = ["work", "--name", name, "--workers", str(workers)]
        config = ["--config", str(self.folder / "bridge.yaml")]
        bridge = start([*words, *config], os.environ, self.folder / f"{name}.log")
        self.leaving.callback(bridge.end)
        return bridge

    def until(self, condition: Callable[[], bool]) -> None:
        until(condition, "the work was not done", patience=_PATIENCE)

    def save(self, count: int) -> None:
        """Save prompts, the repositories in turns, and put their events into the inbox."""
        events: list[JsonObject] = []
        self.registry.subscribe(events.append)
        for number in range(count):
            self.registry.save_version(f"r{number % REPOSITORIES}/p{number}", template_of(number))
        for event in events:
            self.inbox.put(Delivery.from_event(parse_event(event), event, get_current_time()))

    def all_swept(self) -> bool:
        """Whether every mapping was swept, by whichever process."""
        said = "".join(path.read_text() for path in self.folder.glob("*.log"))
        return said.count("in step,") >= REPOSITORIES

    def proposed(self) -> int:
        return sum(len(repository.pulls) for repository in self.repositories)

    def asked_for(self) -> int:
        """The pull requests that somebody wanted to make."""
        asked = self.standin.faults.requests
        return sum(one.method == "POST" and one.path.endswith("/pulls") for one in asked)


@contextmanager
def _placed(folder: Path, server: PostgreSQL) -> Iterator[_Place]:
    standin, registry = GitHubStandIn(folder / "github"), PromptRegistry()
    names = [f"acme/r{number}" for number in range(REPOSITORIES)]
    repositories = [standin.repository(name, {"README.md": b"Hi\n"}) for name in names]
    url = server.new_database()
    with ExitStack() as stack:
        platform = stack.enter_context(served_platform(registry))
        stack.enter_context(standin.serving())
        forge = github(standin, standin.token("bot"))
        document = {
            "promptlayer": {
                "api_key": API_KEY,
                "webhook_secret": SECRET,
                "base_url": platform.url,
            },
            "forges": {f"forge{number}": forge for number in range(_FORGES)},
            "mappings": [_mapping(number, name) for number, name in enumerate(names)],
            "database": url,
            "quiet": "0s",
        }
        (folder / "bridge.yaml").write_text(json.dumps(document), encoding="utf-8")
        database = stack.enter_context(closing(Database(url)))
        inbox = stack.enter_context(closing(DeliveryInbox(database, get_current_time)))
        with ExitStack() as leaving:
            yield _Place(folder, registry, standin, repositories, inbox, leaving)


def _mapping(number: int, repository: str) -> JsonObject:
    return {
        "name": f"r{number}",
        "prompts": [f"r{number}/*"],
        "repository": f"forge{number % _FORGES}:{repository}",
    }
