"""The GitLab component: run by ``gitlab-ci-local`` in a shell of this machine, with nothing in place
of the bridge, against the stand-ins of PromptLayer and GitLab.

https://github.com/firecow/gitlab-ci-local; the component is included as a file of the repository."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.sandbox.registry import PromptRegistry
from tests.programs import find_program
from tests.standins.git_http import git
from tests.standins.gitlab import TOKEN, GitLabStandIn
from tests.standins.serve_app import serve
from tests.workflows.scene import API_KEY, ROOT, Scene, config, copy_source

REPOSITORY = "acme/bots/support"
COMPONENT = "templates/promptlayer.yml"


def pipeline(package: Path) -> bytes:
    inputs = {"config": "bridge.yaml", "stage": "publish", "package": str(package)}
    document = {
        "stages": ["publish"],
        "include": [{"local": COMPONENT, "inputs": inputs}],
    }
    return json.dumps(document, indent=2).encode()


@dataclass
class Runner:
    scene: Scene

    def run(self, event: str) -> subprocess.CompletedProcess[str]:
        branch = "topic" if event == "merge_request_event" else "main"
        self.scene.check_out(branch, f"git@gitlab.com:{REPOSITORY}.git")
        git(self.scene.checkout, "remote", "set-head", "origin", "main")
        variables = {
            "CI_PIPELINE_SOURCE": event,
            "PROMPTLAYER_API_KEY": API_KEY,
            "GITLAB_TOKEN": TOKEN,
        }
        words = [
            word for name, value in variables.items() for word in ("--variable", f"{name}={value}")
        ]
        return self.scene.run("gitlab-ci-local", "--force-shell-executor", "--color=false", *words)


def judged(done: subprocess.CompletedProcess[str]) -> str:
    """What GitLab would show of the only job: PASS, WARN or FAIL. The runner's own exit status does
    not tell a job that may fail with some codes, and failed with another."""
    found = re.findall(r"^ (PASS|WARN|FAIL) .*promptlayer-", done.stdout, re.MULTILINE)
    assert len(found) == 1, done.stdout
    return str(found[0])


@pytest.fixture
def runner(tmp_path: Path, platform: str, registry: PromptRegistry) -> Iterator[Runner]:
    for program in ("gitlab-ci-local", "rsync"):
        find_program(program)
    gitlab = GitLabStandIn(tmp_path / "gitlab")
    source = tmp_path / "source"
    copy_source(source)
    with serve(gitlab.app) as url:
        forge = {"type": "gitlab", "url": url, "token": "${GITLAB_TOKEN}"}
        files = {
            "bridge.yaml": config(platform, forge, REPOSITORY),
            COMPONENT: (ROOT / "deploy/gitlab-component/template.yml").read_bytes(),
            ".gitlab-ci.yml": pipeline(source),
        }
        project = gitlab.repository(REPOSITORY, files)
        scene = Scene(tmp_path, platform, registry, project.directory)
        scene.take()
        yield Runner(scene)


def test_the_default_branch_publishes_what_is_merged(runner: Runner) -> None:
    runner.scene.edit()

    done = runner.run("push")

    assert judged(done) == "PASS"
    assert "prompts/latest/support/reply.yaml is version 2 of support/reply" in done.stdout
    assert runner.scene.texts() == ["Be kind.", "Be brief."]


def test_a_merge_request_only_shows_what_merging_it_would_publish(runner: Runner) -> None:
    runner.scene.edit("topic")

    done = runner.run("merge_request_event")

    assert "reply.yaml: a new version on top of version 1" in done.stdout
    assert judged(done) == "WARN"  # there is something to publish
    assert runner.scene.texts() == ["Be kind."]


def test_a_file_that_is_wrong_fails_the_job(runner: Runner) -> None:
    runner.scene.merge({"prompts/latest/support/odd.yaml": b"kind: prompt/v1\nname: [\n"}, "topic")

    done = runner.run("merge_request_event")

    assert judged(done) == "FAIL"
    assert "prompts/latest/support/odd.yaml:" in done.stdout
