"""The workflows that test and release are well formed, and careful."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

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


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("dependabot", "dependabot.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/bug.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/feature.yml"),
    ],
)
def test_what_the_forge_reads_of_us_is_well_formed(kind: str, file: str) -> None:
    run("check-jsonschema", "--builtin-schema", f"vendor.{kind}", ROOT / ".github" / file)


def test_newer_versions_are_proposed_for_every_pinned_action_and_package() -> None:
    updates = parsed(ROOT / ".github/dependabot.yml")["updates"]

    watched = {each["package-ecosystem"]: each for each in updates}
    assert watched.keys() == {"github-actions", "pip"}
    assert watched["github-actions"]["directories"] == ["/", "/deploy/github-action"]


def test_a_commit_is_checked_by_what_the_setup_installs() -> None:
    (repository,) = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought = {Requirement(each).name for each in project["optional-dependencies"]["dev"]}

    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert {Path(each).parent for each in programs} == {Path(".venv/bin")}
    assert {Path(each).name for each in programs} <= brought | project["scripts"].keys()


def test_an_auditor_of_workflows_finds_nothing() -> None:
    places = (".github/workflows", ".github/dependabot.yml", "deploy/github-action")

    said = run("zizmor", "--offline", "--no-progress", *places)

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
