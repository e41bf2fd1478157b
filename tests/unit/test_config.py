"""``bridge.yaml`` as its writer meets it: what is accepted, and how each mistake is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bridge.config.bridge_config import (
    BridgeConfig,
    GitHubSettings,
    LocalSettings,
    load_config,
    parse_config,
)
from bridge.errors import ConfigError

ENVIRONMENT = {
    "PROMPTLAYER_API_KEY": "pl_planted-key",
    "WEBHOOK_SECRET": "planted-webhook",
    "GITHUB_TOKEN": "ghp_planted-token",
    "DATABASE_URL": "postgresql://bridge:planted-password@db/bridge",
    "EMPTY": "",
}
PROMPTLAYER = """\
promptlayer:
  api_key: ${PROMPTLAYER_API_KEY}
  webhook_secret: ${WEBHOOK_SECRET}
"""
WORKSPACES = """\
workspaces:
  care: {api_key: "${PROMPTLAYER_API_KEY}"}
  sales: {api_key: key}
"""
FORGES = """\
forges:
  github: {type: github, token: "${GITHUB_TOKEN}"}
"""
MAPPINGS = """\
mappings:
  - name: support
    prompts: ["support/*"]
    repository: github:acme/support-bot
"""
GOOD = PROMPTLAYER + FORGES + MAPPINGS
SECOND = "  - {name: sales, prompts: [a], repository: github:acme/support-bot, "


def config_of(text: str) -> BridgeConfig:
    return parse_config(text, "bridge.yaml", ENVIRONMENT)


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        config_of(text)
    return str(told.value).splitlines()


def test_the_shortest_file_has_defaults_for_everything_else() -> None:
    config = config_of(GOOD)

    mapping = config.find_mapping("support")
    assert mapping.track == ("latest",)
    assert mapping.path == "prompts/{label}/{prompt}.yaml"
    assert mapping.branch_template == "promptlayer/{mapping}/{label}/{id}"
    assert (mapping.forge_name, mapping.repository_name) == ("github", "acme/support-bot")
    assert config.sweep == timedelta(hours=1)
    assert config.workspace_by_source["promptlayer"].secrets == ("planted-webhook",)


MISTAKES = {
    "an unknown section": (
        GOOD + "mapings: []\n",
        "bridge.yaml:10: mapings: this setting is not known; did you mean mappings?",
    ),
    "an unknown setting of a mapping": (
        GOOD + "    brunch: x\n",
        "bridge.yaml:10: mappings[0].brunch: this setting is not known; did you mean branch?",
    ),
    "an unknown setting of a forge": (
        PROMPTLAYER + "forges:\n  github:\n    type: github\n    token: t\n    uri: x\n" + MAPPINGS,
        "bridge.yaml:8: forges.github.uri: this setting is not known; did you mean url?",
    ),
    "a missing section": (
        PROMPTLAYER + FORGES,
        "bridge.yaml:1: mappings: expected at least one",
    ),
    "a missing setting": (
        GOOD.replace("    repository: github:acme/support-bot\n", ""),
        "bridge.yaml:7: mappings[0].repository: this setting is missing",
    ),
    "a number for a text": (
        GOOD + "    base: 7\n",
        "bridge.yaml:10: mappings[0].base: expected a text; put quotes around a number",
    ),
    "a text for a number": (
        GOOD + "workers: many\n",
        "bridge.yaml:10: workers: expected a whole number",
    ),
    "a number out of bounds": (
        GOOD + "workers: 0\n",
        "bridge.yaml:10: workers: expected 1 or more",
    ),
    "a text for yes or no": (
        GOOD + "    pull_request: {draft: maybe}\n",
        "bridge.yaml:10: mappings[0].pull_request.draft: expected true or false",
    ),
    "a text for a list": (
        GOOD + "    track: prod\n",
        "bridge.yaml:10: mappings[0].track: expected a list: [one, another]",
    ),
    "a text for a section": (
        GOOD.replace(FORGES, "forges: github\n"),
        "bridge.yaml:4: forges: expected settings below it, got something else",
    ),
    "an empty list": (
        GOOD + "    track: []\n",
        "bridge.yaml:10: mappings[0].track: expected at least one",
    ),
    "no mapping": (
        PROMPTLAYER + FORGES + "mappings: []\n",
        "bridge.yaml:6: mappings: expected at least one",
    ),
    "an unknown choice": (
        GOOD + "    pull_request: {group: folder}\n",
        "bridge.yaml:10: mappings[0].pull_request.group: expected 'prompt' or 'mapping'",
    ),
    "an unknown type of forge": (
        GOOD.replace("type: github", "type: bitbucket"),
        "bridge.yaml:5: forges.github: expected type: github, gitlab or local",
    ),
    "no workspace": (
        FORGES + MAPPINGS,
        "bridge.yaml:1: expected either promptlayer, or workspaces where there are several",
    ),
    "both one workspace and several": (
        GOOD + "workspaces: {sales: {api_key: key}}\n",
        "bridge.yaml:1: expected either promptlayer, or workspaces where there are several",
    ),
    "a workspace where there is but one": (
        GOOD + "    workspace: sales\n",
        "bridge.yaml:10: mappings[0].workspace: there is only one, promptlayer: leave this out, or"
        " name it under workspaces",
    ),
    "a workspace that is not there": (
        WORKSPACES + FORGES + MAPPINGS + "    workspace: marketing\n",
        "bridge.yaml:10: mappings[0].workspace: expected a workspace of this file (care, sales)",
    ),
    "no workspace where there are several": (
        WORKSPACES + FORGES + MAPPINGS,
        "bridge.yaml:7: mappings[0].workspace: expected one of care, sales, as there are several",
    ),
    "a workspace whose name has capitals": (
        WORKSPACES.replace("care", "Care") + FORGES + MAPPINGS + "    workspace: sales\n",
        "bridge.yaml:2: workspaces.Care: expected lower-case letters, digits, - and _, at most 63",
    ),
    "two workspaces in one folder": (
        WORKSPACES
        + FORGES
        + MAPPINGS
        + "    workspace: care\n"
        + SECOND
        + "track: [prod], workspace: sales}\n",
        "bridge.yaml:11: mappings[1].path: mapping support has its files in the same folder of this"
        " repository; begin the path with a folder of its own, such as sales/"
        " (it stands at bridge.yaml:7)",
    ),
    "no type of forge": (
        GOOD.replace("type: github, ", ""),
        "bridge.yaml:5: forges.github: expected type: github, gitlab or local",
    ),
    "no credential": (
        GOOD.replace(', token: "${GITHUB_TOKEN}"', ""),
        "bridge.yaml:5: forges.github: expected either token, or app_id with private_key_file",
    ),
    "two credentials": (
        GOOD.replace("token:", "app_id: 1, private_key_file: app.pem, token:"),
        "bridge.yaml:5: forges.github: expected either token, or app_id with private_key_file",
    ),
    "half an app": (
        GOOD.replace('token: "${GITHUB_TOKEN}"', "app_id: 1"),
        "bridge.yaml:5: forges.github: expected either token, or app_id with private_key_file",
    ),
    "a variable that is not set": (
        GOOD.replace("GITHUB_TOKEN", "NOBODY_SET_THIS"),
        "bridge.yaml:5: forges.github.token: the environment variable NOBODY_SET_THIS is not set",
    ),
    "a variable that is no name": (
        GOOD.replace("{PROMPTLAYER_API_KEY}", "{PROMPTLAYER_API_KEY:-none}"),
        "bridge.yaml:2: promptlayer.api_key: expected ${NAME}, a name of letters, digits and _,"
        " or ${file:/path}; $$ stands for one $",
    ),
    "a variable where no variable goes": (
        GOOD + "${EMPTY}: x\n",
        "bridge.yaml:10: ${EMPTY}: this setting is not known",
    ),
    "an empty secret": (
        GOOD.replace("WEBHOOK_SECRET", "EMPTY"),
        "bridge.yaml:3: promptlayer.webhook_secret: expected a secret, got an empty text"
        " (is its variable empty?)",
    ),
    "a name with capitals": (
        GOOD.replace("name: support", "name: Support"),
        "bridge.yaml:7: mappings[0].name: expected lower-case letters, digits, - and _, at most 63",
    ),
    "a name twice": (
        GOOD + "  - {name: support, prompts: [b], repository: github:acme/other}\n",
        "bridge.yaml:10: mappings[1].name: 'support' is used twice (it stands at bridge.yaml:7)",
    ),
    "a forge that is not there": (
        GOOD.replace("github:acme", "gitlab:acme"),
        "bridge.yaml:9: mappings[0].repository: expected forge:owner/name with a forge of this"
        " file (github)",
    ),
    "a repository without a forge": (
        GOOD.replace("github:acme", "acme"),
        "bridge.yaml:9: mappings[0].repository: expected forge:owner/name with a forge of this"
        " file (github)",
    ),
    "nothing selected": (
        GOOD.replace('    prompts: ["support/*"]\n', ""),
        'bridge.yaml:7: mappings[0]: expected prompts, tags or folder; prompts: ["**"] means every'
        " prompt",
    ),
    "a path for all prompts": (
        GOOD + "    path: prompts/all.yaml\n",
        "bridge.yaml:10: mappings[0].path: needs {prompt} or {id}: without one, all prompts would"
        " share a file",
    ),
    "labels that share a file": (
        GOOD + "    path: p/{prompt}.yaml\n    track: [prod, latest]\n",
        "bridge.yaml:7: mappings[0]: path needs {label}, as track names more than one",
    ),
    "a label twice": (
        GOOD + "    track: [prod, prod]\n",
        "bridge.yaml:7: mappings[0]: track names a label twice",
    ),
    "a format that the path denies": (
        GOOD + "    format: json\n",
        "bridge.yaml:7: mappings[0]: path has to end in .json where format is json, and only there",
    ),
    "a branch for all prompts": (
        GOOD + "    branch: prompts\n",
        "bridge.yaml:7: mappings[0]: branch needs {prompt} or {id}: without one, all prompts would"
        " share a branch",
    ),
    "many branches for one pull request": (
        GOOD + "    branch: p/{id}\n    pull_request: {group: mapping}\n",
        "bridge.yaml:7: mappings[0]: branch can only have {mapping}: one branch serves the whole"
        " mapping",
    ),
    "two mappings in one folder": (
        GOOD + SECOND + "path: 'prompts/{prompt}.yaml'}\n",
        "bridge.yaml:10: mappings[1].path: mapping support has its files in the same folder of this"
        " repository; begin the path with a folder of its own, such as sales/"
        " (it stands at bridge.yaml:7)",
    ),
    "two mappings on one branch": (
        GOOD + "    branch: p/{id}\n" + SECOND + "path: 'sales/{prompt}.yaml', branch: 'p/{id}'}\n",
        "bridge.yaml:11: mappings[1].branch: mapping support proposes on the same branches; add"
        " {mapping} (it stands at bridge.yaml:7)",
    ),
    "a branch that is the folder of another mapping's": (
        GOOD
        + SECOND
        + "path: 'sales/{prompt}.yaml', branch: promptlayer, pull_request: {group: mapping}}\n",
        "bridge.yaml:10: mappings[1].branch: mapping support has branches that cannot stand beside"
        " promptlayer: git has no branch that is a folder of others as well; begin it otherwise"
        " (it stands at bridge.yaml:7)",
    ),
    "a duration without a unit": (
        GOOD + "sweep: 30\n",
        "bridge.yaml:10: sweep: expected a duration with its unit, such as 30s, 10m, 1h or 7d",
    ),
    "a duration in words": (
        GOOD + "sweep: two hours\n",
        "bridge.yaml:10: sweep: expected a duration with its unit, such as 30s, 10m, 1h or 7d",
    ),
    "a sweep without a pause": (
        GOOD + "sweep: 0s\n",
        "bridge.yaml:10: sweep: expected a duration longer than 0",
    ),
    "an expression that cannot be read": (
        GOOD + '    secrets: {allow: ["/[/"]}\n',
        "bridge.yaml:10: mappings[0].secrets.allow[0]: expected a regular expression between the"
        " slashes: unterminated character set at position 0",
    ),
    "an expression that will mean something else one day": (
        GOOD + '    secrets: {allow: ["/[a--z]/"]}\n',
        "bridge.yaml:10: mappings[0].secrets.allow[0]: expected a plainer regular expression:"
        " Possible set difference at position 2",
    ),
    "an empty file": (
        "",
        "bridge.yaml:1: expected the sections promptlayer, forges and mappings",
    ),
    "a list of files": (
        "- one\n",
        "bridge.yaml:1: expected the sections promptlayer, forges and mappings",
    ),
    "a key twice": (
        GOOD + "workers: 1\nworkers: 2\n",
        "bridge.yaml:11: the key `workers` stands here twice: keep one of the two",
    ),
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_was_expected(text: str, told: str) -> None:
    assert mistakes_in(text) == [told]


def test_what_is_not_yaml_is_told_with_its_line() -> None:
    (told,) = mistakes_in(GOOD + "    track: [\n")

    assert told.startswith("bridge.yaml:1")
    assert "YAML" in told


def test_a_mistake_is_one_line_that_a_name_cannot_break() -> None:
    (told,) = mistakes_in(GOOD + '"a\\nb.yaml:1: \\e[31m": 1\n')

    assert told == r"bridge.yaml:10: a b.yaml:1: \x1b[31m: this setting is not known"


def test_every_mistake_is_told_at_once() -> None:
    told = mistakes_in(GOOD + "sweep: soon\nworkers: many\n")

    assert [line.split(": ")[1] for line in told] == ["sweep", "workers"]


def test_every_variable_that_is_not_set_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        parse_config(GOOD, "bridge.yaml", {})

    assert len(str(told.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        ("10 m", timedelta(minutes=10)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_duration_has_a_number_and_a_unit(text: str, meant: timedelta) -> None:
    assert config_of(GOOD + f"sweep: {text}\n").sweep == meant


def test_a_network_of_proxies_may_be_named_by_any_of_its_addresses() -> None:
    config = config_of(GOOD + "limits: {proxies: [10.1.2.3/8, '2001:db8::1']}\n")

    app: Any = Starlette()  # which their types do not know
    server = ProxyHeadersMiddleware(app, list(config.limits.proxies))
    assert "10.200.0.1" in server.trusted_hosts
    assert "2001:db8::1" in server.trusted_hosts
    assert "2001:db8::2" not in server.trusted_hosts


def test_a_variable_may_stand_inside_braces_without_quotes() -> None:
    config = config_of(GOOD.replace('"${GITHUB_TOKEN}"', "${GITHUB_TOKEN}"))

    github = config.forges["github"]
    assert isinstance(github, GitHubSettings)
    assert github.token is not None
    assert github.token.get_secret_value() == "ghp_planted-token"


def test_a_variable_may_be_part_of_a_text() -> None:
    config = parse_config(
        GOOD + "database: sqlite:////${FOLDER}/b.sqlite\n", "b", ENVIRONMENT | {"FOLDER": "v"}
    )

    assert config.database is not None
    assert config.database.get_secret_value() == "sqlite:////v/b.sqlite"


def test_two_dollars_are_one_and_a_variable_in_a_comment_need_not_be_set() -> None:
    config = config_of(GOOD + "    folder: $${EMPTY} # not ${THIS}\n")

    assert config.find_mapping("support").folder == "${EMPTY}"


def test_the_value_of_a_variable_is_not_read_as_yaml() -> None:
    hostile = "k: [\n# ${EMPTY} $$"

    config = parse_config(GOOD, "bridge.yaml", ENVIRONMENT | {"PROMPTLAYER_API_KEY": hostile})

    assert config.workspace_by_source["promptlayer"].api_key.get_secret_value() == hostile


def test_secrets_appear_in_no_form_of_the_config() -> None:
    config = config_of(GOOD + "database: ${DATABASE_URL}\n")

    forms = [str(config), repr(config), str(config.model_dump()), config.model_dump_json()]
    assert not [form for form in forms if "planted" in form]


@pytest.mark.parametrize("broken", [text for text, _ in MISTAKES.values()], ids=MISTAKES)
def test_secrets_appear_in_no_mistake(broken: str) -> None:
    assert "planted" not in "\n".join(mistakes_in(broken))


@pytest.mark.parametrize("section", ["forges", "mappings", "sweep", "workers"])
def test_a_secret_in_the_wrong_place_is_not_repeated(section: str) -> None:
    kept = "\n".join(line for line in GOOD.splitlines() if not line.startswith(section))

    assert "planted" not in "\n".join(mistakes_in(f"{kept}\n{section}: ${{GITHUB_TOKEN}}\n"))


@pytest.mark.parametrize("setting", ["repository", "path"])
def test_a_secret_in_the_wrong_setting_is_not_repeated(setting: str) -> None:
    kept = "\n".join(line for line in GOOD.splitlines() if setting not in line)
    text = f"{kept}\n    {setting}: ${{GITHUB_TOKEN}}\n"

    assert "ghp_planted" not in "\n".join(mistakes_in(text))


def test_mappings_with_folders_of_their_own_share_a_repository() -> None:
    text = GOOD + SECOND + "path: 'sales/{label}/{prompt}.yaml'}\n"

    assert len(config_of(text).mappings) == 2


def test_the_only_workspace_need_not_be_named_by_a_mapping() -> None:
    one = WORKSPACES.replace("  sales: {api_key: key}\n", "")

    config = config_of(one + FORGES + MAPPINGS + SECOND + "track: [prod], workspace: care}\n")

    assert [mapping.source for mapping in config.mappings] == ["promptlayer:care"] * 2


def test_mappings_of_different_labels_share_a_folder() -> None:
    text = GOOD + SECOND + "track: [prod]}\n"

    assert len(config_of(text).mappings) == 2


def test_mappings_of_different_base_branches_share_a_folder() -> None:
    text = GOOD + "    base: main\n" + SECOND + "base: next}\n"

    assert len(config_of(text).mappings) == 2


def test_a_mapping_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no mapping named 'sales'; this file has: support"):
        config_of(GOOD).find_mapping("sales")


LOCAL = """\
promptlayer: {api_key: key}
forges:
  local: {type: local, root: forge}
  app: {type: github, app_id: 1, private_key_file: keys/app.pem}
mappings:
  - {name: support, prompts: ["**"], repository: "local:acme/bot"}
identity: {signing: {key: keys/signing}}
data: kept
"""


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(LOCAL)

    config = load_config(file, {})

    local, app = config.forges["local"], config.forges["app"]
    assert isinstance(local, LocalSettings)
    assert isinstance(app, GitHubSettings)
    assert config.identity.signing is not None
    assert (local.root, config.data) == (tmp_path / "forge", tmp_path / "kept")
    assert app.private_key_file == tmp_path / "keys/app.pem"
    assert config.identity.signing.key == str(tmp_path / "keys/signing")


def test_the_id_of_a_gpg_key_is_no_path(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(LOCAL.replace("{key: keys/signing}", "{format: openpgp, key: ABCDEF}"))

    signing = load_config(file, {}).identity.signing

    assert signing is not None
    assert signing.key == "ABCDEF"


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bridge\.yaml is not there\. `promptlayer-bridge init`"):
        load_config(tmp_path / "bridge.yaml", {})


def test_a_folder_in_place_of_the_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, {})


def test_a_file_that_is_not_text_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(file, {})


def test_a_secret_may_be_taken_from_a_file(tmp_path: Path) -> None:
    """As Kubernetes, Docker and systemd hand them out; relative to the file's own folder."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/api-key").write_text("pl_from: [a file\n")
    main = tmp_path / "bridge.yaml"
    main.write_text(GOOD.replace("${PROMPTLAYER_API_KEY}", "${file:secrets/api-key}"))

    config = load_config(main, ENVIRONMENT)

    assert (
        config.workspace_by_source["promptlayer"].api_key.get_secret_value() == "pl_from: [a file"
    )


def test_files_that_cannot_be_read_are_told_like_variables_that_are_not_set(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "long").write_bytes(b"x" * 100_000)
    main = tmp_path / "bridge.yaml"
    main.write_text(
        GOOD.replace("${PROMPTLAYER_API_KEY}", "${file:bytes}")
        .replace("${WEBHOOK_SECRET}", "${file:/nowhere/secret}")
        .replace("${GITHUB_TOKEN}", "${file:long}")
    )

    with pytest.raises(ConfigError) as told:
        load_config(main, ENVIRONMENT)

    assert str(told.value).splitlines() == [
        f"{main}:2: promptlayer.api_key: the file bytes is not text in UTF-8",
        f"{main}:3: promptlayer.webhook_secret: the file /nowhere/secret cannot be read: No such"
        " file or directory",
        f"{main}:5: forges.github.token: the file long is larger than any secret",
    ]


NOTIFY = """\
notify:
  webhooks:
    - {url: "https://hooks.example.com/${WEBHOOK_SECRET}", secret: "${WEBHOOK_SECRET}"}
    - {url: "https://hooks.slack.com/services/${WEBHOOK_SECRET}", format: slack}
"""


def test_receivers_of_notifications_are_read_and_shown_nowhere() -> None:
    config = config_of(GOOD + NOTIFY)

    assert [one.format for one in config.notify.webhooks] == ["json", "slack"]
    assert config.notify.interval == timedelta(minutes=10)
    assert "planted" not in f"{config} {config.model_dump()} {config.model_dump_json()}"


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        ('{url: "https://a.example.com"}', "expected secret, with which the document is signed"),
        ('{url: "planted-host/x", secret: s}', "expected an address with its scheme"),
        ('{url: "${EMPTY}", format: slack}', "expected a secret, got an empty text"),
        ('{url: "https://a.example.com", format: slack, kind: x}', "this setting is not known"),
    ],
)
def test_a_mistake_about_a_receiver_is_told_with_its_line(webhook: str, expected: str) -> None:
    (mistake,) = mistakes_in(f"{GOOD}notify:\n  webhooks:\n    - {webhook}\n")

    assert mistake.startswith("bridge.yaml:")
    assert expected in mistake
    assert "planted" not in mistake
