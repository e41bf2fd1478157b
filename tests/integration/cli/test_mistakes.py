"""The first minutes: ``init``, help, and every way to get the command line wrong."""

from __future__ import annotations

import json
import re
import socket

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.integration.cli.cli_workspace import CONFIG, SECRET, CliWorkspace, CommandResult

VARIABLES = {"GITHUB_TOKEN": "ghp_x"}


def test_init_writes_a_file_that_is_valid_as_it_is(workspace: CliWorkspace) -> None:
    workspace.config.unlink()
    workspace.environment |= VARIABLES

    said = workspace.run("init")

    assert said.status == 0
    assert said.out == (
        "Wrote bridge.yaml. Edit it, set the variables it names, then: promptlayer-bridge check\n"
    )
    assert workspace.run("check", "--offline").status == 0


def test_the_file_of_init_fits_its_schema(workspace: CliWorkspace) -> None:
    workspace.run("init", "new.yaml")
    workspace.run("schema", "--write", "schemas")

    schema = json.loads((workspace.folder / "schemas/bridge.v1.json").read_text())
    Draft202012Validator.check_schema(schema)
    text = (workspace.folder / "new.yaml").read_text()
    assert [*Draft202012Validator(schema).iter_errors(yaml.safe_load(text))] == []


def test_init_overwrites_nothing(workspace: CliWorkspace) -> None:
    before = workspace.config.read_bytes()

    said = workspace.run("init")

    assert (said.status, said.err) == (1, "bridge.yaml is there already, and stays as it is.\n")
    assert workspace.config.read_bytes() == before


def test_init_into_a_folder_that_is_not_there_is_told(workspace: CliWorkspace) -> None:
    said = workspace.run("init", "no/such/bridge.yaml")

    assert said.status == 1
    assert said.err == "no/such/bridge.yaml cannot be written: No such file or directory.\n"


def test_schema_prints_every_schema(workspace: CliWorkspace) -> None:
    said = workspace.run("schema")

    assert said.status == 0
    assert said.json.keys() == {"prompt.v1.json", "bridge.v1.json", "mappings.v1.json"}


@pytest.mark.parametrize("command", ["check", "plan", "sync", "serve", "work", "deliveries list"])
def test_a_missing_config_says_how_to_get_one(workspace: CliWorkspace, command: str) -> None:
    said = workspace.run(*command.split(), "--config", "nowhere.yaml")

    assert (said.status, said.out) == (1, "")
    assert said.err == (
        "nowhere.yaml is not there. `promptlayer-bridge init` writes one to start from.\n"
    )


def test_the_config_may_be_named_by_the_environment(workspace: CliWorkspace) -> None:
    workspace.environment["BRIDGE_CONFIG"] = "elsewhere.yaml"
    workspace.config.rename(workspace.folder / "elsewhere.yaml")

    assert workspace.run("check", "--offline").status == 0


BAD = [
    "plan --bad",
    "plans",
    "serve --port 70000",
    "serve --workers -1",
    "deliveries list --limit 0",
]


@pytest.mark.parametrize("words", BAD)
def test_words_that_make_no_sense_are_told_with_the_way_to_help(
    workspace: CliWorkspace, words: str
) -> None:
    said = workspace.run(*words.split())

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("Usage: promptlayer-bridge ")
    assert "-h' for help" in said.err


def test_json_of_the_demo_needs_once(workspace: CliWorkspace) -> None:
    said = workspace.run("demo", "--json")

    assert (said.status, said.err) == (1, "--json goes with --once.\n")


def test_a_data_folder_that_cannot_be_made_is_told(workspace: CliWorkspace) -> None:
    (workspace.folder / "bridge-data").touch()

    said = workspace.run("plan")

    assert said.status == 1
    assert said.err.endswith("(File exists). Choose another one with the setting `data`.\n")


def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(workspace: CliWorkspace) -> None:
    (workspace.folder / "thesis").mkdir()
    thesis = workspace.folder / "thesis" / "thesis.txt"
    thesis.write_text("years of work")

    said = workspace.run("demo", "--once", "--folder", "thesis")

    assert said.status == 1
    assert "holds something else; give the demo a --folder of its own" in said.err
    assert thesis.read_text() == "years of work"


WITH_A_WRONG_SETTING = f"{CONFIG}    track: prod\n"
WITH_AN_UNSET_VARIABLE = CONFIG.replace("PROMPTLAYER_WEBHOOK_SECRET", "NOT_SET_ANYWHERE")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WITH_A_WRONG_SETTING, r"bridge\.yaml:\d+: mappings\[0\]\.track: .*(?:tuple|list)"),
        (
            WITH_AN_UNSET_VARIABLE,
            r"bridge\.yaml:\d+: promptlayer\.webhook_secret: .*NOT_SET_ANYWHERE is not set",
        ),
    ],
    ids=["a wrong setting", "an unset variable"],
)
def test_a_bridge_that_cannot_start_says_why_in_one_line(
    workspace: CliWorkspace, text: str, expected: str
) -> None:
    workspace.configure(text)

    _told_in_one_line(workspace.run("serve", "--port", "0"), expected)


def test_a_port_that_is_taken_is_told_in_one_line(workspace: CliWorkspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = workspace.run("serve", "--port", str(port))

    expected = rf"Cannot listen on 127\.0\.0\.1:{port}: .*Choose another --host or --port"
    _told_in_one_line(said, expected)


def _told_in_one_line(said: CommandResult, expected: str) -> None:
    assert (said.status, said.out) == (1, "")
    assert len(said.err.splitlines()) == 1, said
    assert re.search(expected, said.err), said
    assert SECRET not in said.err


def test_a_mistake_in_a_process_of_its_own_is_no_traceback(workspace: CliWorkspace) -> None:
    said = workspace.start("plan", PROMPTLAYER_API_KEY="")

    assert (said.status, said.out) == (1, "")
    assert said.err == (
        "bridge.yaml:2: promptlayer.api_key: expected a secret, got an empty text"
        " (is its variable empty?)\n"
    )


def test_every_command_has_a_line_of_help(workspace: CliWorkspace) -> None:
    said = workspace.run("--help")

    commands = ("init", "check", "plan", "sync", "serve", "work", "deliveries", "schema", "demo")
    assert said.status == 0
    for command in commands:
        assert any(command in line.split()[1:2] for line in said.out.splitlines()), command
        assert workspace.run(command, "--help").status == 0


def test_the_version_is_printed_alone(workspace: CliWorkspace) -> None:
    said = workspace.run("--version")

    assert said.status == 0
    assert len(said.out.split()) == 1


@pytest.mark.parametrize("words", [("schema", "--write"), ("demo", "--once", "--folder")])
def test_a_folder_that_cannot_be_made_is_told(
    workspace: CliWorkspace, words: tuple[str, ...]
) -> None:
    said = workspace.run(*words, "bridge.yaml/within")

    assert (said.status, said.out) == (1, "")
    assert re.fullmatch(
        r"\S*bridge\.yaml/within cannot be (written|made): Not a directory\.\n", said.err
    )
