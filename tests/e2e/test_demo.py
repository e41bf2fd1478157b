"""``demo --once``: the whole loop, as anybody would start it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STEPS = [
    "create prompt → pull request",
    "second save updates it",
    "its workflow runs by itself → status and comment",
    "merge",
    "label move → pull request for the label's file",
    "close it",
    "same content is not proposed again",
    "engineer's edit → merged → version on the platform",
    "second edit in a row → second version",
    "revert → version",
    "label moved back → proposal",
    "both sides edited → conflict pull request",
    "evaluation results → status and comment",
]
SILENT = "same content is not proposed again"  # the step whose point is that there is nothing


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("demo")
    return subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "--once", "--json", "--folder", "made"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.xdist_group("demo")
def test_the_demo_prints_one_json_object_and_succeeds(
    demo: subprocess.CompletedProcess[str],
) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")

    told = json.loads(demo.stdout)

    assert told.keys() == {"steps", "ok"}
    assert told["ok"] is True


@pytest.mark.xdist_group("demo")
def test_every_step_of_the_demo_says_what_came_of_it(
    demo: subprocess.CompletedProcess[str],
) -> None:
    steps = json.loads(demo.stdout)["steps"]

    assert [step["step"] for step in steps] == STEPS
    for step in steps:
        assert step.keys() == {"step", "ok", "pull_request", "commit", "seconds"}
        assert step["ok"] is True
        assert step["seconds"] >= 0
    telling = [step for step in steps if step["step"] != SILENT]
    assert all(step["pull_request"].startswith("http") for step in telling)
    assert all(len(step["commit"]) == 40 for step in telling)
