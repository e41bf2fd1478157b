"""``publish_1000`` and ``dry_run_10k``: what it costs to bring a merge to PromptLayer, and to find
out that there is little to bring."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bridge.engine.controller import BridgeController
from bridge.promptlayer.client import PAGE_SIZE as PAGE
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.reconcile.publish_files import publish_files
from bridge.reconcile.publish_plan import PublishPlan, plan_publish
from tests.bench.figure import Figure, counted, growth
from tests.bench.generated_prompts import filled
from tests.bench.measured_bridge import (
    API_KEY,
    MAPPING,
    REPOSITORY,
    ServedPromptLayer,
    configured,
    github,
    open_measured_controller,
    served_platform,
)
from tests.standins.fault_injection import RecordedRequest
from tests.standins.github import GitHubStandIn

CHANGED, UNCHANGED = 1_000, 1_000
MANY, FEW = 10_000, 10
LIST = "/prompt-templates"
Files = dict[str, bytes]


def measure() -> Iterator[Figure]:
    yield from _publish_1000()
    yield _dry_run_10k()


def _publish_1000() -> Iterator[Figure]:
    with _merged(CHANGED + UNCHANGED, CHANGED) as (platform, controller, _):
        before = len(platform.faults.requests)
        results = _published(controller)
        came = platform.faults.requests[before:]
    if len(results) != CHANGED:
        raise RuntimeError(f"{len(results)} files were published, not {CHANGED}.")
    calls = [request for request in came if not _is_list(request)]
    yield counted("publish_1000", len(calls) / CHANGED, "requests per changed prompt", 2)
    pages = len(came) - len(calls)
    most = (CHANGED + UNCHANGED) // PAGE + 1  # and one that asks for snippets
    yield counted("publish_1000_pages", pages, "list pages", most)


def _published(controller: BridgeController) -> Sequence[str]:
    """Publish as the command does; the paths."""
    publish_plan = _survey(controller)
    results = publish_files(publish_plan.context, publish_plan.snapshot, publish_plan.publications)
    if failed := [str(result.problem) for result in results if result.problem]:
        raise RuntimeError(f"{len(failed)} files were not published: {failed[0]}")
    return [result.file.path for result in results if result.published_version]


def _dry_run_10k() -> Figure:
    with _merged(MANY, FEW) as (platform, controller, changed):
        publish_plan, seconds = _timed_survey(controller)
        against = _least(platform.url, changed)
    if len(publish_plan.publications) != FEW:
        raise RuntimeError(f"{len(publish_plan.publications)} files differ, not {FEW}.")
    unit = "s, against one list and reading the changed files"
    return growth("dry_run_10k", round(seconds, 2), unit, round(against, 2), at_most=3)


def _timed_survey(controller: BridgeController) -> tuple[PublishPlan, float]:
    """As from the second run on, when git has the repository."""
    context = controller.contexts[MAPPING]
    context.fetch()
    started = time.perf_counter()
    publish_plan = _survey(controller)
    return publish_plan, time.perf_counter() - started


def _least(url: str, files: Files) -> float:
    """Seconds that one list and the changed files take, with nothing compared."""
    started = time.perf_counter()
    with PromptLayerClient(API_KEY, base_url=url) as promptlayer:
        if sum(1 for _ in promptlayer.list_prompts()) != MANY:
            raise RuntimeError("The list is not whole.")
    for path, text in files.items():
        parse_prompt_file(text, path=path)
    return time.perf_counter() - started


def _survey(controller: BridgeController) -> PublishPlan:
    return plan_publish(controller.contexts[MAPPING], controller.file_index, controller.clock())


def _is_list(request: RecordedRequest) -> bool:
    return request.method == "GET" and request.path == LIST


@contextmanager
def _merged(
    prompts: int, changed: int
) -> Iterator[tuple[ServedPromptLayer, BridgeController, Files]]:
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
        with open_measured_controller(config) as controller:
            yield platform, controller, edited


def _files(url: str) -> Files:
    """What the base branch holds when everything is in step."""
    with PromptLayerClient(API_KEY, base_url=url) as promptlayer:
        return {
            f"prompts/{item.prompt.name}.yaml": render_prompt_file(
                PromptFile(item.prompt, LATEST)
            ).encode()
            for item in promptlayer.list_prompts()
        }


def _edited(text: bytes) -> bytes:
    return text.replace(b"Customer: ", b"The customer: ")
