"""Files, folders and addresses that cannot be used: each command says so in words, and never with a
name of Python's or of the operating system's."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from bridge.cli.app import app
from tests.integration.cli.cli_workspace import CONFIG, CliWorkspace

TECHNICAL = re.compile(
    r"Errno|\b[A-Z]\w*(?:Error|Exception|Warning)\b|Traceback|codec|utf-8|sqlalchemy|No module|"
    r"psycopg|Background on this error"
)
LATIN_1 = "name: Grüße\n".encode("latin-1")
ON_GITHUB = """\
promptlayer: {{api_key: key, base_url: "{platform}"}}
forges:
  hub: {{type: github, {forge}}}
mappings:
  - {{name: support, prompts: ["support/*"], repository: "hub:acme/bot"}}
"""
SHOWN = ("check --offline", "validate bridge.yaml", "plan", "sync", "status", "publish", "serve")


def _write_latin_1_config(desk: CliWorkspace) -> None:
    desk.config.write_bytes(LATIN_1)


def _make_config_a_folder(desk: CliWorkspace) -> None:
    desk.config.unlink()
    desk.config.mkdir()


def _name_a_file_as_mappings_folder(desk: CliWorkspace) -> None:
    (desk.folder / "file").write_bytes(b"")
    desk.configure(f"{CONFIG}mappings_folder: file\n")


def _write_latin_1_mappings_file(desk: CliWorkspace) -> None:
    (desk.folder / "mappings.d").mkdir()
    (desk.folder / "mappings.d/team.yaml").write_bytes(LATIN_1)
    desk.configure(f"{CONFIG}mappings_folder: mappings.d\n")


def _write_latin_1_secret(desk: CliWorkspace) -> None:
    (desk.folder / "secret").write_bytes(LATIN_1)
    desk.configure(CONFIG.replace("${{PROMPTLAYER_API_KEY}}", "${{file:secret}}"))


def _write_ca_file_without_certificate(desk: CliWorkspace) -> None:
    (desk.folder / "ca.pem").write_bytes(LATIN_1)
    desk.configure(f"{CONFIG}ca_file: ca.pem\n")


def _name_a_folder_as_ca_file(desk: CliWorkspace) -> None:
    desk.configure(f"{CONFIG}ca_file: forge\n")


BAD_CONFIGS: dict[str, tuple[Callable[[CliWorkspace], None], str]] = {
    "a config in another encoding": (_write_latin_1_config, "UTF-8"),
    "a config that is a folder": (_make_config_a_folder, "Is a directory"),
    "a mappings folder that is a file": (_name_a_file_as_mappings_folder, "Not a directory"),
    "a mappings file in another encoding": (_write_latin_1_mappings_file, "UTF-8"),
    "a secret in another encoding": (_write_latin_1_secret, "secret"),
    "a ca_file without a certificate": (_write_ca_file_without_certificate, "no certificate"),
    "a ca_file that is a folder": (_name_a_folder_as_ca_file, "Is a directory"),
}


def assert_is_told_in_words(text: str, expected: str) -> None:
    assert expected in text
    assert TECHNICAL.findall(text) == []


def test_the_words_are_found_where_they_stand() -> None:
    planted = "[Errno 21] Is a directory; UnicodeDecodeError: 'utf-8' codec can't decode"

    assert len(TECHNICAL.findall(planted)) == 4


@pytest.mark.parametrize("case", BAD_CONFIGS)
@pytest.mark.parametrize("command", SHOWN)
def test_a_configuration_that_cannot_be_used_is_told_in_words(
    workspace: CliWorkspace, command: str, case: str
) -> None:
    spoil, expected = BAD_CONFIGS[case]
    spoil(workspace)
    if case.startswith("a secret"):
        command = "check"  # the others may need none

    said = workspace.run(*command.split())

    assert said.status == 1
    assert_is_told_in_words(said.out + said.err, expected)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("nonsense", "The database address cannot be read."),
        ("mysql://host/name", "not in mysql"),
        ("postgresql+foo://host/name", "no driver for postgresql+foo"),
        ("sqlite://", "has to be a file"),
        ("sqlite:////dev/null/bridge.sqlite", "/dev/null"),
        ("postgresql://127.0.0.1:9/name", "127.0.0.1:9/name"),
    ],
)
@pytest.mark.parametrize("command", ["check", "status", "plan", "sync", "serve --port 0"])
def test_a_database_that_cannot_be_used_is_told_in_words(
    workspace: CliWorkspace, command: str, address: str, expected: str
) -> None:
    workspace.configure(f"{CONFIG}database: {address}\n")

    said = workspace.run(*command.split())

    assert said.status == 1
    assert_is_told_in_words(said.out + said.err, expected)


@pytest.mark.parametrize("content", [None, LATIN_1])
@pytest.mark.parametrize("command", ["check", "plan", "sync"])
def test_a_private_key_that_cannot_be_read_is_told_in_words(
    workspace: CliWorkspace, command: str, content: bytes | None
) -> None:
    if content is not None:
        (workspace.folder / "app.pem").write_bytes(content)
    workspace.configure(ON_GITHUB, forge="app_id: 1, private_key_file: app.pem")

    said = workspace.run(command)

    assert said.status == 1
    reason = "it is not text in UTF-8" if content else "No such file or directory"
    assert_is_told_in_words(said.out + said.err, f"app.pem cannot be read: {reason}")


@pytest.mark.parametrize(
    "command",
    [
        "init forge",
        "schema --write file",
        "validate file",
        "validate nowhere.yaml",
        "evals record file --prompt support/reply --version 1",
        "copy-database --to nonsense",
    ],
)
def test_a_file_that_a_command_is_given_is_told_in_words(
    workspace: CliWorkspace, command: str
) -> None:
    (workspace.folder / "file").write_bytes(LATIN_1)

    said = workspace.run(*command.split())

    assert said.status != 0
    assert TECHNICAL.findall(said.out + said.err) == []


def _list_commands() -> list[tuple[str, ...]]:
    def walk(command: object, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        inner = getattr(command, "commands", {})
        below = [each for name, one in inner.items() for each in walk(one, (*words, name))]
        return [words, *below]

    return walk(typer.main.get_command(app), ())


@pytest.mark.parametrize("words", _list_commands(), ids=" ".join)
def test_no_line_of_help_is_cut_at_80_columns(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}).output

    assert "Usage:" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
