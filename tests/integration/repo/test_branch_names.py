"""Git itself takes the branch names that the bridge makes."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings

from bridge.prompts import paths
from tests.unit.prompts.test_paths import HOSTILE, branch_of, ids, names


def git_accepts(branch: str) -> bool:
    command = ["git", "check-ref-format", "--branch", branch]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "template", ["{prompt}", "pl/{label}/{prompt}", "pl/{mapping}/{prompt}-{id}"]
)
def test_git_accepts_the_branch_of_every_hostile_name(template: str) -> None:
    paths.check_branch_template(template)
    for name in HOSTILE:
        assert git_accepts(branch_of(name, label=name, template=template)), name


@settings(max_examples=60, deadline=None)
@given(names, names, ids)
def test_git_accepts_the_branch_of_any_name(name: str, label: str, id: int) -> None:
    assert git_accepts(branch_of(name, id, label, "pl/{label}/{prompt}"))
