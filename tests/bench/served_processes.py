"""What an application sees of real ``serve`` processes: how long a read takes, in peace and while
PromptLayer is in trouble; how long a merge takes until every process serves it; and how long a
cold start with nothing but the bridge's own disk takes.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import promptlayer
import promptlayer.utils

from bridge.sandbox.local_http_client import create_local_client
from bridge.serve.release_store import ReleaseStore
from bridge.storage.database import Database
from tests.bench.figure import Figure, counted, growth, told
from tests.bench.generated_prompts import name_of
from tests.bench.generated_releases import generate_releases
from tests.bench.idle import read_processor_time
from tests.bench.measured_bridge import MAPPING, configured
from tests.e2e.bridge_process import BridgeProcess, reserved_port, start, until, until_healthy
from tests.e2e.product_environment import (
    API_KEY,
    ON_GITHUB,
    ProductEnvironment,
    start_product_environment,
)
from tests.standins.fault_injection import Fault, dead, late, status, time_out
from tests.standins.git_http import read_file
from tests.standins.postgresql import running_postgresql

TOKEN, FORGE_SECRET = "token-of-the-bot", "a-secret-of-the-forge"
SERVE = {"applications": [{"name": "bot", "tokens": [TOKEN]}]}
NAME = "greeting"
READS, ROUNDS = 4, 60  # of each kind in a round; rounds take turns
UPSTREAM_SECONDS = 0.1  # that PromptLayer takes for an answer
MERGES = 40
COLD_PROMPTS, COLD_STARTS = 10_000, 3
_NOWHERE = "http://127.0.0.1:9"  # the port to discard: nothing listens there
_FOR_EVER = 2**62  # requests
_WAITED = 30  # seconds for a merge to be served


def latency() -> Iterator[Figure]:
    """``served_latency`` and ``served_in_trouble``, by PromptLayer's own SDK."""
    troubles: dict[str, Fault] = {
        "503": status(503),
        "hanging": time_out(),
        "gone": dead(),
    }
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as environment:
        faults, found = environment.platform_faults, dict[str, list[float]]()
        through = partial(_measure_read, environment.address, TOKEN)
        direct = partial(_measure_read, environment.platform_url, API_KEY)
        kinds: dict[str, tuple[Fault | None, Callable[[], float]]] = {
            "peace": (late(UPSTREAM_SECONDS), through),
            "direct": (late(UPSTREAM_SECONDS), direct),
            **{name: (fault, through) for name, fault in troubles.items()},
        }
        through()
        for number in range(ROUNDS):
            for name in random.Random(number).sample([*kinds], len(kinds)):
                fault, read = kinds[name]
                faults.clear()
                faults.add("/", fault or status(200), times=_FOR_EVER)
                read()  # what happened before it is over
                found.setdefault(name, []).extend(read() for _ in range(READS))
        faults.clear()
    # The quarter that other processes of the machine did not hold up.
    quick = {name: 1000 * statistics.quantiles(each, n=4)[0] for name, each in found.items()}
    peace, straight = quick["peace"], quick["direct"]
    yield growth("served_latency", round(peace, 2), "ms", round(straight, 2), at_most=0.05)
    for name in troubles:
        label = f"ms, PromptLayer {name}"
        yield growth(
            "served_in_trouble", round(quick[name], 2), label, round(peace, 2), at_most=1.1
        )


def merges() -> Iterator[Figure]:
    """``merge_to_served``: from the forge's push event that was answered 202 until both processes
    say that they serve the commit; PromptLayer has the version already."""
    seconds = []
    with (
        running_postgresql(durable=True) as server,
        tempfile.TemporaryDirectory() as folder,
        reserved_port() as port,
        _serving(Path(folder), database=server.new_database()) as environment,
        ThreadPoolExecutor(2) as threads,
    ):
        other = environment.start("serve", "--port", str(port))
        until_healthy(other, f"http://127.0.0.1:{port}")
        environment.webhooks.drop_next(_FOR_EVER)
        addresses = (environment.address, f"http://127.0.0.1:{port}")
        for number in range(MERGES):
            commit = _push_version(environment, f"Say hello {number} times.")
            started = time.perf_counter()
            list(threads.map(partial(_wait_until_served, commit), addresses))
            seconds.append(time.perf_counter() - started)
    p95 = statistics.quantiles(seconds, n=20)[18]
    yield counted("merge_to_served", round(p95, 2), f"s, p95 of {MERGES} pushes, 2 processes", 3)


def cold() -> Iterator[Figure]:
    """``served_cold``: PromptLayer and the forge are down, and 10,000 prompts are stored."""
    starts, processor, memory = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forge = {"type": "github", "url": _NOWHERE, "token": "t"}
        settings = {"data": str(folder / "data"), "serve": SERVE}
        config = configured(folder, _NOWHERE, forge, top=settings, serve="merged")
        _store_releases(folder / "data")
        for number in range(COLD_STARTS):
            seconds, spent, used = _start_cold(config, folder / f"log-{number}")
            starts.append(seconds)
            processor.append(spent)
            memory.append(used)
    yield counted("served_cold", round(statistics.median(starts), 2), "s until ready", 3)
    yield told("served_cold_cpu", round(statistics.median(processor), 2), "s of CPU until ready")
    yield counted("served_cold_memory", round(max(memory) / 2**20), "MiB at most", 200)


@contextmanager
def _serving(folder: Path, database: str | None = None) -> Iterator[ProductEnvironment]:
    """A bridge that serves one merged prompt."""
    with start_product_environment(folder) as environment:
        environment.database = database
        hub = {
            "type": "github",
            "url": environment.github.url,
            "token": "${GITHUB_TOKEN}",
            "webhook_secret": FORGE_SECRET,
        }
        environment.configure({**ON_GITHUB, "serve": "merged"}, forges={"github": hub}, serve=SERVE)
        environment.save(NAME, "Say hello 0 times.")
        environment.serve_swept()
        environment.github.hooks.register(f"{environment.address}/webhooks/github", FORGE_SECRET)
        commit = environment.repository.merge(environment.pulls()[0].number, "squash")
        _wait_until_served(commit, environment.address)
        environment.until_settled()
        yield environment


def _measure_read(url: str, key: str) -> float:
    """Seconds for one ``templates.get`` over a connection that is open."""
    sdk = promptlayer.PromptLayer(api_key=key, base_url=url)
    started = time.perf_counter()
    got = sdk.templates.get(NAME, {"input_variables": {}})
    seconds = time.perf_counter() - started
    if got is None or got["prompt_name"] != NAME:
        raise RuntimeError(f"{url} did not answer with {NAME}.")
    return seconds


def _push_version(environment: ProductEnvironment, text: str) -> str:
    """Save a version, and push the file that says the same; the commit. The forge's event was
    answered when this returns."""
    environment.save(NAME, text)
    path = f"prompts/{NAME}.yaml"
    before = read_file(environment.repository.path, "main", path).decode()
    edited = re.sub(r"Say hello \d+ times\.", text, before) + f"# {text}\n"
    return environment.repository.push("main", {path: edited.encode()})


def _wait_until_served(commit: str, address: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with create_local_client(base_url=address, headers=headers, timeout=2 * _WAITED) as client:
        answer = client.get(f"/v1/commits/{commit}?wait={_WAITED}")
    if answer.status_code != 200:
        raise RuntimeError(f"{address} does not serve {commit}: {answer.text}")


def _store_releases(data: Path) -> None:
    data.mkdir()
    with closing(Database(f"sqlite:///{data / 'bridge.sqlite'}")) as database:
        records, answers = zip(*generate_releases(COLD_PROMPTS, MAPPING), strict=True)
        ReleaseStore(database).save(records, answers, 0)


def _start_cold(config: Path, log: Path) -> tuple[float, float, int]:
    """Seconds until a new process is ready, seconds of CPU that it took, and the most memory that
    it had by then, in bytes; it has to answer a read then."""
    with reserved_port() as port:
        address, started = f"http://127.0.0.1:{port}", time.perf_counter()
        bridge = start(["serve", "--port", str(port), "--config", str(config)], os.environ, log)
        try:
            until(lambda: _is_ready(bridge, address), "the bridge was not ready", bridge)
            seconds, spent = time.perf_counter() - started, read_processor_time(bridge)
            last = f"{address}/v1/prompts/{name_of(COLD_PROMPTS - 1)}"
            answer = httpx2.get(last, headers={"Authorization": f"Bearer {TOKEN}"})
            if answer.status_code != 200:
                raise RuntimeError(f"the last prompt is not served: {answer.text}")
            return seconds, spent, _read_peak_memory(bridge)
        finally:
            bridge.kill()


def _is_ready(bridge: BridgeProcess, address: str) -> bool:
    if not bridge.alive:
        raise RuntimeError(f"the bridge ended:\n{bridge.last_words()}")
    try:
        return httpx2.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def _read_peak_memory(bridge: BridgeProcess) -> int:
    """In bytes."""
    content = Path(f"/proc/{bridge.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", content)
    assert found is not None
    return 1024 * int(found[1])
