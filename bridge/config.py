"""``bridge.yaml``: its models, its loader, and errors that name file, line and what was expected.

Secrets are named in the file (``${NAME}``), taken from the environment, and never written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from bridge.errors import ConfigError, PromptFileError
from bridge.prompts.paths import (
    DEFAULT_BRANCH,
    DEFAULT_PATH,
    DEFAULT_ROLLING_BRANCH,
    check_branch_template,
    check_path_template,
)
from bridge.prompts.prompt import LATEST
from bridge.prompts.selection import Selection
from bridge.prompts.source import Source, read

Location = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DURATION = re.compile(r"(\d+)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: object) -> object:
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if not found:
            raise ValueError("expected a duration such as 30s, 10m, 1h or 7d")
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError("expected a duration with its unit, such as 30s or 1h")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*(ms|s|m|h|d)$", "examples": ["1h"]}),
]


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("expected a secret, got an empty text")
    return value


Secret = Annotated[SecretStr, AfterValidator(_not_empty)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PromptLayerSettings(_Model):
    """The PromptLayer workspace that this bridge follows."""

    api_key: Secret = Field(
        description="API key of the workspace; name it as ${PROMPTLAYER_API_KEY}."
    )
    webhook_secret: Secret | None = Field(
        None, description="The secret shown when the webhook was registered."
    )
    webhook_secrets: tuple[Secret, ...] = Field(
        (), description="Several at once, while a secret is being replaced."
    )
    base_url: str = Field("https://api.promptlayer.com", description="The API's address.")
    dashboard_url: str = Field(
        "https://dashboard.promptlayer.com", description="Where links in pull requests lead."
    )
    timeout: Duration = Field(timedelta(seconds=20), description="For one request.")
    replay_window: Duration | None = Field(
        None, description="Refuse deliveries whose timestamp is further from now than this."
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every webhook secret that is accepted."""
        one = (self.webhook_secret,) if self.webhook_secret else ()
        return tuple(secret.get_secret_value() for secret in (*one, *self.webhook_secrets))


class GitHubSettings(_Model):
    """GitHub, github.com or an Enterprise Server, with a token or a GitHub App."""

    type: Literal["github"]
    url: str | None = Field(None, description="Of an Enterprise Server; leave out for github.com.")
    token: Secret | None = Field(None, description="A personal access token, or use app_id.")
    app_id: int | None = Field(None, description="A GitHub App's id, with private_key_file.")
    private_key_file: Path | None = Field(None, description="The App's private key (PEM).")
    installation_id: int | None = Field(None, description="Found by itself when left out.")
    timeout: Duration = timedelta(seconds=30)

    @model_validator(mode="after")
    def _one_credential(self) -> GitHubSettings:
        app = self.app_id is not None and self.private_key_file is not None
        if (self.token is not None) == app:
            raise ValueError("expected either token, or app_id with private_key_file")
        return self


class GitLabSettings(_Model):
    """GitLab, gitlab.com or self-managed, with a personal, group or project token."""

    type: Literal["gitlab"]
    url: str = "https://gitlab.com"
    token: Secret
    timeout: Duration = timedelta(seconds=30)


class LocalSettings(_Model):
    """Bare repositories and pull requests in a folder of this machine."""

    type: Literal["local"]
    root: Path
    page_url: str | None = Field(None, description="Where the page that shows them is served.")


ForgeSettings = Annotated[
    GitHubSettings | GitLabSettings | LocalSettings, Field(discriminator="type")
]


class Group(StrEnum):
    PROMPT = "prompt"
    MAPPING = "mapping"


class PullRequestSettings(_Model):
    """How pull requests of a mapping are made."""

    group: Group = Field(
        Group.PROMPT, description="One pull request for each prompt, or one for the mapping."
    )
    reviewers: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    draft: bool = False
    limit: int = Field(50, ge=1, description="At most so many open at once; the rest waits.")


class MappingSettings(_Model):
    """Which prompts go to which repository, and how."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    prompts: tuple[str, ...] = Field(
        (), description="Names and globs: * within a folder, ** across folders, !name excludes."
    )
    tags: tuple[str, ...] = Field((), description="Prompts that carry all of these.")
    folder: str | None = Field(None, description="Prompts in this PromptLayer folder or below.")
    repository: str = Field(description="forge:owner/name, the forge as named under forges.")
    base: str | None = Field(None, description="The branch merged into; default: the repository's.")
    track: tuple[str, ...] = Field(
        (LATEST,), min_length=1, description="Release labels, or latest: the newest version."
    )
    path: str = DEFAULT_PATH
    branch: str | None = None
    format: Literal["yaml", "json"] = "yaml"
    pull_request: PullRequestSettings = Field(
        default_factory=lambda: PullRequestSettings.model_validate({})
    )

    @field_validator("path")
    @classmethod
    def _path(cls, value: str) -> str:
        check_path_template(value)
        return value

    @field_validator("branch")
    @classmethod
    def _branch(cls, value: str | None) -> str | None:
        if value is not None:
            check_branch_template(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> MappingSettings:
        if not (self.prompts or self.tags or self.folder):
            raise ValueError('expected prompts, tags or folder; prompts: ["**"] means every prompt')
        if len(self.track) > 1 and "{label}" not in self.path:
            raise ValueError("path needs {label} when track names more than one")
        if len(set(self.track)) != len(self.track):
            raise ValueError("track names a label twice")
        if "{prompt}" not in self.path and "{id}" not in self.path:
            raise ValueError("path needs {prompt} or {id}: prompts would share a file")
        return self

    @property
    def forge(self) -> str:
        """The forge's name under ``forges``."""
        return self.repository.partition(":")[0]

    @property
    def repository_name(self) -> str:
        """``owner/name`` on that forge."""
        return self.repository.partition(":")[2]

    @property
    def branch_template(self) -> str:
        if self.branch is not None:
            return self.branch
        rolling = self.pull_request.group is Group.MAPPING
        return DEFAULT_ROLLING_BRANCH if rolling else DEFAULT_BRANCH

    @property
    def selection(self) -> Selection:
        return Selection(self.prompts, self.tags, self.folder)


class Person(_Model):
    """Ties a PromptLayer user to a name in git and a login on the forge."""

    promptlayer: str = Field(description="The e-mail or name that PromptLayer knows.")
    name: str | None = None
    email: str | None = None
    login: str | None = Field(None, description="On the forge, without @.")


class SigningSettings(_Model):
    """Signs the bridge's commits."""

    format: Literal["ssh", "openpgp"] = "ssh"
    key: str = Field(description="Path of an SSH private key, or the id of a GPG key.")


class IdentitySettings(_Model):
    """Who commits."""

    name: str = "promptlayer-bridge"
    email: str = "promptlayer-bridge@users.noreply.invalid"
    signing: SigningSettings | None = None


class Config(_Model):
    """The whole of ``bridge.yaml``."""

    promptlayer: PromptLayerSettings
    forges: dict[str, ForgeSettings] = Field(min_length=1)
    mappings: tuple[MappingSettings, ...]
    roster: tuple[Person, ...] = ()
    identity: IdentitySettings = IdentitySettings()
    data: Path = Field(Path("bridge-data"), description="Folder for the database and the mirrors.")
    database: str | None = Field(
        None, description="Database URL; default: bridge.sqlite in the data folder."
    )
    sweep: Duration = Field(timedelta(hours=1), description="Compare everything so often.")
    quiet: Duration = Field(
        timedelta(seconds=2), description="Wait so long for more edits of the same prompt."
    )
    workers: int = Field(16, ge=1, le=256, description="Proposals worked on at once.")

    @model_validator(mode="after")
    def _references(self) -> Config:
        if not self.mappings:
            raise ValueError("mappings: expected at least one")
        seen: set[str] = set()
        for number, mapping in enumerate(self.mappings):
            where = f"mappings[{number}]"
            if mapping.name in seen:
                raise ValueError(f"{where}.name: {mapping.name!r} is used twice")
            seen.add(mapping.name)
            if mapping.forge not in self.forges or not mapping.repository_name:
                known = ", ".join(sorted(self.forges))
                raise ValueError(
                    f"{where}.repository: expected forge:owner/name with a forge of this file"
                    f" ({known}), got {mapping.repository!r}"
                )
        return self

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
    document = _read(text, path)
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}:1: expected the sections promptlayer, forges and mappings")
    mistakes: list[str] = []
    filled = _Filling(environment, path, document, mistakes).fill(document.value, ())
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    try:
        return Config.model_validate(filled)
    except ValidationError as error:
        raise ConfigError("\n".join(_explained(error, path, document))) from None


def _read(text: str, path: str) -> Source:
    """Variables are taken out of YAML's sight first: ``{`` would mean something to it."""
    hidden = _VARIABLE.sub(lambda found: f"\ue000{found[1]}\ue001" if found[1] else "$", text)
    try:
        return read(hidden, path, "yaml")
    except PromptFileError as error:
        raise ConfigError(str(error)) from None


def _explained(error: ValidationError, path: str, document: Source) -> Iterator[str]:
    for mistake in error.errors(include_url=False, include_input=False):
        location = _in_file(mistake["loc"])
        message = mistake["msg"].removeprefix("Value error, ")
        indexed = re.match(r"mappings\[(\d+)\]\.(\w+): ", message)
        if indexed:  # found while looking at the whole file: it names its own place
            line = document.line(("mappings", int(indexed[1]), indexed[2]))
            yield f"{path}:{line}: {message}"
            continue
        words = "this setting is not known" if mistake["type"] == "extra_forbidden" else message
        name = _spelled(location)
        yield f"{path}:{document.line(location)}: {name + ': ' if name else ''}{words}"


def _in_file(location: Location) -> Location:
    """pydantic puts the chosen kind of forge into the path; the file does not have it."""
    if len(location) > 2 and location[0] == "forges" and location[2] in _FORGE_TYPES:
        return (*location[:2], *location[3:])
    return location


_FORGE_TYPES = ("github", "gitlab", "local")


def _spelled(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


_HIDDEN = re.compile("\ue000([A-Za-z0-9_]+)\ue001")


@dataclass(frozen=True)
class _Filling:
    """Puts environment variables where the file names them."""

    environment: Mapping[str, str]
    path: str
    document: Source
    mistakes: list[str]

    def fill(self, value: Any, location: Location) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(inner, (*location, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner, (*location, at)) for at, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        return _HIDDEN.sub(lambda found: self._variable(found[1], location), value)

    def _variable(self, name: str, location: Location) -> str:
        if name not in self.environment:
            line = self.document.line(location)
            self.mistakes.append(
                f"{self.path}:{line}: {_spelled(location)}: the environment variable {name} is"
                " not set"
            )
        return self.environment.get(name, "")


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
    return _changed(config, data=folder / config.data, forges=forges)
