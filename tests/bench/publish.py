"""``publish_1000`` and ``dry_run_10k``: what it costs to bring a merge to PromptLayer, and to find
out that there is little to bring."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bridge.engine.worker import Worker
from bridge.promptlayer.client import PAGE_SIZE as PAGE
from bridge.promptlayer.client import PromptLayer
from bridge.prompts.file import parse, render
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.steps.publish import publish_all
from bridge.steps.survey import Survey, survey
from tests.bench.figure import Figure, counted, growth
from tests.bench.house import (
    API_KEY,
    MAPPING,
    REPOSITORY,
    Platform,
    configured,
    github,
    served_platform,
    working,
)
from tests.bench.prompts import filled
from tests.standins.faults import RecordedRequest
from tests.standins.github import GitHubStandIn

CHANGED, UNCHANGED = 1_000, 1_000
MANY, FEW = 10_000, 10
LIST = "/prompt-templates"
Files = dict[str, bytes]


def measure() -> Iterator[Figure]:
    yield from _publish_1000()
    yield _dry_run_10k()


def _publish_1000() -> Iterator[Figure]:
    with _merged(CHANGED + UNCHANGED, CHANGED) as (platform, worker, _):
        before = len(platform.faults.requests)
        results = _published(worker)
        came = platform.faults.requests[before:]
    if len(results) != CHANGED:
        raise RuntimeError(f"{len(results)} files were published, not {CHANGED}.")
    calls = [request for request in came if not _is_list(request)]
    yield counted("publish_1000", len(calls) / CHANGED, "requests per changed prompt", 2)
    pages = len(came) - len(calls)
    most = (CHANGED + UNCHANGED) // PAGE + 1  # and one that asks for snippets
    yield counted("publish_1000_pages", pages, "list pages", most)


def _published(worker: Worker) -> Sequence[str]:
    """Publish as the command does; the paths."""
    found = _survey(worker)
    results = publish_all(found.site, found.snapshot, found.publications)
    if failed := [str(result.problem) for result in results if result.problem]:
        raise RuntimeError(f"{len(failed)} files were not published: {failed[0]}")
    return [result.work.path for result in results if result.published]


def _dry_run_10k() -> Figure:
    with _merged(MANY, FEW) as (platform, worker, changed):
        found, seconds = _timed_survey(worker)
        against = _least(platform.url, changed)
    if len(found.publications) != FEW:
        raise RuntimeError(f"{len(found.publications)} files differ, not {FEW}.")
    unit = "s, against one list and reading the changed files"
    return growth("dry_run_10k", round(seconds, 2), unit, round(against, 2), at_most=3)


def _timed_survey(worker: Worker) -> tuple[Survey, float]:
    """As from the second run on, when git has the repository."""
    site = worker.sites[MAPPING]
    site.fetch()
    started = time.perf_counter()
    found = _survey(worker)
    return found, time.perf_counter() - started


def _least(url: str, files: Files) -> float:
    """Seconds that one list and the changed files take, with nothing compared."""
    started = time.perf_counter()
    with PromptLayer(API_KEY, base_url=url) as platform:
        if sum(1 for _ in platform.prompts()) != MANY:
            raise RuntimeError("The list is not whole.")
    for path, text in files.items():
        parse(text, path=path)
    return time.perf_counter() - started


def _survey(worker: Worker) -> Survey:
    return survey(worker.sites[MAPPING], worker.index, worker.clock())


def _is_list(request: RecordedRequest) -> bool:
    return request.method == "GET" and request.path == LIST


@contextmanager
def _merged(prompts: int, changed: int) -> Iterator[tuple[Platform, Worker, Files]]:
    """A platform of so many prompts, and a repository that has them all, some of them edited; with
    the files that were."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served_platform(filled(prompts)) as platform,
        GitHubStandIn(Path(folder) / "github").serving() as standin,
    ):
        files = _files(platform.url)
        edited = {path: _edited(files[path]) for path in list(files)[:changed]}
        standin.repository(REPOSITORY, files | edited)
        forge = github(standin, standin.token())
        config = configured(Path(folder), platform.url, forge, publish=True)
        with working(config) as worker:
            yield platform, worker, edited


def _files(url: str) -> Files:
    """What the base branch holds when everything is in step."""
    with PromptLayer(API_KEY, base_url=url) as platform:
        return {
            f"prompts/{item.prompt.name}.yaml": render(PromptFile(item.prompt, LATEST)).encode()
            for item in platform.prompts()
        }


def _edited(text: bytes) -> bytes:
    return text.replace(b"Customer: ", b"The customer: ")
