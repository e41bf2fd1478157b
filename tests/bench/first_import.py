"""``import``: 10,000 prompts into the one pull request of a mapping, against what git itself takes
for the same files; and where the time goes."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2

from bridge.engine.sync_mappings import sync_mappings
from bridge.promptlayer.client import PAGE_SIZE as PAGE
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.canonical_form import canonicalise_template
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.prompt import LATEST, JsonObject, PromptFile
from tests.bench.child_process import Spent, spent
from tests.bench.figure import Figure, exactly, growth, told
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
from tests.standins.git_http import GIT_ENVIRONMENT, git
from tests.standins.github import GitHubStandIn

PROMPTS = 10_000
ROUNDS = 3
T = TypeVar("T")
_ROLLING = {"group": "mapping"}


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, served_platform(filled(PROMPTS)) as platform:
        rounds = [_round(Path(folder) / str(number), platform) for number in range(ROUNDS)]
        alone = spent(Path(folder) / "stages", stages, platform.url).result
    imports = [imported for imported, _ in rounds]
    seconds = statistics.median(one.seconds for one in imports)
    git = statistics.median(git for _, git in rounds)
    yield growth("import", round(seconds, 2), "s", round(git, 2), at_most=3)
    yield exactly("import_pushes", imports[0].runs("push"), "pushes", 1)
    yield told("import_memory", round(max(one.peak_memory for one in imports) / 2**20), "MiB")
    yield from _split(imports, seconds, alone)


def _round(folder: Path, platform: ServedPromptLayer) -> tuple[Spent, float]:
    """One import into a fresh repository; the seconds of git alone beside it."""
    with GitHubStandIn(folder / "github").serving() as standin:
        repository = standin.repository(REPOSITORY, {"README.md": b"Hello\n"})
        forge = github(standin, standin.token())
        config = configured(folder, platform.url, forge, pull_request=_ROLLING)
        imported = spent(folder / "traces", synchronised, config)
        pulls = list(repository.pulls.values())
    if imported.result != [ReconcileOutcomeKind.PROPOSED] or len(pulls) != 1:
        raise RuntimeError(f"The import ended with {imported.result}, {len(pulls)} pull requests.")
    files = git(repository.path, "ls-tree", "-r", "--name-only", pulls[0].head).splitlines()
    if len(files) != PROMPTS + 1:
        raise RuntimeError(f"The pull request has {len(files)} files.")
    return imported, _git_alone(repository.path, pulls[0].head, folder)


def synchronised(config: Path) -> list[ReconcileOutcomeKind]:
    """What ``sync`` does."""
    with open_measured_controller(config) as controller:
        return [one.kind for one in sync_mappings(controller, [MAPPING], lambda *_: None)]


def _git_alone(repository: Path, branch: str, folder: Path) -> float:
    """Seconds that ``git fast-import`` takes for the same files."""
    export = ["git", "-C", str(repository), "fast-export", branch]
    stream = subprocess.run(export, check=True, capture_output=True, env=GIT_ENVIRONMENT).stdout
    bare = folder / "alone.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True, env=GIT_ENVIRONMENT)
    command = ["git", "-C", str(bare), "fast-import", "--quiet"]
    started = time.perf_counter()
    subprocess.run(command, input=stream, check=True, env=GIT_ENVIRONMENT)
    return time.perf_counter() - started


@dataclass(frozen=True)
class Stages:
    """Seconds of the bridge's own work on 10,000 prompts, each stage done once and alone."""

    pages: float  # HTTP and JSON
    prompts: float  # from JSON to prompts: shape, canonical form, digest
    canonical: float  # the canonical form alone
    rendering: float


def stages(url: str) -> Stages:
    with (
        PromptLayerClient(API_KEY, base_url=url) as promptlayer,
        httpx2.Client(base_url=url) as client,
    ):
        templates, pages = _timed(lambda: [item["prompt_template"] for item in _items(client)])
        prompts, both = _timed(lambda: [item.prompt for item in promptlayer.list_prompts()])
        _, canonical = _timed(lambda: [canonicalise_template(template) for template in templates])
        _, rendering = _timed(
            lambda: [render_prompt_file(PromptFile(prompt, LATEST)) for prompt in prompts]
        )
    return Stages(pages, both - pages, canonical, rendering)


def _items(client: httpx2.Client) -> Iterator[JsonObject]:
    for page in range(1, PROMPTS // PAGE + 1):
        place = f"page={page}&per_page={PAGE}&sort_by=id&sort_order=asc"
        answer = client.get(f"/prompt-templates?{place}", headers={"X-API-KEY": API_KEY})
        yield from answer.json()["items"]


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _split(imports: Sequence[Spent], seconds: float, alone: Stages) -> Iterator[Figure]:
    """Where the time of an import goes, as far as its stages can be told apart."""
    writing = statistics.median(one.seconds_in("fast-import") for one in imports)
    pushing = statistics.median(one.seconds_in("push") for one in imports)
    git = statistics.median(sum(run.seconds for run in one.git) for one in imports)
    parts = {
        "list pages, HTTP and JSON": alone.pages,
        "from JSON to prompts": alone.prompts,
        "of that, canonical form": alone.canonical,
        "rendering": alone.rendering,
        "git fast-import": writing,
        "git push": pushing,
        "other git": git - writing - pushing,
        "rest": seconds - git - alone.pages - alone.prompts - alone.rendering,
    }
    for what, part in parts.items():
        yield told("import_part", round(part, 2), f"s, {what}")
