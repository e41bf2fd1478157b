"""``check``: what a newcomer is told about the file, the key, the token and the repository."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.integration.cli.cli_workspace import CONFIG, NOBODY, CliWorkspace, CommandResult
from tests.standins.fault_injection import status
from tests.standins.github import GitHubStandIn
from tests.standins.postgresql import PostgreSQL

READING = {"contents": "read", "pull_requests": "read", "metadata": "read"}
ON_GITHUB = CONFIG.replace(
    '{{type: local, root: forge, page_url: "http://forge.example.com"}}',
    '{{type: github, url: "{github}", token: "${{TOKEN}}"}}',
)


def problems(said: CommandResult) -> list[str]:
    lines = said.out.splitlines()
    assert all(line.startswith(("ok      ", "warning ", "problem ")) for line in lines), said.out
    return [line.removeprefix("problem ") for line in lines if line.startswith("problem")]


def test_all_is_well(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")

    said = workspace.run("check")

    assert (said.status, problems(said), said.err) == (0, [], "")
    assert "PromptLayer lets us read 1 prompt" in said.out
    assert "git reads the branch main." in said.out
    assert "git may push branches promptlayer/…" in said.out


def test_offline_asks_nobody(workspace: CliWorkspace) -> None:
    workspace.configure(platform=NOBODY)

    said = workspace.run("check", "--offline")

    assert (said.status, said.out) == (0, "ok      bridge.yaml is valid. Mappings: support.\n")


def test_every_file_of_the_configuration_is_told_with_its_mappings(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG + "mappings_folder: mappings.d\n")
    (workspace.folder / "mappings.d").mkdir()
    mapping = 'name: sales, prompts: ["sales/*"], repository: "local:acme/sales"'
    (workspace.folder / "mappings.d/sales.yaml").write_text(f"mappings: [{{{mapping}}}]\n")
    (workspace.folder / "mappings.d/later.yaml").write_text("mappings: []\n")

    said = workspace.run("check", "--offline")

    assert said.status == 0
    assert said.out.splitlines() == [
        "ok      bridge.yaml is valid. Mappings: support.",
        "ok      mappings.d/later.yaml is valid. It has no mappings.",
        "ok      mappings.d/sales.yaml is valid. Mappings: sales.",
    ]


SEVERAL = """\
workspaces:
  care: {{api_key: "${{PROMPTLAYER_API_KEY}}", webhook_secret: one, base_url: "{platform}"}}
  sales: {{api_key: pl_wrong, base_url: "{platform}"}}
forges:
  local: {{type: local, root: forge}}
mappings:
  - {{name: support, workspace: care, prompts: ["**"], repository: "local:acme/support-bot"}}
"""


def test_of_several_workspaces_each_is_asked_with_its_own_key(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.configure(SEVERAL)

    said = workspace.run("check")

    assert said.status == 1
    assert "workspaces.care: PromptLayer lets us read 1 prompts." in said.out
    (no_key,) = problems(said)
    assert "warning workspaces.sales.webhook_secret is not set" in said.out
    assert no_key.startswith("workspaces.sales: PromptLayer key refused.")


def test_a_mistake_in_the_file_is_all_that_is_told(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG + "    brunch: x\n")

    said = workspace.run("check")

    assert (said.status, said.out) == (1, "")
    assert (
        said.err
        == "bridge.yaml:11: mappings[0].brunch: this setting is not known; did you mean branch?\n"
    )


def test_a_wrong_key_is_told_and_the_rest_is_asked_all_the_same(workspace: CliWorkspace) -> None:
    workspace.environment["PROMPTLAYER_API_KEY"] = "pl_wrong"

    said = workspace.run("check")

    (problem,) = problems(said)
    assert said.status == 1
    assert problem.startswith("PromptLayer key refused.")
    assert "pl_wrong" not in said.out
    assert "git reads the branch main." in said.out


def test_promptlayer_out_of_reach_is_told(workspace: CliWorkspace) -> None:
    workspace.configure(platform=NOBODY)

    said = workspace.run("check")

    (problem,) = problems(said)
    assert said.status == 1
    assert problem.startswith(f"PromptLayer cannot be reached at {NOBODY}")


def test_a_missing_repository_is_told_once(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG.replace("acme/support-bot", "acme/nobody"))

    said = workspace.run("check")

    (problem,) = problems(said)
    assert said.status == 1
    assert problem.startswith("local:acme/nobody: there is no repository at ")
    assert problem.endswith("create it first.")


def test_a_missing_base_branch_is_told(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG + "    base: release\n")

    said = workspace.run("check")

    (problem,) = problems(said)
    assert "release" in problem


def test_a_missing_webhook_secret_is_told(workspace: CliWorkspace) -> None:
    secret = "  webhook_secret: ${{PROMPTLAYER_WEBHOOK_SECRET}}\n"
    workspace.configure(CONFIG.replace(secret, ""))

    said = workspace.run("check", "--offline")

    assert (said.status, problems(said)) == (0, [])
    assert (
        "warning promptlayer.webhook_secret is not set: serve receives no webhooks of PromptLayer"
        " and finds changes only by its resync, every 1 h." in said.out
    )


@pytest.fixture
def github(workspace: CliWorkspace, tmp_path: Path) -> Iterator[GitHubStandIn]:
    """The desk's repository is on GitHub."""
    with GitHubStandIn(tmp_path / "github").serving() as standin:
        standin.repository("acme/support-bot", {"README.md": b"# Bot\n"})
        workspace.configure(ON_GITHUB, github=standin.url)
        yield standin


def test_a_good_token_is_well(workspace: CliWorkspace, github: GitHubStandIn) -> None:
    workspace.environment["TOKEN"] = github.token("bot")

    said = workspace.run("check")

    assert (said.status, problems(said)) == (0, [])


def test_a_mapping_with_evaluations_needs_commit_statuses(
    workspace: CliWorkspace, github: GitHubStandIn
) -> None:
    granted = {"contents": "write", "pull_requests": "write"}
    workspace.environment["TOKEN"] = github.token(permissions=granted)

    assert "Commit statuses" not in workspace.run("check").out
    workspace.configure(ON_GITHUB + "    evals: {{required: true}}\n", github=github.url)
    assert "make sure that forges.local.token has" in (said := workspace.run("check").out)
    assert "“Commit statuses: write”" in said


def test_a_wrong_token_is_told_and_not_repeated(
    workspace: CliWorkspace, github: GitHubStandIn
) -> None:
    workspace.environment["TOKEN"] = "ghp_planted"

    said = workspace.run("check")

    assert said.status == 1
    assert len(problems(said)) == 1
    assert "local:acme/support-bot" in problems(said)[0]
    assert "ghp_planted" not in said.out + said.err


def test_a_token_without_the_scope_cannot_see_a_private_repository(
    workspace: CliWorkspace, github: GitHubStandIn
) -> None:
    workspace.environment["TOKEN"] = github.token("bot", scopes="read:org")

    said = workspace.run("check")

    assert said.status == 1
    (problem,) = problems(said)
    assert "forges.local.token cannot see that repository" in problem


def test_a_missing_permission_is_named(workspace: CliWorkspace, github: GitHubStandIn) -> None:
    workspace.environment["TOKEN"] = github.token("bot", may_push=False, permissions=READING)

    said = workspace.run("check")

    assert said.status == 1
    assert any("Contents: write" in problem for problem in problems(said))


def test_a_key_file_that_is_not_there_is_told(
    workspace: CliWorkspace, github: GitHubStandIn
) -> None:
    app = ON_GITHUB.replace('token: "${{TOKEN}}"', "app_id: 1, private_key_file: app.pem")
    workspace.configure(app, github=github.url)

    said = workspace.run("check")

    assert said.status == 1
    assert "forges.local.private_key_file: " in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://bridge@127.0.0.1/bridge", "not in mysql"),
        ("bridge", "cannot be read"),
    ],
)
def test_an_address_that_is_no_database_is_told_without_asking(
    workspace: CliWorkspace, address: str, words: str
) -> None:
    workspace.configure(CONFIG + f"database: {address}\n")

    said = workspace.run("check", "--offline")

    assert said.status == 1
    assert words in problems(said)[0]


def test_a_database_that_does_not_answer_is_told_without_its_password(
    workspace: CliWorkspace,
) -> None:
    workspace.configure(CONFIG + "database: postgresql://bridge:hush@127.0.0.1:9/bridge\n")

    said = workspace.run("check")

    assert said.status == 1
    assert "did not do its work" in said.out
    assert "if it lasts, check" in said.out
    assert "tried again" not in said.out  # nothing is, by a command that ends
    assert "hush" not in said.out


def test_a_database_that_answers_is_told_and_left_as_it_is(
    workspace: CliWorkspace, postgresql: PostgreSQL
) -> None:
    workspace.configure(CONFIG + "database: ${{DATABASE_URL}}\n")
    workspace.environment["DATABASE_URL"] = postgresql.new_database().replace("+psycopg", "")

    said = workspace.run("check")

    assert (said.status, problems(said)) == (0, [])
    assert "The database postgresql://" in said.out
    with psycopg.connect(workspace.environment["DATABASE_URL"]) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == []


def test_a_folder_for_data_that_cannot_be_is_told(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG + "data: bridge.yaml/data\n")

    said = workspace.run("check")

    assert said.status == 1
    assert problems(said)[0].endswith(
        f"bridge.sqlite cannot be made: {workspace.config} is not a folder."
    )


def test_a_token_that_git_may_only_read_with_is_found_before_the_first_push(
    workspace: CliWorkspace, github: GitHubStandIn
) -> None:
    workspace.environment["TOKEN"] = github.token("bot")
    hidden = github.repositories["acme/support-bot"].path / "config"
    with hidden.open("a") as config:
        config.write("[http]\n\treceivepack = false\n")  # git's own way to say no

    said = workspace.run("check")

    assert said.status == 1
    (problem,) = problems(said)
    assert "git reads the branch main." in said.out
    assert "does not let it do this with git" in problem


@pytest.mark.parametrize("code", [301, 502])
@pytest.mark.parametrize("command", ["check", "plan", "sync"])
def test_an_odd_server_is_a_sentence_in_every_command(
    command: str, code: int, workspace: CliWorkspace, github: GitHubStandIn
) -> None:
    workspace.environment["TOKEN"] = github.token("bot")
    workspace.save("support/reply")
    moved = {"Location": "https://elsewhere.example/"}
    github.faults.add("/api/", status(code, "502", moved), times=99)
    github.faults.add("/", status(code, "502"), times=99)

    said = workspace.run(command)

    assert said.status == 1
    assert "Traceback" not in said.out + said.err
    assert ("elsewhere.example" in said.out + said.err) is (code == 301)


def test_what_applications_would_wait_for_in_vain_is_a_warning(workspace: CliWorkspace) -> None:
    config = workspace.folder / "bridge.yaml"
    config.write_text(config.read_text() + "    serve: merged\n")

    said = workspace.run("check", "--offline")

    assert said.status == 0
    assert "warning Mapping support serves merged, and no application" in said.out
    assert "warning Mapping support serves merged and does not publish" in said.out


def test_the_sqlite_files_are_opened_and_stay_as_they_are(workspace: CliWorkspace) -> None:
    workspace.run("status")
    database = workspace.folder / "bridge-data/bridge.sqlite"
    before = database.read_bytes()

    said = workspace.run("check", "--offline")

    assert f"ok      The database {database} can be opened.\n" in said.out
    assert database.read_bytes() == before


@pytest.mark.parametrize("name", ["bridge.sqlite", "engine.sqlite"])
def test_a_file_that_is_no_database_is_a_problem(workspace: CliWorkspace, name: str) -> None:
    database = workspace.folder / "bridge-data" / name
    database.parent.mkdir()
    database.write_bytes(b"not a database, by far" * 100)

    said = workspace.run("check", "--offline")

    assert said.status == 1
    assert problems(said) == [
        f"The database {database} refused (file is not a database). If it is damaged, move it"
        " away: the bridge makes a new one and loses history, not correctness."
    ]


def test_a_database_of_a_newer_bridge_is_a_problem(workspace: CliWorkspace) -> None:
    workspace.run("status")
    database = workspace.folder / "bridge-data/bridge.sqlite"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE schema_version SET version = 9999")

    (problem,) = problems(workspace.run("check", "--offline"))

    assert problem.startswith(f"The database {database} has schema version 9999, and this bridge")
