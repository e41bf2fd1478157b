"""The container's files hold what they say, as far as that can be seen without a container."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bridge.cli.app import app

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy/Dockerfile"
COMPOSE = ROOT / "deploy/compose.yaml"
TOOLS = Path(sys.executable).parent


def run(*words: str | Path) -> str:
    """What a tool of the virtual environment says; fails with that when it is not content."""
    tool = shutil.which(str(TOOLS / words[0]))
    if tool is None:
        pytest.skip(f"{words[0]} is not installed here")
    done = subprocess.run(
        [tool, *words[1:]], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_dockerfile_passes_the_linter() -> None:
    assert run("hadolint", DOCKERFILE) == ""


def test_the_image_runs_as_a_user_without_rights() -> None:
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()

    (user,) = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert user.split(":") == ["10001", "10001"]


def test_only_what_the_wheel_is_made_of_goes_to_the_builder() -> None:
    copied = {
        word
        for line in DOCKERFILE.read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert "*" in ignored
    assert copied == {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_the_compose_file_is_one() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


@pytest.mark.parametrize("name", ["serve", "work"])
def test_a_composed_bridge_cannot_write_to_its_own_files_nor_gain_rights(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_composed_bridge_is_not_open_to_the_network() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]

    assert ports == ["127.0.0.1:8484:8484"]


@pytest.mark.parametrize("name", ["serve", "work"])
def test_a_composed_bridge_is_called_with_words_it_knows(name: str) -> None:
    command, *words = services()[name]["command"]
    commands: Any = typer.main.get_command(app)

    commands.commands[command].make_context(command, list(words))  # raises at an unknown option


def test_the_image_can_send_traces() -> None:
    """Who runs it cannot install into it, and without the extra OTEL_* variables end it."""
    assert ".[otel]" in DOCKERFILE.read_text("utf-8")
