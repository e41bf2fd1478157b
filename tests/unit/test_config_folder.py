"""A folder of mapping files, as those meet it who keep one file for each team."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.config.bridge_config import BridgeConfig, load_config, load_config_with_files
from bridge.config.config_files import ConfigFiles
from bridge.errors import ConfigError

MAIN = """\
promptlayer: {api_key: key}
forges:
  hub: {type: github, token: t}
mappings_folder: mappings.d
"""
OWN = """\
mappings:
  - {name: own, prompts: ["own/*"], repository: "hub:acme/own"}
"""


def mapping(name: str, **settings: str) -> str:
    more = "".join(f"    {key}: {value}\n" for key, value in settings.items())
    return f"  - name: {name}\n    prompts: [{name}/*]\n    repository: hub:acme/{name}\n{more}"


def write(folder: Path, path: str, *mappings: str) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mappings:\n" + "".join(mappings))


def names(config: BridgeConfig) -> list[str]:
    return [each.name for each in config.mappings]


def mistakes_in(main: Path) -> list[str]:
    with pytest.raises(ConfigError) as told:
        load_config(main, {})
    return str(told.value).splitlines()


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``bridge.yaml`` with an empty folder beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.yaml").write_text(MAIN)
    (tmp_path / "mappings.d").mkdir()
    return Path("bridge.yaml")


def test_every_file_of_the_folder_adds_its_mappings_in_the_order_of_their_names(main: Path) -> None:
    main.write_text(MAIN + OWN)
    write(main.parent, "mappings.d/b.yml", mapping("b1"), mapping("b2"))
    write(main.parent, "mappings.d/a.yaml", mapping("a"))
    write(main.parent, "mappings.d/team/c.yaml", mapping("c"))

    loaded = load_config_with_files(main, {})

    assert names(loaded.config) == ["own", "a", "b1", "b2", "c"]
    assert loaded.files == {
        "bridge.yaml": ("own",),
        "mappings.d/a.yaml": ("a",),
        "mappings.d/b.yml": ("b1", "b2"),
        "mappings.d/team/c.yaml": ("c",),
    }


def test_what_is_hidden_and_what_is_no_yaml_is_left_alone(main: Path) -> None:
    write(main.parent, "mappings.d/a.yaml", mapping("a"))
    write(main.parent, "mappings.d/.b.yaml", "nonsense")
    write(main.parent, "mappings.d/..2026_11_23/c.yaml", "nonsense")
    write(main.parent, "mappings.d/README.md", "nonsense")
    os.mkfifo(main.parent / "mappings.d/pipe.yaml")

    assert names(load_config(main, {})) == ["a"]


def test_a_folder_as_kubernetes_mounts_it_is_read_once(main: Path) -> None:
    """Its files are links into a hidden folder that is swapped as a whole."""
    folder = main.parent / "mappings.d"
    write(folder, "..2026_11_23/team/a.yaml", mapping("a"))
    (folder / "..data").symlink_to("..2026_11_23")
    (folder / "team").symlink_to("..data/team")

    assert names(load_config(main, {})) == ["a"]


def test_a_link_that_leads_back_is_not_followed_for_ever(main: Path) -> None:
    write(main.parent, "mappings.d/a.yaml", mapping("a"))
    (main.parent / "mappings.d/again").symlink_to(".")

    assert names(load_config(main, {})) == ["a"]


def test_variables_are_filled_in_as_in_the_main_file(main: Path) -> None:
    write(main.parent, "mappings.d/a.yaml", mapping("a", base="${BRANCH}"))

    assert load_config(main, {"BRANCH": "next"}).find_mapping("a").base == "next"


def test_the_mistakes_of_all_files_are_told_at_once_each_with_its_file_and_line(
    main: Path,
) -> None:
    main.write_text(MAIN + "workers: many\n")
    write(main.parent, "mappings.d/a.yaml", mapping("a", brunch="x"))
    write(main.parent, "mappings.d/b.yaml", mapping("b", base="${NOBODY}"))
    (main.parent / "mappings.d/c.yaml").write_text("mapings: []\n")
    (main.parent / "mappings.d/d.yaml").write_text("mappings: [\n")
    (main.parent / "mappings.d/e.yaml").write_text("")
    (main.parent / "mappings.d/f.yaml").write_bytes(b"mappings: \xff")

    told = mistakes_in(main)

    assert told[:6] == [
        "bridge.yaml:5: workers: expected a whole number",
        "mappings.d/a.yaml:5: mappings[0].brunch: this setting is not known; did you mean branch?",
        "mappings.d/b.yaml:5: mappings[0].base: the environment variable NOBODY is not set",
        "mappings.d/c.yaml:1: mappings: this setting is missing",
        "mappings.d/c.yaml:1: mapings: this setting is not known; did you mean mappings?",
        told[5],
    ]
    assert told[5].startswith("mappings.d/d.yaml:2: not valid YAML")
    assert told[6] == "mappings.d/e.yaml:1: expected the section mappings"
    assert told[7].startswith("mappings.d/f.yaml cannot be read")


def test_a_file_of_the_folder_holds_nothing_but_mappings(main: Path) -> None:
    (main.parent / "mappings.d/a.yaml").write_text("mappings: []\nworkers: 1\n")

    assert mistakes_in(main) == ["mappings.d/a.yaml:2: workers: this setting is not known"]


def test_of_a_name_that_is_used_twice_both_places_are_told(main: Path) -> None:
    main.write_text(MAIN + OWN)
    write(main.parent, "mappings.d/a.yaml", mapping("a"), mapping("b"))
    write(main.parent, "mappings.d/b.yaml", mapping("b"), mapping("own"))

    assert mistakes_in(main) == [
        "mappings.d/b.yaml:2: mappings[0].name: 'b' is used twice (it stands at"
        " mappings.d/a.yaml:5)",
        "mappings.d/b.yaml:2: mappings[0].path: mapping b has its files in the same folder of this"
        " repository; begin the path with a folder of its own, such as b/ (it stands at"
        " mappings.d/a.yaml:5)",
        "mappings.d/b.yaml:5: mappings[1].name: 'own' is used twice (it stands at bridge.yaml:6)",
        "mappings.d/b.yaml:5: mappings[1].path: mapping own has its files in the same folder of this"
        " repository; begin the path with a folder of its own, such as own/ (it stands at"
        " bridge.yaml:6)",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("prompts/{prompt}.yaml", "prompts/more/{prompt}.yaml"),
        ("prompts/more/{prompt}.yaml", "prompts/{prompt}.yaml"),
        ("{prompt}.yaml", "prompts/{prompt}.yaml"),
        ("prompts/{prompt}.yaml", "{prompt}.yaml"),
        ("a/b/c/{prompt}.yaml", "a/{prompt}.yaml"),
    ],
)
def test_a_folder_inside_the_folder_of_another_mapping_is_refused(
    main: Path, first: str, second: str
) -> None:
    one = mapping("a", path=f"'{first}'")
    two = mapping("b", path=f"'{second}'").replace("acme/b", "acme/a")
    write(main.parent, "mappings.d/a.yaml", one)
    write(main.parent, "mappings.d/b.yaml", two)

    (told,) = mistakes_in(main)

    assert told.startswith("mappings.d/b.yaml:5: mappings[0].path: mapping a has its files in")


def test_a_folder_that_is_not_there_is_told_where_it_is_named(main: Path) -> None:
    main.write_text(MAIN.replace("mappings.d", "elsewhere"))

    assert mistakes_in(main) == [
        "bridge.yaml:4: mappings_folder: the folder cannot be read: No such file or directory"
    ]


def test_without_any_mapping_the_folder_is_named_too(main: Path) -> None:
    assert mistakes_in(main) == [
        "bridge.yaml:1: mappings: expected at least one, here or in a file of mappings_folder"
    ]


def test_a_secret_in_the_place_of_the_folder_is_not_repeated(main: Path) -> None:
    main.write_text(MAIN.replace("mappings.d", "${TOKEN}"))

    with pytest.raises(ConfigError) as told:
        load_config(main, {"TOKEN": "ghp_planted"})

    assert "planted" not in str(told.value)


def test_the_files_of_a_configuration_are_known_though_one_has_a_mistake(main: Path) -> None:
    main.write_text(MAIN.replace("token: t", "app_id: 1, private_key_file: keys/app.pem"))
    write(main.parent, "mappings.d/a.yaml", mapping("a"))
    (main.parent / "mappings.d/b.yaml").write_text("nonsense")
    files = ConfigFiles(main)
    named = ["bridge.yaml", "mappings.d/a.yaml", "mappings.d/b.yaml", "keys/app.pem"]

    assert files() == named
    main.write_text("mappings: [")
    assert files() == named
    main.write_text(MAIN.replace("mappings.d", "${NOT_SET}"))
    assert files() == named
    main.write_text(MAIN.replace("mappings_folder: mappings.d\n", ""))
    assert files() == ["bridge.yaml"]


def test_only_the_main_file_names_files_with_secrets(main: Path) -> None:
    """Files of the folder may be written by others than who runs the bridge."""
    write(main.parent, "mappings.d/a.yaml", mapping("a", base="${file:bridge.yaml}"))

    assert mistakes_in(main) == [
        "mappings.d/a.yaml:5: mappings[0].base: only bridge.yaml may name files"
    ]


def test_the_files_with_secrets_belong_to_a_configuration_too(main: Path) -> None:
    main.write_text(MAIN.replace("token: t", 'token: "${file:/run/secrets/token}"'))

    assert ConfigFiles(main)() == ["bridge.yaml", "/run/secrets/token"]


def test_a_configuration_that_comes_through_a_pipe_is_left_to_the_loader(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert ConfigFiles(pipe)() == [str(pipe)]
