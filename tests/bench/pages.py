"""``page``: the dashboard of 10,000 prompts and 1,000,000 deliveries, asked page by page.

A real ``serve`` process over HTTP, its database filled as after a month of 33,000 deliveries a
day, which the sums of past days and the pages of deliveries are made for.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx2

from bridge.config.bridge_config import load_config
from bridge.status.daily_sums import DailySumStore
from bridge.storage.database import Database
from bridge.wiring import build_database_url
from tests.bench.figure import Figure, counted, told
from tests.bench.filled_status_tables import MAPPING, fill
from tests.bench.measured_bridge import configured
from tests.e2e.bridge_process import BridgeProcess, reserved_port, start, until_healthy
from tests.standins.postgresql import running_postgresql

ROUNDS = 40  # times that every page is asked for
SECRET = "a secret of the bench alone"
NOWHERE = "http://127.0.0.1:9"  # nobody listens there, and nobody asks: there are no workers
ON = "BENCH_DATABASE"  # postgresql: on a server of the bench's own, instead of SQLite

_NEXT = re.compile(r'href="([^"]*[?&](?:amp;)?after=[^"]*)"')
_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_DELIVERY = re.compile(r'href="(/deliveries/[0-9a-f]{64})"')
_PAGES = (
    "/",
    "/?q=prompt-77",
    "/?q=nothing-is-called-so",
    "/?state=parked&order=oldest",
    "/?state=pull+request+open&order=newest",
    f"/prompts/{MAPPING}/77",
    f"/pulls/{MAPPING}/154",
    "/deliveries",
    "/deliveries?state=parked",
    "/deliveries?type=nothing-of-the-kind",
    "/deliveries?q=nothing-is-called-so",
    "/deliveries?prompt=77",
    "/queue",
    "/charts",
)


def measure() -> Iterator[Figure]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = _configured(folder, stack)
        yield told("page_filling", round(_fill(config), 1), "s")
        client, bridge = stack.enter_context(_served(config, folder))
        pages = [*_PAGES, *_linked(client)]
        work: dict[str, float] = {}
        times: dict[str, list[float]] = {}
        for page in pages:
            before = _work(bridge)
            times[page] = [_asked(client, page) for _ in range(ROUNDS)]
            work[page] = (_work(bridge) - before) / ROUNDS
    every = [each for page in times.values() for each in page]
    slowest = max(times, key=lambda page: _p95(times[page]))
    yield told("page_median", round(statistics.median(every) * 1000, 1), "ms")
    yield counted("page", round(_p95(every) * 1000, 1), "ms, p95 of all", 100)
    hardest = max(work, key=lambda page: work[page])
    yield told("page_work", round(work[hardest] * 1000, 1), f"ms of CPU at most: {_short(hardest)}")
    yield counted(
        "page_slowest", round(_p95(times[slowest]) * 1000, 1), f"ms, p95: {_short(slowest)}", 100
    )


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[18]


def _short(page: str) -> str:
    return re.sub(r"=[\w-]{20,}|[0-9a-f]{64}", "…", page)


def _configured(folder: Path, stack: ExitStack) -> Path:
    more = {}
    if os.environ.get(ON) == "postgresql":
        more["database"] = stack.enter_context(running_postgresql()).new_database()
    forge = {"type": "local", "root": str(folder / "forge")}
    return configured(folder, NOWHERE, forge, top={"dashboard": {"secret": SECRET}, **more})


def _fill(config: Path) -> float:
    started = time.monotonic()
    settings = load_config(config)
    settings.data.mkdir(exist_ok=True)
    database = Database(build_database_url(settings))
    now = datetime.now(UTC)
    fill(database, now)
    DailySumStore(database).sum_up_past_days(now)
    database.close()
    return time.monotonic() - started


@contextmanager
def _served(config: Path, folder: Path) -> Iterator[tuple[httpx2.Client, BridgeProcess]]:
    """A browser that has signed in, and the process that it asks."""
    with reserved_port() as port:
        address = f"http://127.0.0.1:{port}"
        words = ["serve", "--config", str(config), "--workers", "0", "--port", str(port)]
        bridge = start(words, os.environ, folder / "log")
        try:
            until_healthy(bridge, address)
            with httpx2.Client(base_url=address, follow_redirects=True, timeout=60) as client:
                form = client.get("/sign-in").text
                (token, *_) = _TOKEN.findall(form)
                client.post("/sign-in", data={"token": token, "secret": SECRET}).raise_for_status()
                yield client, bridge
        finally:
            bridge.end()


def _work(bridge: BridgeProcess) -> float:
    """The CPU time that a process has taken so far, in seconds: what a page costs, however busy
    the machine is with other things."""
    fields = Path(f"/proc/{bridge.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _linked(client: httpx2.Client) -> list[str]:
    """One delivery, and pages far behind the first."""
    (delivery, *_) = _DELIVERY.findall(client.get("/deliveries").text)
    return [delivery, _behind(client, "/"), _behind(client, "/deliveries")]


def _behind(client: httpx2.Client, page: str, pages: int = 20) -> str:
    for _ in range(pages):
        (page, *_) = map(unescape, _NEXT.findall(client.get(page).text))
    return page


def _asked(client: httpx2.Client, page: str) -> float:
    started = time.perf_counter()
    answer = client.get(page)
    taken = time.perf_counter() - started
    if answer.status_code != 200 or answer.url.path == "/sign-in":
        raise RuntimeError(f"{page} was answered with {answer.status_code} by {answer.url}.")
    return taken
