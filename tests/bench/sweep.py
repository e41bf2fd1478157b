"""``sweep``: 10,000 prompts in step; what it asks PromptLayer and git, and how much memory it
takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bridge.engine.resync import ResyncRunner
from bridge.promptlayer.client import PAGE_SIZE as PAGE
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.prompt import LATEST, PromptFile
from bridge.prompts.target import Proposal
from tests.bench.child_process import spent
from tests.bench.figure import Figure, counted, exactly, told
from tests.bench.generated_prompts import filled
from tests.bench.measured_bridge import (
    API_KEY,
    MAPPING,
    REPOSITORY,
    configured,
    github,
    open_measured_controller,
    served_platform,
)
from tests.standins.github import GitHubStandIn

PROMPTS = 10_000


def measure() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        served_platform(filled(PROMPTS)) as platform,
        GitHubStandIn(Path(folder) / "github").serving() as standin,
    ):
        standin.repository(REPOSITORY, files_in_step(platform.url))
        config = configured(Path(folder), platform.url, github(standin, standin.token()))
        asked_before = len(platform.faults.requests)
        swept = spent(Path(folder) / "traces", sweep, config)
    requests = platform.faults.requests[asked_before:]
    pages = sum(request.path == "/prompt-templates" for request in requests)
    if swept.result:
        raise RuntimeError(f"{len(swept.result)} proposals are not in step: {swept.result[:3]}")
    yield exactly("sweep_pages", pages, "list pages", PROMPTS // PAGE)
    yield exactly("sweep_requests", len(requests), "requests to PromptLayer", PROMPTS // PAGE)
    yield exactly("sweep_fetches", swept.runs("fetch"), "git fetches", 1)
    yield counted("sweep_memory", round(swept.peak_memory / 2**20), "MiB", 300)
    yield told("sweep_time", round(swept.seconds, 2), "s")


def sweep(config: Path) -> list[Proposal]:
    """Sweep as ``serve`` does; the proposals that are worth a look."""
    found: list[Proposal] = []
    with open_measured_controller(config) as controller:
        if ResyncRunner(controller).resync(MAPPING, found.append) is not None:
            raise RuntimeError("The sweep could not be done.")
    return found


def files_in_step(url: str) -> dict[str, bytes]:
    """What the base branch holds when everything was merged."""
    with PromptLayerClient(API_KEY, base_url=url) as promptlayer:
        return {
            f"prompts/{item.prompt.name}.yaml": render_prompt_file(
                PromptFile(item.prompt, LATEST)
            ).encode()
            for item in promptlayer.list_prompts()
        }
