"""The systemd units are well formed, and keep the bridge in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[2] / "deploy").glob("*.service"))
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
