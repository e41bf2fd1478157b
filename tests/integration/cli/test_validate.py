"""``validate``: what an author learns about files before anything is pushed, with no secret set."""

from __future__ import annotations

import pytest

from tests.integration.cli.cli_workspace import CONFIG, NOBODY, CliWorkspace

GOOD = """\
kind: prompt/v1
name: support/reply
label: latest
messages:
  - role: user
    content: Be kind.
"""
BAD = GOOD.replace("name:", "nmae:")


def desk(workspace: CliWorkspace, text: str | None = None, at: str = "reply") -> str:
    """Write a prompt file where the mapping has its own; no variable is set, nobody answers."""
    workspace.configure(platform=NOBODY)
    workspace.environment = {"COLUMNS": "200"}
    path = workspace.folder / f"prompts/latest/support/{at}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return f"prompts/latest/support/{at}.yaml"


def test_bridge_yaml_and_the_prompt_files_of_its_mappings_are_valid_without_any_variable(
    workspace: CliWorkspace,
) -> None:
    desk(workspace, GOOD)

    said = workspace.run("validate")

    assert (said.status, said.out, said.err) == (0, "2 files are valid.\n", "")


def test_a_mistake_in_a_prompt_file_is_told_with_its_line(workspace: CliWorkspace) -> None:
    desk(workspace, GOOD)
    path = desk(workspace, BAD, "bad")

    said = workspace.run("validate")

    assert said.status == 1
    assert said.out.splitlines()[0].startswith(f"{path}:")
    assert said.out.splitlines()[-1] == "1 of 3 files with mistakes."


def test_only_the_files_that_are_named_are_validated(workspace: CliWorkspace) -> None:
    desk(workspace, BAD, "bad")
    path = desk(workspace, GOOD)

    assert workspace.run("validate", path).out == "1 file is valid.\n"


def test_validate_prints_json(workspace: CliWorkspace) -> None:
    path = desk(workspace, BAD)

    said = workspace.run("validate", "--json", path)

    assert said.status == 1
    assert said.json["valid"] is False
    (file,) = said.json["files"]
    assert file["path"] == path
    assert len(file["mistakes"]) == 1


def test_a_mistake_in_bridge_yaml_is_told_with_its_line(workspace: CliWorkspace) -> None:
    desk(workspace)
    workspace.configure(CONFIG.replace("prompts:", "promts:"))

    said = workspace.run("validate")

    assert said.status == 1
    assert (
        "bridge.yaml:9: mappings[0].promts: this setting is not known; did you mean prompts?"
        in said.out
    )


def test_a_file_that_holds_a_secret_is_a_mistake_and_the_secret_is_not_printed(
    workspace: CliWorkspace,
) -> None:
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
    path = desk(workspace, GOOD.replace("Be kind.", f"Use {token}"))

    said = workspace.run("validate", path)

    assert said.status == 1
    assert "holds what looks like a secret" in said.out
    assert token not in said.out


def test_a_file_that_is_not_there_is_told_without_the_operating_systems_names(
    workspace: CliWorkspace,
) -> None:
    desk(workspace)

    said = workspace.run("validate", "nowhere.yaml")

    assert said.status == 1
    assert said.out.splitlines()[0] == "nowhere.yaml: cannot be read: No such file or directory"


def test_a_variable_of_a_setting_that_is_no_secret_is_asked_for(workspace: CliWorkspace) -> None:
    desk(workspace)
    workspace.configure(CONFIG.replace("base_url: {platform}", "base_url: ${{ADDRESS}}"))

    said = workspace.run("validate")

    assert said.status == 1
    assert "promptlayer.base_url: the environment variable ADDRESS is not set" in said.out


def test_commands_that_need_no_secret_ask_for_none(workspace: CliWorkspace) -> None:
    desk(workspace)

    for command in (["check", "--offline"], ["status"], ["deliveries", "list"]):
        said = workspace.run(*command)
        assert (said.status, said.err) == (0, ""), command


def test_publish_needs_the_key_and_not_the_webhooks_secret(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG + "    publish: true\n")
    workspace.environment.pop("PROMPTLAYER_WEBHOOK_SECRET")

    assert workspace.run("publish", "--dry-run").status == 0

    workspace.environment.pop("PROMPTLAYER_API_KEY")
    said = workspace.run("publish", "--dry-run")
    assert said.status == 1
    assert (
        "promptlayer.api_key: the environment variable PROMPTLAYER_API_KEY is not set" in said.err
    )


def test_serve_still_asks_for_every_secret_at_its_start(workspace: CliWorkspace) -> None:
    desk(workspace)

    said = workspace.run("serve", "--port", "0")

    assert said.status == 1
    assert "PROMPTLAYER_WEBHOOK_SECRET is not set" in said.err
    assert "PROMPTLAYER_API_KEY is not set" in said.err


@pytest.mark.parametrize(
    ("right", "wrong", "place", "meant"),
    [
        ("webhook_secret:", "webhook_secrt:", "promptlayer.webhook_secrt", "webhook_secret"),
        ("page_url:", "page_ulr:", "forges.local.page_ulr", "page_url"),
        ("forges:", "forge:", "forge", "forges"),
    ],
    ids=["a workspace's", "a forge's", "a section"],
)
def test_an_unknown_setting_is_told_with_the_one_that_was_meant(
    workspace: CliWorkspace, right: str, wrong: str, place: str, meant: str
) -> None:
    workspace.configure(CONFIG.replace(right, wrong))

    said = workspace.run("validate")

    assert said.status == 1
    assert f"{place}: this setting is not known; did you mean {meant}?" in said.out


def test_a_variable_without_braces_is_a_mistake_and_two_dollars_are_one(
    workspace: CliWorkspace,
) -> None:
    workspace.configure(CONFIG.replace("${{PROMPTLAYER_API_KEY}}", "$PROMPTLAYER_API_KEY"))
    said = workspace.run("validate")
    assert said.status == 1
    assert "promptlayer.api_key: expected ${NAME}" in said.out

    workspace.configure(CONFIG.replace("${{PROMPTLAYER_API_KEY}}", "$$PROMPTLAYER_API_KEY"))
    assert workspace.run("validate").status == 0


def test_status_of_a_mapping_that_is_not_there_names_those_that_are(
    workspace: CliWorkspace,
) -> None:
    said = workspace.run("status", "--mapping", "nope")

    assert said.status == 1
    assert said.err == "There is no mapping named 'nope'; this file has: support.\n"


@pytest.mark.parametrize("words", [["-h"], ["sync", "-h"], ["deliveries", "list", "-h"]])
def test_h_prints_help_as_help_does(workspace: CliWorkspace, words: list[str]) -> None:
    said = workspace.run(*words)

    assert (said.status, said.err) == (0, "")
    assert said.out == workspace.run(*words[:-1], "--help").out


def test_a_file_of_the_mappings_folder_is_validated_with_the_defaults(
    workspace: CliWorkspace,
) -> None:
    defaults = 'defaults: {{repository: "local:acme/bot"}}\n'
    workspace.configure(f"{CONFIG}{defaults}mappings_folder: mappings.d\n")
    (workspace.folder / "mappings.d").mkdir()
    team = workspace.folder / "mappings.d/team.yaml"
    team.write_text('mappings: [{name: team, prompts: ["team/*"]}]\n')

    assert workspace.run("validate", "mappings.d/team.yaml").status == 0
