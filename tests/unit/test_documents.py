"""The documents are true: their settings, commands, targets, links and examples are the code's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.cli.app import app
from bridge.config import bridge_config as config
from bridge.config import dashboard_settings as config_dashboard
from bridge.config import mapping_settings as config_mapping
from bridge.config import monitoring_settings as config_watch
from bridge.config import notify_settings as config_notify
from bridge.config import serve_settings as config_serve
from bridge.config import setting_types as config_types
from bridge.config.setting_types import SettingsSection, WebhookSourceSettings
from bridge.errors import PromptFileError
from bridge.prompts.file_format.prompt_file import parse_prompt_file, render_prompt_file
from bridge.prompts.planning.drift import STANDINGS
from bridge.prompts.planning.target_state import TargetState

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = (".github", "bridge", "deploy", "docs")
PAGES = tuple(
    sorted(
        page.relative_to(ROOT).as_posix()
        for page in (
            *ROOT.glob("*.md"),
            *(one for of in FOLDERS for one in (ROOT / of).rglob("*.md")),
        )
    )
)
TOPICS = tuple(page for page in PAGES if re.fullmatch(r"docs/[a-z-]+\.md", page))
LONGEST_README = 180  # lines


def read_page(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


DOCUMENTS = "\n".join(map(read_page, PAGES))

SECTIONS: Mapping[str, type[BaseModel]] = {
    "`promptlayer`": config.PromptLayerSettings,
    "`forges`, `type: github`": config.GitHubSettings,
    "`forges`, `type: gitlab`": config.GitLabSettings,
    "`forges`, `type: local`": config.LocalSettings,
    "`mappings`": config_mapping.MappingSettings,
    "`mappings`, `commit`": config_mapping.CommitSettings,
    "`mappings`, `pull_request`": config_mapping.PullRequestSettings,
    "`mappings`, `on_merge`": config_mapping.OnMergeSettings,
    "`mappings`, `on_reject`": config_mapping.OnRejectSettings,
    "`mappings`, `evals`": config_mapping.EvalsSettings,
    "`mappings`, `secrets`": config_types.SecretScanSettings,
    "`mappings_folder`": config_mapping.MappingsFileSettings,
    "`roster`": config.PersonSettings,
    "`identity`": config.IdentitySettings,
    "`identity`, `signing`": config.SigningSettings,
    "`log`": config_watch.LogSettings,
    "`metrics`": config_watch.MetricsSettings,
    "`limits`": config_watch.LimitsSettings,
    "`notify`": config_notify.NotifySettings,
    "`notify`, `webhooks`": config_notify.NotifyWebhookSettings,
    "`git`": config.GitSettings,
    "`serve`": config_serve.ServeSettings,
    "`serve`, `log`": config_serve.LogQueueSettings,
    "`serve`, `applications`": config_serve.ApplicationSettings,
    "`dashboard`": config_dashboard.DashboardSettings,
    "`dashboard`, `oidc`": config_dashboard.OidcSettings,
    "The whole file": config.BridgeConfig,
}

_BELOW = (
    config_mapping.CommitSettings,
    config_mapping.PullRequestSettings,
    config_mapping.EvalsSettings,
    config_types.SecretScanSettings,
    config_serve.LogQueueSettings,
)

_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
_METRIC_ROW = re.compile(r"^\| `(promptlayer_bridge_\w+)` \|", re.MULTILINE)
_COMMAND_ROW = re.compile(r"^\| `promptlayer-bridge ([a-z -]+)` \|", re.MULTILINE)
_CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
_GIB = 1 << 30
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def section(heading: str, page: str = DOCUMENTS) -> str:
    """What stands below a heading, up to the next heading of any level."""
    _, found, rest = page.partition(f"# {heading}\n")
    assert found, f"no document has a heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def spelled(field: FieldInfo) -> str:
    """A setting's default, as the documents write it."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if field.is_required():
        return "required"
    if isinstance(default, BaseModel):
        below = isinstance(default, _BELOW)
        return "see below" if below else "see above"
    return "–" if default in (None, {}) else f"`{_written(default)}`"


def _written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, timedelta):
        return _duration(int(default.total_seconds()))
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    if isinstance(default, int) and default and default % _GIB == 0:
        return f"{default // _GIB}GiB"
    return default.value if isinstance(default, StrEnum) else str(default)


def _duration(seconds: int) -> str:
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def every_model(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for inner in model.__subclasses__():
        yield from every_model(inner)


def every_command(group: typer.Typer, before: str = "") -> Iterator[str]:
    for command in group.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        yield f"{before}{name}"
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from every_command(inner.typer_instance, f"{before}{inner.name} ")


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _CODE_BLOCK.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_stands_in_its_table_with_its_default(heading: str) -> None:
    rows = {name: default for name, default, _ in _ROW.findall(section(heading))}

    fields = SECTIONS[heading].model_fields
    assert rows == {name: spelled(field) for name, field in fields.items()}


def test_every_section_of_the_mapping_file_has_a_table() -> None:
    assert set(SECTIONS.values()) == set(every_model(SettingsSection)) - {
        SettingsSection,
        WebhookSourceSettings,
    }


def test_every_command_stands_in_the_table_of_commands_and_no_other_is_named() -> None:
    there = set(every_command(app))

    assert sorted(_COMMAND_ROW.findall(DOCUMENTS)) == sorted(there)
    groups = {command.partition(" ")[0] for command in there}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        called = re.findall(r"(?:\$ |bin/|`)promptlayer-bridge ([a-z][a-z-]*)", text)
        assert set(called) <= groups, page


def test_every_option_that_a_shown_command_has_exists() -> None:
    root: Any = typer.main.get_command(app)
    shown = [
        *re.findall(r"(?:^\$ |`|^ +)promptlayer-bridge ([^`\n]+)", DOCUMENTS, re.MULTILINE),
        *map(
            " ".join,
            re.findall(r"^\| `promptlayer-bridge ([a-z -]+)` (.+)$", DOCUMENTS, re.MULTILINE),
        ),
    ]
    named = [(line, option) for line in shown for option in re.findall(r"--[a-z-]+", line)]

    assert named
    for line, option in named:
        command = root
        for word in line.split():
            command = getattr(command, "commands", {}).get(word, command)
        known = {name for of in command.params for name in (*of.opts, *of.secondary_opts)}
        assert option in {"--help", *known}, line


def test_every_make_target_that_is_named_exists_and_every_target_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))

    assert set(re.findall(r"`make ([a-z-]+)", read_page("CONTRIBUTING.md"))) == targets
    assert set(re.findall(r"`make ([a-z-]+)", DOCUMENTS)) <= targets
    assert set(re.findall(r"^\$ make ([a-z]+)", README, re.MULTILINE)) == {"demo", "test"}


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


def test_every_setting_stands_in_exactly_one_page() -> None:
    for heading in SECTIONS:
        holders = [page for page in PAGES if f"# {heading}\n" in read_page(page)]
        assert holders == ["docs/configuration.md"], heading


def test_every_command_metric_and_state_stands_in_exactly_one_page() -> None:
    states = re.compile(rf"^\| ({'|'.join(map(re.escape, TargetState))}) \|", re.MULTILINE)
    rows = {
        "docs/cli.md": _COMMAND_ROW,
        "docs/monitoring.md": _METRIC_ROW,
        "docs/dashboard.md": states,
    }

    for owner, row in rows.items():
        found = row.findall(read_page(owner))
        assert len(found) == len(set(found)) > 0
        assert [page for page in PAGES if row.search(read_page(page))] == [owner]
    assert set(states.findall(read_page("docs/dashboard.md"))) == set(TargetState)


def test_the_table_of_who_moved_is_the_codes() -> None:
    _, _, table = read_page("docs/behaviour.md").partition("<!-- drift statuses -->\n")
    table, _, _ = table.partition("<!-- /drift statuses -->")
    rows = re.findall(r"^\| ([a-z]+) \| ([a-z]+) \| ([a-z ]+) \| .+ \|$", table, re.MULTILINE)

    cells = [
        (str(platform), str(file), str(found)) for (platform, file), (found, _) in STANDINGS.items()
    ]
    assert rows == cells


@pytest.mark.parametrize("page", TOPICS)
def test_every_page_begins_with_what_it_answers_and_ends_with_where_to_go_next(page: str) -> None:
    title, blank, first, *rest = read_page(page).splitlines()

    assert title.startswith("# ")
    assert not blank
    assert first.startswith("This page ")
    assert rest[-1].startswith("Next: [")


def test_the_readme_leads_to_every_page() -> None:
    for page in TOPICS:
        assert f"]({page})" in README, page


@pytest.mark.parametrize("page", PAGES)
def test_every_link_inside_the_project_leads_somewhere(page: str) -> None:
    for link in map("".join, _LINK.findall(read_page(page))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), link
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), link


def test_the_prompt_file_that_is_shown_is_what_the_bridge_writes() -> None:
    _, _, after = DOCUMENTS.partition("<!-- prompt file -->\n```yaml\n")
    shown, _, _ = after.partition("```")

    file = parse_prompt_file(shown, path="README.md")
    assert render_prompt_file(file) == shown


def test_the_smallest_prompt_file_that_is_shown_is_accepted() -> None:
    _, _, after = read_page("docs/install.md").partition("<!-- smallest prompt file -->\n```yaml\n")
    shown, _, _ = after.partition("```")

    assert parse_prompt_file(shown, path="docs/install.md").prompt.name == "support/greeting"
    for needed in shown.splitlines(keepends=True)[:3]:
        with pytest.raises(PromptFileError):
            parse_prompt_file(shown.replace(needed, ""), path="docs/install.md")


def test_the_mapping_file_that_is_shown_is_accepted() -> None:
    shown = re.findall(r"^```yaml\n(promptlayer:.*?)^```", README, re.MULTILINE | re.DOTALL)
    named = re.findall(r"\$\{([A-Z_]+)\}", shown[0])

    assert len(shown) == 1
    assert config.parse_config(shown[0], "README.md", dict.fromkeys(named, "some-secret")).mappings


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[<>=[]", one)[0] for one in project["dependencies"]}
    for_development = {
        re.split(r"[<>=]", one)[0] for one in project["optional-dependencies"]["dev"]
    }

    told = section("Dependencies")
    assert set(re.findall(r"^\| `([a-z0-9.-]+)` \|", told, re.MULTILINE)) == wanted
    _, _, development = told.partition("For development:")
    assert for_development <= set(re.findall(r"`([A-Za-z-]+)`", development))


def test_the_paths_that_a_reverse_proxy_passes_are_those_of_the_chart() -> None:
    chart = (ROOT / "deploy/helm/promptlayer-bridge/templates/network.yaml").read_text("utf-8")
    (listed,) = re.findall(r"range list ((?:\"[^\"]+\" ?)+)", chart)
    _, _, told = section("Behind a reverse proxy").partition("beside the webhooks, `/`, ")

    told, _, _ = told.partition(". ")
    assert re.findall(r"`([^`]+)`", told) == re.findall(r'"([^"]+)"', listed)


def test_the_systemd_unit_starts_a_command_that_exists() -> None:
    unit = (ROOT / "deploy/promptlayer-bridge.service").read_text(encoding="utf-8")

    assert re.search(r"^ExecStart=\S+/promptlayer-bridge serve --config \S+", unit, re.MULTILINE)
