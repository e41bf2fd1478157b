"""The wheel, as the container has it: installed where nobody writes, run by a user without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bridge_process import BridgeProcess, reserved_port, until_healthy

ROOT = Path(__file__).parents[2]

CONFIG = """
data: {data}
promptlayer: {{api_key: key, webhook_secret: secret, base_url: "http://127.0.0.1:9"}}
forges: {{here: {{type: local, root: {data}/forge}}}}
mappings: [{{name: support, prompts: ["*"], repository: "here:acme/support"}}]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy of what git knows: building leaves traces beside the source.
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in (os.fsdecode(each) for each in files if each):
        if name.startswith("bridge/") or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words, str(source)], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Iterator[Path]:
    """Only the wheel's files, which nobody may change."""
    place = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    folders = [place, *(each for each in place.rglob("*") if each.is_dir())]
    for each in place.rglob("*"):
        each.chmod(0o555 if each.is_dir() else 0o444)
    yield place
    for each in folders:
        each.chmod(0o755)


def without_rights() -> list[str]:
    """What a command is put behind, so that permissions hold for it: root would pass them."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("these tests run as root, and setpriv is not installed here")
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def test_every_file_that_is_no_module_is_in_the_wheel(wheel: Path) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bridge").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }

    assert wanted
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_it_serves_from_files_it_cannot_change_as_a_user_without_rights(
    installed: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    config = tmp_path / "bridge.yaml"
    config.write_text(CONFIG.format(data=data))
    touch = [*without_rights(), "touch", str(installed / "bridge" / "new.py")]
    assert subprocess.run(touch, stderr=subprocess.DEVNULL, check=False).returncode != 0
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "PYTHONPATH": str(installed),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    log = tmp_path / "log"
    words = ["--config", str(config)]
    with reserved_port() as port, log.open("wb") as output:
        process = subprocess.Popen(
            [
                *without_rights(),
                sys.executable,
                "-m",
                "bridge",
                "serve",
                *words,
                "--port",
                str(port),
            ],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        bridge = BridgeProcess(process, log)
        try:
            until_healthy(bridge, f"http://127.0.0.1:{port}")
            ended = bridge.end()
        finally:
            process.kill()
            process.wait()

    assert ended == 0
    assert (data / "bridge.sqlite").exists()
