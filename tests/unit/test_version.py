"""The version stands in one place, ``bridge.__version__``, and what cannot read it there agrees."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from bridge import __version__

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/promptlayer-bridge/Chart.yaml"


def test_the_package_takes_its_version_from_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "bridge.__version__"}


@pytest.mark.parametrize("field", ["version", "appVersion"])
def test_the_chart_is_of_the_same_version(field: str) -> None:
    assert yaml.safe_load(CHART.read_text(encoding="utf-8"))[field] == __version__


@pytest.mark.parametrize("page", ["CHANGELOG.md", "docs/deploying.md"])
def test_a_page_for_people_knows_the_version(page: str) -> None:
    assert __version__ in (ROOT / page).read_text(encoding="utf-8")
