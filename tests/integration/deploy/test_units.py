"""The systemd units are well formed, and keep the bridge in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bridge.cli.app import app

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
MOST_EXPOSED = 20  # tenths; systemd calls up to 2.0 "OK"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


@pytest.fixture(params=UNITS, ids=lambda unit: unit.name)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose program exists here."""
    source: Path = request.param
    copy = tmp_path / source.name.replace("@", "@2")
    copy.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", source.read_text()))
    return copy


def started(source: Path) -> tuple[str, dict[str, Any]]:
    """The command that a unit starts as the second of its kind, and its options. Raises where the
    bridge does not know them."""
    (line,) = re.findall(r"^ExecStart=\S+ (.+)$", source.read_text(), re.MULTILINE)
    name, *words = line.replace("%i", "2").split()
    commands: Any = typer.main.get_command(app)
    return name, commands.commands[name].make_context(name, words).params


def test_prometheus_is_told_to_ask_where_the_units_answer() -> None:
    (example,) = re.findall(
        r"```yaml\n(scrape_configs:.*?)```",
        (DEPLOY.parent / "docs/deploying.md").read_text(),
        re.DOTALL,
    )
    (job,) = yaml.safe_load(example)["scrape_configs"]
    options = dict(map(started, UNITS))

    assert job["static_configs"][0]["targets"] == [
        f"{options['serve']['host']}:{options['serve']['port']}",
        f"{options['work']['metrics_host']}:{options['work']['metrics_port']}",
    ]


@needs_systemd
def test_a_unit_is_one(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_a_unit_gives_the_bridge_no_more_than_it_needs(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}"]
    done = subprocess.run([*words, str(unit)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-300:] + done.stderr
