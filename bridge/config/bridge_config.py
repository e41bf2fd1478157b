"""The model of ``bridge.yaml``, and its loader, which reports file, line and what was expected."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bridge.config.authorities import find_ca_file_mistakes
from bridge.config.config_files import (
    MappingLocations,
    ParsedMappingsFile,
    describe_read_error,
    read_mappings_folder,
    read_text,
)
from bridge.config.config_text import ConfigText
from bridge.config.dashboard_settings import DashboardSettings
from bridge.config.mapping_conflicts import find_misplaced_settings
from bridge.config.mapping_defaults import apply_mapping_defaults
from bridge.config.mapping_settings import MappingSettings
from bridge.config.monitoring_settings import LimitsSettings, LogSettings, MetricsSettings
from bridge.config.notify_settings import NotifySettings
from bridge.config.serve_settings import ServeSettings
from bridge.config.serving_conflicts import find_application_mistakes, find_serving_conflicts
from bridge.config.setting_types import (
    Duration,
    NonEmptySecret,
    PositiveDuration,
    SettingsSection,
    WebAddress,
    WebhookSourceSettings,
)
from bridge.config.variable_source import VariableSource
from bridge.errors import ConfigError
from bridge.promptlayer.workspace_source import format_source_name

CaFile = Annotated[
    Path | None,
    Field(description="Certificate authorities (PEM) to trust besides the system's."),
]


class PromptLayerSettings(WebhookSourceSettings):
    """A PromptLayer workspace that this bridge follows."""

    api_key: NonEmptySecret = Field(
        description="API key of the workspace; name it as ${PROMPTLAYER_API_KEY}."
    )
    webhook_secret: NonEmptySecret | None = Field(
        None, description="The secret shown when the webhook was registered."
    )
    base_url: WebAddress = Field("https://api.promptlayer.com", description="The API's address.")
    dashboard_url: WebAddress = Field(
        "https://dashboard.promptlayer.com", description="Where links in pull requests lead."
    )
    timeout: PositiveDuration = Field(timedelta(seconds=20), description="For one request.")
    replay_window: PositiveDuration | None = Field(
        None, description="Refuse deliveries whose timestamp is further from now than this."
    )
    ca_file: CaFile = None


WorkspaceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class GitHubSettings(WebhookSourceSettings):
    """GitHub, github.com or an Enterprise Server, with a token or a GitHub App."""

    type: Literal["github"]
    url: WebAddress | None = Field(
        None, description="Of an Enterprise Server; leave out for github.com."
    )
    token: NonEmptySecret | None = Field(
        None, description="A personal access token, or use app_id."
    )
    app_id: int | None = Field(None, description="A GitHub App's id, with private_key_file.")
    private_key_file: Path | None = Field(None, description="The App's private key (PEM).")
    installation_id: int | None = Field(None, description="Found by itself when left out.")
    timeout: PositiveDuration = timedelta(seconds=30)
    ca_file: CaFile = None

    @model_validator(mode="after")
    def _one_credential(self) -> GitHubSettings:
        app = self.app_id is not None and self.private_key_file is not None
        if (self.token is not None) == app:
            raise ValueError("expected either token, or app_id with private_key_file")
        return self


class GitLabSettings(WebhookSourceSettings):
    """GitLab, gitlab.com or self-managed, with a personal, group or project token."""

    type: Literal["gitlab"]
    url: WebAddress = "https://gitlab.com"
    token: NonEmptySecret
    timeout: PositiveDuration = timedelta(seconds=30)
    ca_file: CaFile = None


class LocalSettings(WebhookSourceSettings):
    """Bare repositories and pull requests in a folder of this machine."""

    type: Literal["local"]
    root: Path
    page_url: WebAddress | None = Field(
        None, description="Where the page that shows them is served."
    )


ForgeSettings = Annotated[
    GitHubSettings | GitLabSettings | LocalSettings, Field(discriminator="type")
]


class PersonSettings(SettingsSection):
    """Ties a PromptLayer user to a name in git and a login on the forge."""

    promptlayer: str = Field(description="The e-mail or name that PromptLayer knows.")
    name: str | None = None
    email: str | None = None
    login: str | None = Field(None, description="On the forge, without @.")


class SigningSettings(SettingsSection):
    """Signs the bridge's commits."""

    format: Literal["ssh", "openpgp"] = "ssh"
    key: str = Field(description="Path of an SSH private key, or the id of a GPG key.")


class IdentitySettings(SettingsSection):
    """Who commits."""

    name: str = "promptlayer-bridge"
    email: str = "promptlayer-bridge@users.noreply.invalid"
    signing: SigningSettings | None = None


class GitSettings(SettingsSection):
    """How git is run."""

    timeout: PositiveDuration = Field(
        timedelta(minutes=2), description="A run of git that stands still for so long is ended."
    )


class BridgeConfig(SettingsSection):
    """The whole of ``bridge.yaml``."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["promptlayer"]}, {"required": ["workspaces"]}],
            "anyOf": [{"required": ["mappings"]}, {"required": ["mappings_folder"]}],
        }
    )

    promptlayer: PromptLayerSettings | None = Field(
        None, description="The PromptLayer workspace, where there is only one."
    )
    workspaces: dict[WorkspaceName, PromptLayerSettings] = Field(
        default_factory=dict, description="Several PromptLayer workspaces, each by its name."
    )
    forges: dict[str, ForgeSettings] = Field(min_length=1)
    mappings: tuple[MappingSettings, ...] = ()
    defaults: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of every mapping that does not set them itself, also in the folder.",
    )
    mappings_folder: Path | None = Field(
        None, description="A folder of files that hold mappings, beside those of this file."
    )
    roster: tuple[PersonSettings, ...] = ()
    identity: IdentitySettings = IdentitySettings()
    data: Path = Field(Path("bridge-data"), description="Folder for the database and the mirrors.")
    database: NonEmptySecret | None = Field(
        None, description="Database URL; default: bridge.sqlite in the data folder."
    )
    dashboard: DashboardSettings | None = Field(
        None, description="Pages that show what is in step, what waits, and why."
    )
    serve: ServeSettings | None = Field(
        None, description="Applications that read prompts through the bridge."
    )
    sweep: PositiveDuration = Field(timedelta(hours=1), description="Compare everything so often.")
    quiet: Duration = Field(
        timedelta(seconds=2), description="Wait so long for more edits of the same prompt."
    )
    keep: PositiveDuration = Field(
        timedelta(days=30), description="How long deliveries stay once they are settled."
    )
    ca_file: CaFile = None
    git: GitSettings = GitSettings.model_validate({})
    workers: int = Field(16, ge=1, le=256, description="Proposals worked on at once.")
    log: LogSettings = Field(
        default_factory=lambda: LogSettings.model_validate({}), description="What is logged, how."
    )
    metrics: MetricsSettings = Field(
        default_factory=lambda: MetricsSettings.model_validate({}), description="Who reads them."
    )
    notify: NotifySettings = Field(
        default_factory=lambda: NotifySettings.model_validate({}),
        description="Who hears of what needs a person.",
    )
    limits: LimitsSettings = Field(
        default_factory=lambda: LimitsSettings.model_validate({}), description="At the door."
    )

    @model_validator(mode="after")
    def _sections(self) -> BridgeConfig:
        if (self.promptlayer is None) == (not self.workspaces):
            raise ValueError("expected either promptlayer, or workspaces where there are several")
        if "promptlayer" in self.forges:
            raise ValueError("forges: the name promptlayer is taken, by PromptLayer's webhooks")
        return self

    @property
    def workspace_by_source(self) -> dict[str, PromptLayerSettings]:
        """Every workspace, by the ``source`` of its deliveries."""
        if self.promptlayer is not None:
            return {format_source_name(None): self.promptlayer}
        return {format_source_name(name): settings for name, settings in self.workspaces.items()}

    def find_mapping(self, name: str) -> MappingSettings:
        """The mapping of that name. Raises ConfigError when there is none."""
        for mapping in self.mappings:
            if mapping.name == name:
                return mapping
        known = ", ".join(mapping.name for mapping in self.mappings)
        raise ConfigError(f"There is no mapping named {name!r}; this file has: {known}.")


@dataclass(frozen=True)
class LoadedConfig:
    """A configuration, and the file that each of its mappings is in."""

    config: BridgeConfig
    files: Mapping[str, tuple[str, ...]]  # path → names of mappings, the main file first


def load_config(
    path: Path, environment: Mapping[str, str] | None = None, *, defer_secrets: bool = False
) -> BridgeConfig:
    """Read and validate ``bridge.yaml`` and the files of its mappings folder.

    Relative paths in it are taken from the file's folder. Raises ConfigError listing every
    mistake, each with file, line and what was expected. With ``defer_secrets`` a secret whose
    variable is missing raises only when it is used, for commands that may not need it.
    """
    return load_config_with_files(path, environment, defer_secrets=defer_secrets).config


def load_config_with_files(
    path: Path, environment: Mapping[str, str] | None = None, *, defer_secrets: bool = False
) -> LoadedConfig:
    """``load_config`` with the file of each mapping."""
    if not path.exists():
        raise ConfigError(
            f"{path} is not there. `promptlayer-bridge init` writes one to start from."
        )
    variables = os.environ if environment is None else environment
    loaded = _parsed(read_text(path), path, variables, defer_secrets=defer_secrets)
    return replace(loaded, config=_anchored(loaded.config, path.parent.resolve()))


def parse_config(text: str, path: str, environment: Mapping[str, str]) -> BridgeConfig:
    """``load_config`` for the text of a file."""
    return _parsed(text, Path(path), environment).config


def _parsed(
    text: str, path: Path, environment: Mapping[str, str], *, defer_secrets: bool = False
) -> LoadedConfig:
    main = ConfigText.read(text, str(path), "the sections promptlayer, forges and mappings")
    variables = VariableSource(environment, path.parent)
    values = main.substitute_variables(variables, defer_secrets=defer_secrets)
    parts, mistakes = _parts(main, values, path.parent, environment)
    mistakes += _find_default_mistakes(main, values.get("defaults"))
    completed = apply_mapping_defaults(values, values.get("defaults"))
    try:
        config = _filled_in(BridgeConfig.model_validate(completed), parts)
    except ValidationError as error:
        raise ConfigError(
            "\n".join((str(main.explain_error(error, BridgeConfig)), *mistakes))
        ) from None
    in_main = len(config.mappings) - sum(len(part.mappings) for part in parts)
    mistakes += tuple(
        main.format_mistake(location, message)
        for location, message in find_ca_file_mistakes(values, path.parent)
    )
    if not mistakes:
        mistakes = _unplaced(config, MappingLocations(main, in_main, parts))
        mistakes += tuple(
            main.format_mistake(("serve", "applications", each.index, each.setting), each.message)
            for each in find_application_mistakes(config.serve, config.workspaces)
        )
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    files = {str(path): _names(config.mappings[:in_main])}
    return LoadedConfig(config, files | {part.text.path: _names(part.mappings) for part in parts})


def _parts(
    main: ConfigText, values: Mapping[str, Any], near: Path, environment: Mapping[str, str]
) -> tuple[tuple[ParsedMappingsFile, ...], tuple[str, ...]]:
    """The files of the mappings folder, if one is named, and the mistakes in them."""
    folder = values.get("mappings_folder")
    if not isinstance(folder, str):
        return (), ()
    try:
        return read_mappings_folder(near / folder, environment, main, values.get("defaults"))
    except OSError as error:
        message = f"the folder cannot be read: {describe_read_error(error)}"
        return (), (main.format_mistake(("mappings_folder",), message),)


def _find_default_mistakes(main: ConfigText, defaults: object) -> tuple[str, ...]:
    """The settings in ``defaults`` that no two mappings may share."""
    if not isinstance(defaults, dict) or "name" not in defaults:
        return ()
    message = "each mapping needs a name of its own, so there is no default for it"
    return (main.format_mistake(("defaults", "name"), message),)


def _filled_in(config: BridgeConfig, parts: Sequence[ParsedMappingsFile]) -> BridgeConfig:
    """The configuration with the mappings of all files and the applications; each names its
    workspace where that has a name."""
    only = next(iter(config.workspaces)) if len(config.workspaces) == 1 else None
    every = (*config.mappings, *(mapping for part in parts for mapping in part.mappings))
    named = (
        _changed(mapping, workspace=only) if only and mapping.workspace is None else mapping
        for mapping in every
    )
    applications = config.serve.applications if config.serve else ()
    serving = config.serve and _changed(
        config.serve,
        applications=tuple(
            _changed(each, workspace=only) if only and each.workspace is None else each
            for each in applications
        ),
    )
    return _changed(config, mappings=tuple(named), serve=serving)


def _unplaced(config: BridgeConfig, places: MappingLocations) -> tuple[str, ...]:
    if not config.mappings:
        where = ", here or in a file of mappings_folder" if config.mappings_folder else ""
        return (places.main.format_mistake(("mappings",), f"expected at least one{where}"),)
    found = find_misplaced_settings(config.mappings, config.forges, config.workspaces)
    served_twice = find_serving_conflicts(config.mappings)
    return tuple(places.describe_misplaced(each) for each in (*found, *served_twice))


def _names(mappings: Iterable[MappingSettings]) -> tuple[str, ...]:
    return tuple(mapping.name for mapping in mappings)


_M = TypeVar("_M", bound=BaseModel)


def _changed(model: _M, **changes: Any) -> _M:
    return model.model_copy(update=changes)


def _anchored(config: BridgeConfig, folder: Path) -> BridgeConfig:
    forges: dict[str, Any] = {}
    for name, forge in config.forges.items():
        if isinstance(forge, LocalSettings):
            forges[name] = _changed(forge, root=folder / forge.root)
        elif isinstance(forge, GitHubSettings) and forge.private_key_file:
            key = folder / forge.private_key_file
            forges[name] = _with_ca_file(_changed(forge, private_key_file=key), folder)
        else:
            forges[name] = _with_ca_file(forge, folder)
    mappings_folder = config.mappings_folder and folder / config.mappings_folder
    return _changed(
        _with_ca_file(config, folder),
        data=folder / config.data,
        promptlayer=config.promptlayer and _with_ca_file(config.promptlayer, folder),
        workspaces={name: _with_ca_file(each, folder) for name, each in config.workspaces.items()},
        forges=forges,
        identity=_anchored_identity(config.identity, folder),
        mappings_folder=mappings_folder,
    )


def _with_ca_file(settings: _M, folder: Path) -> _M:
    ca_file = getattr(settings, "ca_file", None)
    return _changed(settings, ca_file=folder / ca_file) if ca_file else settings


def _anchored_identity(identity: IdentitySettings, folder: Path) -> IdentitySettings:
    signing = identity.signing
    if signing is None or signing.format != "ssh":
        return identity
    return _changed(identity, signing=_changed(signing, key=str(folder / signing.key)))
