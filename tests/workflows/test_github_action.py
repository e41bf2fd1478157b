"""The GitHub Action, as the workflow of deploy/README.md uses it: run by ``act`` on this machine,
with nothing in place of the bridge, against the stand-ins of PromptLayer and GitHub.

https://nektosact.com; actions that others wrote are replaced by empty ones."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox.registry import PromptRegistry
from tests.programs import find_program
from tests.standins.github import GitHubStandIn
from tests.workflows.scene import API_KEY, ROOT, Scene, config, copy_source

REPOSITORY = "acme/support-bot"
OURS = "promptlayer-bridge/promptlayer-bridge"
EMPTY = "name: empty\nruns:\n  using: composite\n  steps:\n    - {run: 'true', shell: bash}\n"
PULL_REQUEST: Mapping[str, Any] = {
    "pull_request": {"head": {"ref": "topic"}, "base": {"ref": "main"}}
}


def example() -> str:
    """The workflow of the documentation."""
    text = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    section = text.partition("### GitHub Action")[2]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


@dataclass
class Runner:
    scene: Scene
    token: str
    github: GitHubStandIn

    def run(self, event: str, payload: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        branch = "topic" if event == "pull_request" else "main"
        self.scene.check_out(branch, f"https://github.com/{REPOSITORY}")
        folder = self.scene.folder
        (folder / "event.json").write_text(json.dumps(payload))
        replaced = (
            word
            for action, place in self._replaced().items()
            for word in ("--local-repository", f"{action}={place}")
        )
        return self.scene.run(
            "act",
            event,
            "--platform",
            "ubuntu-latest=-self-hosted",
            "--eventpath",
            folder / "event.json",
            "--secret",
            f"PROMPTLAYER_API_KEY={API_KEY}",
            "--secret",
            f"GITHUB_TOKEN={self.token}",
            *replaced,
        )

    def _replaced(self) -> Mapping[str, Path]:
        """Action → the folder that stands in for its repository."""
        source, empty = self.scene.folder / "source", self.scene.folder / "empty"
        copy_source(source)
        empty.mkdir()
        (empty / "action.yml").write_text(EMPTY)
        action = (source / "deploy/github-action/action.yml").read_text(encoding="utf-8")
        foreign = [*re.findall(r"uses: (\S+)", action), "actions/checkout@v4"]
        return {f"{OURS}@main": source, **dict.fromkeys(foreign, empty)}


@pytest.fixture
def runner(tmp_path: Path, platform: str, registry: PromptRegistry) -> Iterator[Runner]:
    find_program("act")
    github = GitHubStandIn(tmp_path / "github")
    with github.serving():
        forge = {"type": "github", "url": github.url, "token": "${GITHUB_TOKEN}"}
        files = {
            "bridge.yaml": config(platform, forge, REPOSITORY),
            ".github/workflows/prompts.yml": example().encode(),
        }
        repository = github.repository(REPOSITORY, files)
        scene = Scene(tmp_path, platform, registry, repository.path)
        scene.take()
        yield Runner(scene, github.token("bot"), github)


def test_a_push_to_the_default_branch_publishes_what_is_merged(runner: Runner) -> None:
    runner.scene.edit()

    done = runner.run("push", {"ref": "refs/heads/main"})

    assert done.returncode == 0, done.stdout
    assert "prompts/latest/support/reply.yaml is version 2 of support/reply" in done.stdout
    assert runner.scene.texts() == ["Be kind.", "Be brief."]


def test_a_pull_request_only_shows_what_merging_it_would_publish(runner: Runner) -> None:
    runner.scene.edit("topic")

    done = runner.run("pull_request", PULL_REQUEST)

    assert done.returncode == 0, done.stdout
    assert "reply.yaml: a new version on top of version 1" in done.stdout
    assert runner.scene.texts() == ["Be kind."]


def test_a_file_that_is_wrong_fails_the_job(runner: Runner) -> None:
    runner.scene.merge({"prompts/latest/support/odd.yaml": b"kind: prompt/v1\nname: [\n"}, "topic")

    done = runner.run("pull_request", PULL_REQUEST)

    assert done.returncode != 0
    assert "prompts/latest/support/odd.yaml:" in done.stdout
