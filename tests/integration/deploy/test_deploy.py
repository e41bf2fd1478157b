"""What CI is given in ``deploy/`` parses, and calls nothing that does not exist."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bridge.cli.app import app
from bridge.cli.publish_command import EXIT_CHANGES, EXIT_CONFLICT, EXIT_FAILED

DEPLOY = Path(__file__).parents[3] / "deploy"
README = (DEPLOY.parent / "docs/deploying.md").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((DEPLOY / "github-action/action.yml").read_text())
SPEC, JOBS = yaml.safe_load_all((DEPLOY / "gitlab-component/template.yml").read_text())
PUBLISH = typer.main.get_command(app).commands["publish"]  # type: ignore[attr-defined]

RECORDER = """\
#!/bin/sh
printf '%s\\n' "$@" > "$RECORDED"
exit "${ENDING:-0}"
"""


def action_script() -> str:
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "publish"]
    return str(step["run"])


class Terminal:
    """Runs a script as CI's shell does, with a ``promptlayer-bridge`` that writes its words down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = folder / "promptlayer-bridge"
        command.write_text(RECORDER)
        command.chmod(0o755)

    def run(self, script: str, environment: Mapping[str, str], ending: int = 0) -> int:
        told = {"RECORDED": str(self.folder / "words"), "ENDING": str(ending)}
        told |= {"GITHUB_OUTPUT": str(self.folder / "output"), **environment}
        path = f"{self.folder}:{os.environ['PATH']}"
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(shell, env={"PATH": path, **told}, timeout=30).returncode

    @property
    def words(self) -> Sequence[str]:
        return (self.folder / "words").read_text().splitlines()


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def inputs(**given: str) -> dict[str, str]:
    """What GitHub makes of the action's inputs."""
    defaults = {name: value["default"] for name, value in ACTION["inputs"].items()}
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "publish"]
    return {
        variable: re.sub(
            r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: {**defaults, **given}[found[1]], value
        )
        for variable, value in step["env"].items()
    }


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """What the command line makes of these words; it knows every option of them."""
    assert words[0] == "publish"
    parameters: dict[str, Any] = PUBLISH.make_context("publish", list(words[1:])).params
    return parameters


def test_the_action_publishes_everything_unless_told_otherwise(terminal: Terminal) -> None:
    assert terminal.run(action_script(), inputs()) == 0

    read = parsed(terminal.words)
    assert (read["dry_run"], read["at"], read["mappings"]) == (False, None, ())
    assert read["config"] == Path("bridge.yaml")


def test_the_action_hands_its_inputs_on_word_by_word(terminal: Terminal) -> None:
    given = {"config": "my bridge.yaml", "mappings": "support sales", "dry-run": "true"}

    assert terminal.run(action_script(), inputs(**given, at="$(touch x)")) == 0

    read = parsed(terminal.words)
    assert (read["dry_run"], read["at"]) == (True, "$(touch x)")
    assert read["config"] == Path("my bridge.yaml")
    assert read["mappings"] == ["support", "sales"]


def test_a_dry_run_fails_the_action_only_where_a_person_has_to_look(terminal: Terminal) -> None:
    def ends(ending: int, dry_run: str) -> int:
        return terminal.run(action_script(), inputs(**{"dry-run": dry_run}), ending)

    assert [ends(code, "true") for code in (0, EXIT_CHANGES, EXIT_CONFLICT, EXIT_FAILED)] == [
        0,
        0,
        3,
        1,
    ]
    assert [ends(code, "false") for code in (0, EXIT_CONFLICT, EXIT_FAILED)] == [0, 3, 1]
    last = (terminal.folder / "output").read_text().splitlines()[-1]
    assert last == "exit-code=1"


def gitlab(job: str, terminal: Terminal, **given: str) -> dict[str, Any]:
    (script,) = JOBS[job]["script"]
    defaults = {name: each.get("default", "") for name, each in SPEC["spec"]["inputs"].items()}
    values = defaults | given
    variables = {
        name: re.sub(r"\$\[\[ inputs\.([a-z]+) \]\]", lambda found: values[found[1]], value)
        for name, value in JOBS[".promptlayer-bridge"]["variables"].items()
    }
    assert terminal.run(script, {"CI_COMMIT_SHA": "c0ffee", **variables}) == 0
    return parsed(terminal.words)


def test_gitlab_publishes_the_default_branch_and_previews_merge_requests(
    terminal: Terminal,
) -> None:
    published = gitlab("promptlayer-publish", terminal, mappings="support sales")
    shown = gitlab("promptlayer-preview", terminal)

    assert (published["dry_run"], published["mappings"]) == (False, ["support", "sales"])
    assert (shown["dry_run"], shown["at"], shown["mappings"]) == (True, "c0ffee", ())
    assert JOBS["promptlayer-preview"]["allow_failure"] == {"exit_codes": [EXIT_CHANGES]}
    (publishing,) = JOBS["promptlayer-publish"]["rules"]
    assert '!= "merge_request_event"' in publishing["if"]


@pytest.mark.parametrize(
    ("inputs", "heading"),
    [(ACTION["inputs"], "### GitHub Action"), (SPEC["spec"]["inputs"], "### GitLab CI")],
)
def test_every_input_is_described(inputs: dict[str, Any], heading: str) -> None:
    section = README.partition(heading)[2].partition("\n#")[0]
    for name, said in inputs.items():
        assert f"`{name}`" in section
        assert said["description"]
