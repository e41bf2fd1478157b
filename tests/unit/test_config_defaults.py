"""``defaults``: settings of every mapping that does not set them itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.bridge_config import BridgeConfig, load_config, parse_config
from bridge.config.mapping_settings import MappingSettings
from bridge.errors import ConfigError

MAIN = """\
promptlayer: {api_key: key}
forges:
  hub: {type: github, token: t}
"""
ONE = "mappings:\n  - {name: one, prompts: [a], path: 'one/{prompt}.yaml'"
DEFAULTS = """\
defaults:
  repository: hub:acme/bot
  publish: true
  pull_request:
    labels: [prompts]
    draft: true
"""


def config_of(text: str) -> BridgeConfig:
    return parse_config(MAIN + text, "bridge.yaml", {"OWNER": "acme"})


def mapping_of(text: str) -> MappingSettings:
    return config_of(text).mappings[0]


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        config_of(text)
    return str(told.value).splitlines()


def test_a_mapping_has_the_defaults_that_it_does_not_set_itself() -> None:
    shared = mapping_of(f"{DEFAULTS}{ONE}}}\n")
    own = mapping_of(f"{DEFAULTS}{ONE}, publish: false, repository: 'hub:acme/own'}}\n")

    assert (shared.repository, shared.publish) == ("hub:acme/bot", True)
    assert (own.repository, own.publish) == ("hub:acme/own", False)


def test_a_section_is_merged_setting_by_setting_and_a_list_is_replaced() -> None:
    found = mapping_of(f"{DEFAULTS}{ONE}, pull_request: {{labels: [mine], limit: 3}}}}\n")

    assert found.pull_request.labels == ("mine",)
    assert (found.pull_request.draft, found.pull_request.limit) == (True, 3)


def test_a_mapping_takes_an_optional_default_back_with_null() -> None:
    defaults = "defaults: {repository: 'hub:a/b', on_merge: {move_label: prod}}\n"

    assert mapping_of(f"{defaults}{ONE}}}\n").on_merge is not None
    assert mapping_of(f"{defaults}{ONE}, on_merge: null}}\n").on_merge is None


def test_a_default_may_name_a_variable() -> None:
    defaults = "defaults: {repository: 'hub:${OWNER}/bot'}\n"

    assert mapping_of(f"{defaults}{ONE}}}\n").repository == "hub:acme/bot"


@pytest.mark.parametrize(
    ("defaults", "mistake"),
    [
        ("publish: often", "5: defaults.publish: expected true or false"),
        ("publihs: true", "5: defaults.publihs: this setting is not known; did you mean publish?"),
        ("pull_request: {limit: 0}", "5: defaults.pull_request.limit: expected 1 or more"),
        ("track: []", "5: defaults.track: expected at least one"),
        ("base: ${NOT_SET}", "5: defaults.base: the environment variable NOT_SET is not set"),
        (
            "name: one",
            "5: defaults.name: each mapping needs a name of its own, so there is no default for it",
        ),
    ],
)
def test_a_mistake_in_defaults_is_told_once_at_its_line(defaults: str, mistake: str) -> None:
    several = (
        f"{ONE}, repository: 'hub:a/b'}}\n  - {{name: two, prompts: [b], repository: 'hub:a/c'}}\n"
    )

    assert mistakes_in(f"defaults:\n  {defaults}\n{several}") == [f"bridge.yaml:{mistake}"]


def test_a_mistake_of_the_mapping_itself_is_told_at_the_mapping() -> None:
    assert mistakes_in(f"{DEFAULTS}{ONE}, publish: often}}\n") == [
        "bridge.yaml:11: mappings[0].publish: expected true or false"
    ]


def test_a_default_that_names_an_unknown_forge_is_told_at_its_line() -> None:
    (mistake,) = mistakes_in(f"defaults: {{repository: 'nowhere:a/b'}}\n{ONE}}}\n")

    assert mistake.startswith("bridge.yaml:4: defaults.repository: ")


def test_defaults_that_are_no_section_are_told() -> None:
    assert mistakes_in(f"defaults: [a]\n{ONE}, repository: 'hub:a/b'}}\n") == [
        "bridge.yaml:4: defaults: expected settings below it, got something else"
    ]


def test_files_of_the_folder_have_the_defaults_and_their_mistakes_are_told_in_the_main_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main, folder = Path("bridge.yaml"), Path("mappings.d")
    folder.mkdir()
    (folder / "team.yaml").write_text("mappings:\n  - {name: team, prompts: [a]}\n")
    main.write_text(f"{MAIN}{DEFAULTS}mappings_folder: mappings.d\n")

    assert load_config(main, {}).mappings[0].repository == "hub:acme/bot"

    main.write_text(f"{MAIN}{DEFAULTS}  prune: often\nmappings_folder: mappings.d\n")
    with pytest.raises(ConfigError) as told:
        load_config(main, {})
    assert str(told.value) == "bridge.yaml:10: defaults.prune: expected true or false"
