"""The README is true: its settings, commands, targets, links and examples are those of the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.cli.app import app
from bridge.config import dashboard as config_dashboard
from bridge.config import mapping as config_mapping
from bridge.config import types as config_types
from bridge.config import watch as config_watch
from bridge.config import whole as config
from bridge.config.types import Settings, Signed
from bridge.prompts.file import parse, render

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/README.md")

SECTIONS: Mapping[str, type[BaseModel]] = {
    "`promptlayer`": config.PromptLayerSettings,
    "`forges`, `type: github`": config.GitHubSettings,
    "`forges`, `type: gitlab`": config.GitLabSettings,
    "`forges`, `type: local`": config.LocalSettings,
    "`mappings`": config_mapping.MappingSettings,
    "`mappings`, `commit`": config_mapping.CommitSettings,
    "`mappings`, `pull_request`": config_mapping.PullRequestSettings,
    "`mappings`, `on_merge`": config_mapping.OnMerge,
    "`mappings`, `on_reject`": config_mapping.OnReject,
    "`mappings`, `evals`": config_mapping.EvalsSettings,
    "`mappings`, `secrets`": config_types.SecretScanSettings,
    "`mappings_folder`": config_mapping.MappingsFile,
    "`roster`": config.Person,
    "`identity`": config.IdentitySettings,
    "`identity`, `signing`": config.SigningSettings,
    "`log`": config_watch.LogSettings,
    "`metrics`": config_watch.MetricsSettings,
    "`limits`": config_watch.LimitsSettings,
    "`git`": config.GitSettings,
    "`dashboard`": config_dashboard.DashboardSettings,
    "`dashboard`, `oidc`": config_dashboard.OidcSettings,
    "The whole file": config.Config,
}

_BELOW = (
    config_mapping.CommitSettings,
    config_mapping.PullRequestSettings,
    config_mapping.EvalsSettings,
    config_types.SecretScanSettings,
)

_ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def section(heading: str, page: str = README) -> str:
    """What stands below a heading, up to the next heading of any level."""
    _, found, rest = page.partition(f"# {heading}\n")
    assert found, f"the README has no heading {heading!r}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def spelled(field: FieldInfo) -> str:
    """A setting's default, as the README writes it."""
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
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_stands_in_its_table_with_its_default(heading: str) -> None:
    rows = {name: default for name, default, _ in _ROW.findall(section(heading))}

    fields = SECTIONS[heading].model_fields
    assert rows == {name: spelled(field) for name, field in fields.items()}


def test_every_section_of_the_mapping_file_has_a_table() -> None:
    assert set(SECTIONS.values()) == set(every_model(Settings)) - {Settings, Signed}


def test_every_command_stands_in_the_table_of_commands_and_no_other_is_named() -> None:
    there = set(every_command(app))

    assert set(re.findall(r"^\| `promptlayer-bridge ([a-z -]+)` \|", README, re.MULTILINE)) == there
    groups = {command.partition(" ")[0] for command in there}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        called = re.findall(r"(?:\$ |bin/|`)promptlayer-bridge ([a-z-]+)", text)
        assert set(called) <= groups, page


def test_every_make_target_that_is_named_exists_and_every_target_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))

    assert set(re.findall(r"`make ([a-z]+)", README)) == targets
    assert set(re.findall(r"^\$ make ([a-z]+)", README, re.MULTILINE)) == {"demo", "test"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_inside_the_project_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in _LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), link
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), link


def test_the_prompt_file_that_is_shown_is_what_the_bridge_writes() -> None:
    _, _, after = README.partition("<!-- prompt file -->\n```yaml\n")
    shown, _, _ = after.partition("```")

    file = parse(shown, path="README.md")
    assert render(file) == shown


def test_the_mapping_file_that_is_shown_is_accepted() -> None:
    shown = re.findall(r"^```yaml\n(promptlayer:.*?)^```", README, re.MULTILINE | re.DOTALL)
    named = re.findall(r"\$\{([A-Z_]+)\}", shown[0])

    assert len(shown) == 1
    assert config.parse(shown[0], "README.md", dict.fromkeys(named, "some-secret")).mappings


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


def test_the_systemd_unit_starts_a_command_that_exists() -> None:
    unit = (ROOT / "deploy/promptlayer-bridge.service").read_text(encoding="utf-8")

    assert re.search(r"^ExecStart=\S+/promptlayer-bridge serve --config \S+", unit, re.MULTILINE)
