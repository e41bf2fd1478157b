"""The line by which editors find the schema, in the files of a repository."""

from __future__ import annotations

import pytest

from bridge.prompts.modeline import FORMER_MODELINE, modeline_of
from tests.integration.lifecycle.world import PATH, MakeWorld

SCHEMA = "schemas/prompt.v1.json"


def test_a_new_file_names_the_mappings_schema_and_an_old_one_keeps_its_own(
    make_world: MakeWorld,
) -> None:
    world = make_world({"schema_url": SCHEMA})
    world.save("Answer kindly.")
    world.settle()

    opened = world.pull_request()
    text = world.place.text(PATH, opened.head)
    assert text is not None
    assert text.startswith(f"# yaml-language-server: $schema=../../../{SCHEMA}\nkind: prompt/v1\n")


@pytest.mark.parametrize("line", [FORMER_MODELINE, "", modeline_of(SCHEMA, PATH)])
def test_a_sweep_knows_a_file_by_its_name_in_git_whatever_schema_it_names(
    make_world: MakeWorld, line: str
) -> None:
    world = make_world({"schema_url": SCHEMA})
    world.save("Answer kindly.")
    world.adopt()
    world.place.commit({PATH: (line + (world.place.text(PATH) or "")).encode()})

    world.sweep()
    world.sweep()

    assert world.place.open() == []
    world.save("Answer briefly.")
    world.settle()
    proposed = world.place.text(PATH, world.pull_request().head)
    assert proposed is not None
    assert proposed.startswith(f"{line}kind: prompt/v1\n")
