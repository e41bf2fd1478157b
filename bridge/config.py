"""``bridge.yaml``: its models, and the loader that names file, line and what was expected."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from bridge.config_dashboard import DashboardSettings
from bridge.config_mapping import MappingSettings
from bridge.config_text import ConfigText
from bridge.config_types import (
    Duration,
    PositiveDuration,
    Secret,
    Settings,
    Signed,
)
from bridge.config_watch import LimitsSettings, LogSettings, MetricsSettings
from bridge.errors import ConfigError


class PromptLayerSettings(Signed):
    """The PromptLayer workspace that this bridge follows."""

    api_key: Secret = Field(
        description="API key of the workspace; name it as ${PROMPTLAYER_API_KEY}."
    )
    webhook_secret: Secret | None = Field(
        None, description="The secret shown when the webhook was registered."
    )
    base_url: str = Field("https://api.promptlayer.com", description="The API's address.")
    dashboard_url: str = Field(
        "https://dashboard.promptlayer.com", description="Where links in pull requests lead."
    )
    timeout: PositiveDuration = Field(timedelta(seconds=20), description="For one request.")
    replay_window: PositiveDuration | None = Field(
        None, description="Refuse deliveries whose timestamp is further from now than this."
    )


class GitHubSettings(Signed):
    """GitHub, github.com or an Enterprise Server, with a token or a GitHub App."""

    type: Literal["github"]
    url: str | None = Field(None, description="Of an Enterprise Server; leave out for github.com.")
    token: Secret | None = Field(None, description="A personal access token, or use app_id.")
    app_id: int | None = Field(None, description="A GitHub App's id, with private_key_file.")
    private_key_file: Path | None = Field(None, description="The App's private key (PEM).")
    installation_id: int | None = Field(None, description="Found by itself when left out.")
    timeout: PositiveDuration = timedelta(seconds=30)

    @model_validator(mode="after")
    def _one_credential(self) -> GitHubSettings:
        app = self.app_id is not None and self.private_key_file is not None
        if (self.token is not None) == app:
            raise ValueError("expected either token, or app_id with private_key_file")
        return self


class GitLabSettings(Signed):
    """GitLab, gitlab.com or self-managed, with a personal, group or project token."""

    type: Literal["gitlab"]
    url: str = "https://gitlab.com"
    token: Secret
    timeout: PositiveDuration = timedelta(seconds=30)


class LocalSettings(Signed):
    """Bare repositories and pull requests in a folder of this machine."""

    type: Literal["local"]
    root: Path
    page_url: str | None = Field(None, description="Where the page that shows them is served.")


ForgeSettings = Annotated[
    GitHubSettings | GitLabSettings | LocalSettings, Field(discriminator="type")
]


class Person(Settings):
    """Ties a PromptLayer user to a name in git and a login on the forge."""

    promptlayer: str = Field(description="The e-mail or name that PromptLayer knows.")
    name: str | None = None
    email: str | None = None
    login: str | None = Field(None, description="On the forge, without @.")


class SigningSettings(Settings):
    """Signs the bridge's commits."""

    format: Literal["ssh", "openpgp"] = "ssh"
    key: str = Field(description="Path of an SSH private key, or the id of a GPG key.")


class IdentitySettings(Settings):
    """Who commits."""

    name: str = "promptlayer-bridge"
    email: str = "promptlayer-bridge@users.noreply.invalid"
    signing: SigningSettings | None = None


class Config(Settings):
    """The whole of ``bridge.yaml``."""

    promptlayer: PromptLayerSettings
    forges: dict[str, ForgeSettings] = Field(min_length=1)
    mappings: tuple[MappingSettings, ...]
    roster: tuple[Person, ...] = ()
    identity: IdentitySettings = IdentitySettings()
    data: Path = Field(Path("bridge-data"), description="Folder for the database and the mirrors.")
    database: Secret | None = Field(
        None, description="Database URL; default: bridge.sqlite in the data folder."
    )
    dashboard: DashboardSettings | None = Field(
        None, description="Pages that show what is in step, what waits, and why."
    )
    sweep: PositiveDuration = Field(timedelta(hours=1), description="Compare everything so often.")
    quiet: Duration = Field(
        timedelta(seconds=2), description="Wait so long for more edits of the same prompt."
    )
    workers: int = Field(16, ge=1, le=256, description="Proposals worked on at once.")
    log: LogSettings = Field(
        default_factory=lambda: LogSettings.model_validate({}), description="What is logged, how."
    )
    metrics: MetricsSettings = Field(
        default_factory=lambda: MetricsSettings.model_validate({}), description="Who reads them."
    )
    limits: LimitsSettings = Field(
        default_factory=lambda: LimitsSettings.model_validate({}), description="At the door."
    )

    @model_validator(mode="after")
    def _references(self) -> Config:
        if not self.mappings:
            raise ValueError("mappings: expected at least one")
        if "promptlayer" in self.forges:
            raise ValueError("forges: the name promptlayer is taken, by PromptLayer's webhooks")
        for number, mapping in enumerate(self.mappings):
            for mistake in self._misplaced(mapping, self.mappings[:number]):
                raise ValueError(f"mappings[{number}].{mistake}")
        return self

    def _misplaced(
        self, mapping: MappingSettings, others: Sequence[MappingSettings]
    ) -> Iterator[str]:
        """What keeps a mapping from standing in this file, after these others."""
        if mapping.forge not in self.forges or not mapping.repository_name:
            known = ", ".join(sorted(self.forges))
            yield f"repository: expected forge:owner/name with a forge of this file ({known})"
        for other in others:
            if mapping.name == other.name:
                yield f"name: {mapping.name!r} is used twice"
            if mapping.contests(other):
                yield (
                    f"path: mapping {other.name} has its files in the same folder of this"
                    f" repository; begin the path with a folder of its own, such as {mapping.name}/"
                )
            if mapping.shares_branches(other):
                yield f"branch: mapping {other.name} proposes on the same branches; add {{mapping}}"

    def mapping(self, name: str) -> MappingSettings:
        """The mapping of that name; ConfigError when there is none."""
        for mapping in self.mappings:
            if mapping.name == name:
                return mapping
        known = ", ".join(mapping.name for mapping in self.mappings)
        raise ConfigError(f"There is no mapping named {name!r}; this file has: {known}.")


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and validate ``bridge.yaml``.

    Relative paths in it are taken from the file's folder. Raises ConfigError listing every
    mistake, each with file, line and what was expected.
    """
    environment = os.environ if environment is None else environment
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not there. `promptlayer-bridge init` writes one to start from."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    config = parse(text, str(path), environment)
    return _anchored(config, path.parent.resolve())


def parse(text: str, path: str, environment: Mapping[str, str]) -> Config:
    """``load`` for a text that is already there."""
    document = ConfigText.read(text, path)
    try:
        return Config.model_validate(document.filled(environment))
    except ValidationError as error:
        raise document.explained(error) from None


_M = TypeVar("_M", bound=BaseModel)


def _changed(model: _M, **changes: Any) -> _M:
    return model.model_copy(update=changes)


def _anchored(config: Config, folder: Path) -> Config:
    forges: dict[str, Any] = {}
    for name, forge in config.forges.items():
        if isinstance(forge, LocalSettings):
            forges[name] = _changed(forge, root=folder / forge.root)
        elif isinstance(forge, GitHubSettings) and forge.private_key_file:
            forges[name] = _changed(forge, private_key_file=folder / forge.private_key_file)
        else:
            forges[name] = forge
    identity = _anchored_identity(config.identity, folder)
    return _changed(config, data=folder / config.data, forges=forges, identity=identity)


def _anchored_identity(identity: IdentitySettings, folder: Path) -> IdentitySettings:
    signing = identity.signing
    if signing is None or signing.format != "ssh":
        return identity
    return _changed(identity, signing=_changed(signing, key=str(folder / signing.key)))
