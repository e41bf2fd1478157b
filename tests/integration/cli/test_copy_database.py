"""``copy-database``, as the desk says it."""

from __future__ import annotations

from tests.integration.cli.cli_workspace import CONFIG, CliWorkspace
from tests.standins.postgresql import PostgreSQL


def test_what_sqlite_held_is_there_on_postgresql(
    workspace: CliWorkspace, postgresql: PostgreSQL
) -> None:
    workspace.save("support/reply")
    delivery = workspace.deliver()
    workspace.configure(CONFIG + "database: ${{DATABASE_URL}}\n")
    workspace.environment["DATABASE_URL"] = postgresql.new_database().replace("+psycopg", "")

    said = workspace.run("copy-database")

    assert (said.status, said.err) == (0, "")
    assert "        1  deliveries\n" in said.out
    assert "Copied 1 rows to postgresql://" in said.out
    assert delivery[:12] in workspace.run("deliveries", "list").out


def test_a_copy_elsewhere_says_what_to_do_next(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.deliver()

    said = workspace.run("copy-database", "--to", "sqlite:///copy.sqlite")

    assert said.status == 0
    assert "Name it in bridge.yaml" in said.out
    assert (workspace.folder / "copy.sqlite").exists()


def test_a_copy_to_nowhere_or_from_nothing_is_refused(workspace: CliWorkspace) -> None:
    nowhere = workspace.run("copy-database")
    nothing = workspace.run("copy-database", "--to", "sqlite:///copy.sqlite")
    itself = workspace.run("copy-database", "--from", "sqlite:///a.db", "--to", "sqlite:///a.db")

    assert (nowhere.status, nowhere.err) == (
        *(1, "Where to? Set `database` in bridge.yaml to the new address, or give --to.\n"),
    )
    assert (nothing.status, "nothing to copy" in nothing.err) == (1, True)
    assert (itself.status, "one and the same" in itself.err) == (1, True)


def test_a_file_to_copy_from_that_is_not_there_is_told_and_not_made(
    workspace: CliWorkspace,
) -> None:
    workspace.save("support/reply")
    workspace.deliver()

    said = workspace.run(
        "copy-database", "--from", "sqlite:///old/bridge.db", "--to", "sqlite:///a.db"
    )

    assert (said.status, said.err) == (1, "old/bridge.db is not there: nothing to copy.\n")
    assert not (workspace.folder / "old").exists()
    assert not (workspace.folder / "a.db").exists()
