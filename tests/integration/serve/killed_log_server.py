"""Applications log while the server is killed again and again and PromptLayer fails: what was
confirmed has to arrive, and in order."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.request_logs import LoggedRequest, RequestLogs
from bridge.storage.database import Database
from bridge.storage.log_queue import read_log_queue_status
from tests.e2e.bridge_process import reserved_port, until
from tests.integration.serve.log_bridge import BRIDGE_KEY, TOKEN, get_current_time
from tests.integration.serve.log_server_process import database_url
from tests.standins.fault_injection import Faults, WithFaults, after_the_work, dead, status
from tests.standins.serve_app import serve

_APPLICATIONS = 4
_LAST_SCORE = 2
_DELIVERY_SECONDS = 600.0  # for all that has gathered


@dataclass
class KillReport:
    """``confirmed`` calls were answered with success; of these ``lost`` did not arrive."""

    kills: int = 0
    confirmed: int = 0
    lost: int = 0
    doubled: int = 0  # requests that arrived more than once
    refused: int = 0  # calls that were answered with an error: a model's answer would be lost


@dataclass
class _LoggingApplications:
    """Log until they are told to end. ``scored`` are the marks of requests whose last score was
    confirmed."""

    url: str
    ended: threading.Event = field(default_factory=threading.Event)
    logged: set[str] = field(default_factory=set)
    scored: set[str] = field(default_factory=set)
    confirmed: int = 0
    refused: int = 0

    def run(self, name: int) -> None:
        number = 0
        with create_local_client(base_url=self.url, timeout=20) as client:
            while not self.ended.is_set():
                number += 1
                self._log_once(client, f"{name}-{number}")

    def _log_once(self, client: httpx2.Client, mark: str) -> None:
        body = {"function_name": mark, "kwargs": {"text": "x" * 1000}, "request_response": {}}
        answer = self._post(client, "/track-request", body)
        if answer is None:
            return
        self.logged.add(mark)
        scores = [
            self._post(
                client,
                "/library-track-score",
                {"request_id": answer.json()["request_id"], "score": score},
            )
            for score in range(1, _LAST_SCORE + 1)
        ]
        if scores[-1] is not None:
            self.scored.add(mark)

    def _post(
        self, client: httpx2.Client, path: str, body: Mapping[str, object]
    ) -> httpx2.Response | None:
        """None where the server was killed meanwhile: nobody knows whether the call counts."""
        try:
            answer = client.post(path, json={**body, "api_key": TOKEN})
        except httpx2.TransportError:
            self.ended.wait(0.01)
            return None
        if answer.is_success:
            self.confirmed += 1
            return answer
        self.refused += 1
        return None


def run_with_kills(folder: Path, kills: int, *, seed: int = 1, forget: bool = False) -> KillReport:
    """Kill the server so often, let all that is queued arrive, and compare."""
    faults, registry = Faults(), PromptRegistry()
    evaluations = FakeEvaluations(registry)
    platform = create_promptlayer_app(registry, api_key=BRIDGE_KEY, evaluations=evaluations)
    with serve(WithFaults(platform, faults)) as platform_url, reserved_port() as port:
        applications = _LoggingApplications(f"http://127.0.0.1:{port}")
        command = [
            *(sys.executable, "-m", "tests.integration.serve.log_server_process"),
            *(str(folder), platform_url, str(port), *(["forget"] if forget else [])),
        ]
        with ThreadPoolExecutor(_APPLICATIONS) as threads:
            running = [threads.submit(applications.run, name) for name in range(_APPLICATIONS)]
            try:
                _kill_again_and_again(command, applications, faults, kills, random.Random(seed))
            finally:
                applications.ended.set()
            for one in running:
                one.result()
        faults.clear()
        with _started(command):
            _wait_for_delivery(folder)
        return _compare(applications, evaluations.logs, kills)


def _kill_again_and_again(
    command: list[str],
    applications: _LoggingApplications,
    faults: Faults,
    kills: int,
    draw: random.Random,
) -> None:
    for _ in range(kills):
        with _started(command):
            fault = draw.choice([status(503), dead(), after_the_work(dead())])
            faults.add("POST /", fault, times=draw.randint(1, 20))
            wanted = applications.confirmed + draw.randint(1, 60)
            until(lambda: applications.confirmed >= wanted, "nothing was confirmed")  # noqa: B023


@contextmanager
def _started(command: list[str]) -> Iterator[None]:
    """A process, killed at the end."""
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_for_delivery(folder: Path) -> None:
    database = Database(database_url(folder))

    def is_empty() -> bool:
        with database.open_read_transaction() as connection:
            found = read_log_queue_status(connection, get_current_time())
        assert found.parked == 0, found
        return found.waiting == 0

    until(is_empty, "not everything was delivered", patience=_DELIVERY_SECONDS)
    database.close()


def _compare(applications: _LoggingApplications, logs: RequestLogs, kills: int) -> KillReport:
    arrived: dict[str, list[LoggedRequest]] = {}
    for request in logs.requests.values():
        arrived.setdefault(str(request.body["function_name"]), []).append(request)
    lost = len(applications.logged - arrived.keys())
    for mark in applications.scored & arrived.keys():
        last = [one.scores.get("default") for one in arrived[mark]]
        lost += _LAST_SCORE not in last
    return KillReport(
        kills,
        applications.confirmed,
        lost,
        sum(len(requests) > 1 for requests in arrived.values()),
        applications.refused,
    )
