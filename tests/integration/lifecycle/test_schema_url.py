"""The line by which editors find the schema, in the files of a repository."""

from __future__ import annotations

import pytest

from bridge.prompts.modeline import FORMER_MODELINE, find_modeline
from tests.integration.lifecycle.bridge_environment import PATH, MakeWorld

SCHEMA = "schemas/prompt.v1.json"


def test_a_new_file_names_the_mappings_schema_and_an_old_one_keeps_its_own(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"schema_url": SCHEMA})
    environment.save("Answer kindly.")
    environment.settle()

    opened = environment.pull_request()
    text = environment.repository.text(PATH, opened.head_branch)
    assert text is not None
    assert text.startswith(f"# yaml-language-server: $schema=../../../{SCHEMA}\nkind: prompt/v1\n")


@pytest.mark.parametrize("line", [FORMER_MODELINE, "", find_modeline(SCHEMA, PATH)])
def test_a_sweep_knows_a_file_by_its_name_in_git_whatever_schema_it_names(
    make_world: MakeWorld, line: str
) -> None:
    environment = make_world({"schema_url": SCHEMA})
    environment.save("Answer kindly.")
    environment.adopt()
    environment.repository.commit(
        {PATH: (line + (environment.repository.text(PATH) or "")).encode()}
    )

    environment.sweep()
    environment.sweep()

    assert environment.repository.open() == []
    environment.save("Answer briefly.")
    environment.settle()
    proposed = environment.repository.text(PATH, environment.pull_request().head_branch)
    assert proposed is not None
    assert proposed.startswith(f"{line}kind: prompt/v1\n")
