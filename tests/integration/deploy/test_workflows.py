"""The workflows that test and release are well formed, and careful."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.deploy.test_container import ROOT, run

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / "deploy/github-action/action.yml"


def parsed(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one(path: Path) -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def test_the_action_is_one() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION)


def test_an_auditor_of_workflows_finds_nothing() -> None:
    said = run("zizmor", "--offline", "--no-progress", ".github/workflows", "deploy/github-action")

    assert "No findings" in said


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_what_others_wrote_is_pinned_to_one_commit_and_says_which_version_that_is(
    path: Path,
) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))

    assert used
    assert [each for each in used if not re.fullmatch(r"\S+@[0-9a-f]{40}  # v[\d.]+", each)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_has_the_rights_it_names_and_ends_by_itself(path: Path) -> None:
    workflow = parsed(path)

    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_every_supported_python_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = parsed(ROOT / ".github/workflows/ci.yml")["jobs"]["check"]["strategy"]["matrix"]

    assert project["requires-python"] == f">={tested['python'][0]}"


def test_nothing_is_released_before_the_checks_and_the_audit_have_passed() -> None:
    jobs = parsed(ROOT / ".github/workflows/release.yml")["jobs"]
    commands = [step.get("run", "") for step in jobs["build"]["steps"]]

    assert commands.index("bash .ci/run") < commands.index("make audit")
    assert jobs["pypi"]["needs"] == "build"
    assert jobs["image"]["needs"] == "build"
