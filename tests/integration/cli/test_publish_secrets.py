"""``publish`` meets a secret in a file: it is told without being told, and the others go."""

from __future__ import annotations

import random
import string

from tests.integration.cli.desk import Desk
from tests.integration.cli.engineer import path, publishing

REPLY, THANK = "support/reply", "support/thank"
# Put together here, so that no scanner takes this file for a leak.
TOKEN = "gh" + "p_" + "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=36))


def versions(desk: Desk, name: str) -> int:
    return len(desk.registry.entry(name).versions)


def test_a_file_with_a_secret_is_a_mistake_and_the_others_are_published(desk: Desk) -> None:
    engineer = publishing(desk)
    desk.save(REPLY)
    desk.save(THANK)
    engineer.takes(REPLY, THANK)
    engineer.edits(REPLY, "Be kind", f"Use {TOKEN}")
    engineer.edits(THANK, "Be kind", "Be brief")

    planned = desk.run("publish", "--dry-run")
    done = desk.run("publish")

    for said in (planned, done):
        assert said.status == 1
        assert f"mistake    {path(REPLY)}: the file holds what looks like a secret" in said.out
        assert "GitHub token in template.messages[0].content[0].text" in said.out
        assert TOKEN not in said.out + said.err
    assert (versions(desk, REPLY), versions(desk, THANK)) == (1, 2)


def test_plan_tells_that_a_file_with_a_secret_is_left_alone(desk: Desk) -> None:
    engineer = publishing(desk)
    desk.save(REPLY)
    engineer.takes(REPLY)
    engineer.edits(REPLY, "Be kind", f"Use {TOKEN}")
    engineer.writes("support/greet", f"Use {TOKEN}")

    said = desk.run("plan", "--json")

    actions = {row["path"]: row["action"] for row in said.json["out_of_step"]}
    for file in (path(REPLY), path("support/greet")):
        assert actions[file].startswith(f"skip: {file}: the file holds what looks like a secret")
    assert TOKEN not in said.out + said.err


def test_what_the_mapping_allows_is_published(desk: Desk) -> None:
    engineer = publishing(desk, f"    secrets:\n      allow: [{TOKEN}]\n")
    desk.save(REPLY)
    engineer.takes(REPLY)
    engineer.edits(REPLY, "Be kind", f"Use {TOKEN}")

    said = desk.run("publish")

    assert said.status == 0
    assert versions(desk, REPLY) == 2
