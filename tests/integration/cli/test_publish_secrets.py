"""``publish`` meets a secret in a file: it is told without being told, and the others go."""

from __future__ import annotations

import random
import string

from tests.integration.cli.cli_workspace import CliWorkspace
from tests.integration.cli.repository_engineer import path, publishing

REPLY, THANK = "support/reply", "support/thank"
# Put together here, so that no scanner takes this file for a leak.
TOKEN = "gh" + "p_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))


def versions(workspace: CliWorkspace, name: str) -> int:
    return len(workspace.registry.find_entry(name).versions)


def test_a_file_with_a_secret_is_a_mistake_and_the_others_are_published(
    workspace: CliWorkspace,
) -> None:
    engineer = publishing(workspace)
    workspace.save(REPLY)
    workspace.save(THANK)
    engineer.take_files(REPLY, THANK)
    engineer.edit_file(REPLY, "Be kind", f"Use {TOKEN}")
    engineer.edit_file(THANK, "Be kind", "Be brief")

    planned = workspace.run("publish", "--dry-run")
    done = workspace.run("publish")

    for said in (planned, done):
        assert said.status == 1
        assert f"mistake    {path(REPLY)}: the file holds what looks like a secret" in said.out
        assert "GitHub token in template.messages[0].content[0].text" in said.out
        assert TOKEN not in said.out + said.err
    assert (versions(workspace, REPLY), versions(workspace, THANK)) == (1, 2)


def test_plan_tells_that_a_file_with_a_secret_is_left_alone(workspace: CliWorkspace) -> None:
    engineer = publishing(workspace)
    workspace.save(REPLY)
    engineer.take_files(REPLY)
    engineer.edit_file(REPLY, "Be kind", f"Use {TOKEN}")
    engineer.write_new_file("support/greet", f"Use {TOKEN}")

    said = workspace.run("plan", "--json")

    actions = {row["path"]: row["action"] for row in said.json["out_of_step"]}
    for file in (path(REPLY), path("support/greet")):
        assert actions[file].startswith(f"skip: {file}: the file holds what looks like a secret")
    assert TOKEN not in said.out + said.err


def test_what_the_mapping_allows_is_published(workspace: CliWorkspace) -> None:
    engineer = publishing(workspace, f"    secrets:\n      allow: [{TOKEN}]\n")
    workspace.save(REPLY)
    engineer.take_files(REPLY)
    engineer.edit_file(REPLY, "Be kind", f"Use {TOKEN}")

    said = workspace.run("publish")

    assert said.status == 0
    assert versions(workspace, REPLY) == 2
