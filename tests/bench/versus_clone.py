"""``versus_clone``: the same event the way a script does it (clone, checkout, write, commit, push)
against ours, on a repository of 100,000 files and over the same server."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bridge.forge.forge import GitRemote
from bridge.repo.git_environment import build_remote_environment
from tests.bench.figure import Figure, gain
from tests.bench.growth import Side, side
from tests.bench.measured_bridge import MAPPING
from tests.standins.git_http import GIT_ENVIRONMENT
from tests.standins.github import GitHubStandIn

FILES = 100_000
EVENTS = 9
CLONES = 2  # the faster one counts


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        standin = stack.enter_context(GitHubStandIn(Path(folder) / "github").serving())
        ours = side(stack, standin, Path(folder) / "bridge", FILES)
        looked = statistics.median(ours.event(100 + number) for number in range(EVENTS))
        cloned = min(_by_clone(ours, Path(folder) / f"clone-{n}") for n in range(CLONES))
        yield gain("versus_clone", round(cloned, 2), "s", round(looked, 3), at_least=10)


def _by_clone(ours: Side, folder: Path) -> float:
    """Seconds for the git part alone: ours has the pull request in it, too."""
    remote = ours.controller.contexts[MAPPING].forge.create_git_remote()
    started = time.perf_counter()
    _git(remote, folder.parent, "clone", "--quiet", remote.url, str(folder))
    _git(remote, folder, "switch", "--quiet", "--create", f"by-{folder.name}")
    (folder / "prompts").mkdir()
    (folder / "prompts" / "reply.yaml").write_text("kind: prompt/v1\n")
    _git(remote, folder, "add", "prompts/reply.yaml")
    _git(remote, folder, "commit", "--quiet", "--message", "Update reply")
    _git(remote, folder, "push", "--quiet", "origin", "HEAD")
    return time.perf_counter() - started


def _git(remote: GitRemote, folder: Path, *arguments: str) -> None:
    variables = os.environ | GIT_ENVIRONMENT | build_remote_environment(remote, patience=300)
    subprocess.run(["git", *arguments], cwd=folder, env=variables, check=True)
