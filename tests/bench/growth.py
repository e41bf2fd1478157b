"""``event_to_pr_growth``: one event to its pull request, in a large repository and a small one,
and how much of the large one the mirror holds."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bridge.engine.controller import BridgeController
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.sandbox.registry import PromptRegistry
from tests.bench.child_process import TRACE, git_runs
from tests.bench.figure import Figure, counted, growth, told
from tests.bench.generated_prompts import name_of, template_of
from tests.bench.generated_repositories import grow, size
from tests.bench.measured_bridge import (
    configured,
    github,
    mirror_of,
    open_measured_controller,
    reconcile_and_time,
    request_reconcile,
    served_platform,
)
from tests.standins.git_http import GIT_ENVIRONMENT
from tests.standins.github import GitHubStandIn

LARGE, SMALL = 500_000, 1_000  # files
EVENTS = 15  # for each; together they stay below what GitHub lets one create in a minute
_WARM_UP = 2


@dataclass
class Side:
    """One repository with the bridge before it."""

    files: int
    repository: Path
    config: Path
    controller: BridgeController
    registry: PromptRegistry

    def event(self, number: int) -> float:
        """Somebody saves a new prompt; seconds until its pull request is there."""
        name = name_of(number)
        version = self.registry.save_version(name, template_of(number))
        return reconcile_and_time(
            self.controller,
            request_reconcile(self.controller, version, name),
            ReconcileOutcomeKind.PROPOSED,
        )


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        standin = stack.enter_context(GitHubStandIn(Path(folder) / "github").serving())
        large = side(stack, standin, Path(folder) / "large", LARGE)
        small = side(stack, standin, Path(folder) / "small", SMALL)
        in_large, in_small = _taking_turns(Path(folder), large, small)
        yield growth("event_to_pr_growth", in_large.all, "ms", in_small.all, at_most=1.5)
        # A server goes through all folders it has before it takes a push: that part is its own.
        yield told("event_to_pr_push", in_large.push, "ms", in_small.push)
        yield told("event_to_pr_but_push", in_large.rest, "ms", in_small.rest)
        share = size(mirror_of(large.config)) / _full_clone(large.repository, Path(folder)) * 100
        yield counted("mirror_size", round(share, 2), "% of a full bare clone", 5)


def side(stack: ExitStack, standin: GitHubStandIn, folder: Path, files: int) -> Side:
    """A repository of so many files behind GitHub's stand-in, and a warm bridge."""
    name = f"acme/with-{files}"
    repository = standin.repository(name, {"README.md": b"Hello\n"}).path
    grow(repository, files)
    platform = stack.enter_context(served_platform(PromptRegistry()))
    config = configured(folder, platform.url, github(standin, standin.token()), name)
    found = Side(
        files,
        repository,
        config,
        stack.enter_context(open_measured_controller(config)),
        platform.registry,
    )
    for number in range(_WARM_UP):
        found.event(number)
    return found


@dataclass(frozen=True)
class Took:
    """Milliseconds from an event to its pull request, and of them in ``git push``."""

    all: float
    push: float

    @property
    def rest(self) -> float:
        return round(self.all - self.push, 1)


def _taking_turns(folder: Path, *sides: Side) -> list[Took]:
    """The medians of each side; a noisy neighbour hits all of them."""
    events = range(_WARM_UP, _WARM_UP + EVENTS)
    turns = [[_traced(folder / f"{n}-{side.files}", side, n) for side in sides] for n in events]
    return [
        Took(
            round(statistics.median(one.all for one in each), 1),
            round(statistics.median(one.push for one in each), 1),
        )
        for each in zip(*turns, strict=True)
    ]


def _traced(traces: Path, side: Side, number: int) -> Took:
    traces.mkdir()
    os.environ[TRACE] = str(traces)
    try:
        seconds = side.event(number)
    finally:
        del os.environ[TRACE]
    pushes = [run.seconds for run in git_runs(traces) if run.command == "push"]
    return Took(seconds * 1000, sum(pushes) * 1000)


def _full_clone(repository: Path, folder: Path) -> int:
    clone = folder / "full.git"
    command = ["git", "clone", "--quiet", "--bare", f"file://{repository}", str(clone)]
    subprocess.run(command, check=True, env=GIT_ENVIRONMENT)
    return size(clone)
