"""The one place that builds adapters from the configuration."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bridge.config.mapping import MappingSettings
from bridge.config.whole import (
    Config,
    ForgeSettings,
    GitHubSettings,
    GitLabSettings,
    LocalSettings,
)
from bridge.engine.ledger import Ledger
from bridge.engine.room import Room
from bridge.engine.worker import Worker
from bridge.errors import ConfigError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.base import Budget, Forge, Notice, unnoticed
from bridge.forge.local import LocalForge
from bridge.forge.webhooks import ForgeDoor, ForgeWebhooks
from bridge.network.trust import read_authorities
from bridge.promptlayer.client import PromptLayer
from bridge.repo.commit import Identity, Signing
from bridge.repo.mirror import Mirror
from bridge.steps.site import Bot, Roster, Site
from bridge.storage.budgets import Budgets
from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from bridge.storage.restraint import Restraint
from bridge.web.doors import Doors, WorkspaceDoor

if TYPE_CHECKING:
    from bridge.forge.github_credentials import App, Token

_T = TypeVar("_T")
_LOCAL_DATABASE = "bridge.sqlite"
_POSTGRESQL = re.compile(r"^postgres(?:ql)?://")


def now() -> datetime:
    """The one clock of the running bridge."""
    return datetime.now(UTC)


def platform_of(config: Config, source: str) -> PromptLayer:
    """The client of one workspace. Raises ConfigError."""
    settings = config.by_source[source]
    return PromptLayer(
        settings.api_key.get_secret_value(),
        base_url=settings.base_url,
        timeout=settings.timeout.total_seconds(),
        authorities=authorities_of(config, settings.ca_file),
    )


def authorities_of(config: Config, ca_file: Path | None) -> str:
    """The certificates (PEM) to trust besides the system's where one side names ``ca_file``.
    Raises ConfigError."""
    try:
        return read_authorities(config.ca_file, ca_file)
    except (OSError, ValueError) as error:
        named = " or ".join(str(file) for file in (ca_file, config.ca_file) if file)
        raise ConfigError(f"ca_file: {named} cannot be used: {error}") from None


def forge_of(config: Config, name: str, repository: str, notice: Notice = unnoticed) -> Forge:
    """The adapter for one repository. The libraries of forges that nobody configured are not even
    loaded: they are half of what starting takes. Raises ConfigError."""
    settings = config.forges[name]
    if isinstance(settings, LocalSettings):
        return LocalForge(settings.root, repository, forge_name=name, page_url=settings.page_url)
    authorities = authorities_of(config, settings.ca_file)
    if isinstance(settings, GitHubSettings):
        return _github(name, settings, repository, notice, authorities)
    return _gitlab(name, settings, repository, notice, authorities)


def _github(
    name: str, settings: GitHubSettings, repository: str, notice: Notice, authorities: str
) -> Forge:
    from bridge.forge.github import GitHub

    return GitHub(
        repository,
        forge_name=name,
        url=settings.url,
        auth=_github_credential(name, settings),
        timeout=settings.timeout.total_seconds(),
        notice=notice,
        authorities=authorities,
    )


def _gitlab(
    name: str, settings: GitLabSettings, repository: str, notice: Notice, authorities: str
) -> Forge:
    from bridge.forge.gitlab import GitLab

    return GitLab(
        repository,
        forge_name=name,
        url=settings.url,
        token=settings.token.get_secret_value(),
        timeout=settings.timeout.total_seconds(),
        notice=notice,
        authorities=authorities,
    )


def webhooks_of(settings: ForgeSettings) -> ForgeWebhooks:
    """How a forge of this type tells what happens there."""
    if isinstance(settings, GitHubSettings):
        return github_webhooks
    if isinstance(settings, GitLabSettings):
        return gitlab_webhooks
    return local_webhooks


def doors_of(config: Config) -> Doors:
    """Where the webhooks of every workspace and every forge come in."""
    return Doors(
        {
            source: WorkspaceDoor(settings.secrets, settings.replay_window)
            for source, settings in config.by_source.items()
        },
        {
            name: ForgeDoor(webhooks_of(settings), settings.secrets)
            for name, settings in config.forges.items()
        },
    )


def _github_credential(name: str, settings: GitHubSettings) -> Token | App:
    from bridge.forge.github_credentials import App, Token

    if settings.token is not None:
        return Token(settings.token.get_secret_value())
    if settings.app_id is None or settings.private_key_file is None:
        raise ConfigError(f"forges.{name}: expected either token, or app_id with private_key_file")
    try:
        key = settings.private_key_file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"forges.{name}.private_key_file: {settings.private_key_file} cannot be read"
            f" ({type(error).__name__})"
        ) from None
    return App(settings.app_id, key, settings.installation_id)


class Adapters:
    """The adapters of a running bridge. Mappings of one repository share adapter and mirror,
    mappings of one workspace its client. ``note`` hears what is left of each forge's budget, by
    the forge's name."""

    def __init__(self, note: Callable[[str, Budget], None] | None = None) -> None:
        self.note = note
        self._platforms: dict[Hashable, PromptLayer] = {}
        self._forges: dict[Hashable, Forge] = {}
        self._mirrors: dict[Hashable, Mirror] = {}

    def sites(self, config: Config) -> dict[str, Site]:
        """Every mapping at its place. An adapter whose settings are those of the last time is the
        same one and goes on as it was; the others are let go. Raises ConfigError, and has changed
        nothing then."""
        needed = _Needed(config, self._platforms, self._forges, self._mirrors, self.note)
        sites = {mapping.name: needed.site(mapping) for mapping in config.mappings}
        self._platforms, self._forges = needed.platforms, needed.forges
        self._mirrors = needed.mirrors
        return sites

    def close(self) -> None:
        for platform in self._platforms.values():
            platform.close()


class _Needed:
    """The adapters of one configuration while they are gathered, from those that are there."""

    def __init__(
        self,
        config: Config,
        platforms: Mapping[Hashable, PromptLayer],
        forges: Mapping[Hashable, Forge],
        mirrors: Mapping[Hashable, Mirror],
        note: Callable[[str, Budget], None] | None,
    ) -> None:
        self._config = config
        self._note = note
        self._there = (platforms, forges, mirrors)
        self._digests = {name: _file_digest(config, each) for name, each in config.forges.items()}
        self.platforms: dict[Hashable, PromptLayer] = {}
        self.forges: dict[Hashable, Forge] = {}
        self.mirrors: dict[Hashable, Mirror] = {}

    def site(self, mapping: MappingSettings) -> Site:
        config, signing = self._config, self._config.identity.signing
        dashboard = config.by_source[mapping.source].dashboard_url.rstrip("/")
        return Site(
            mapping=mapping,
            neighbours=tuple(
                other
                for other in config.mappings
                if other.repository == mapping.repository and other.name != mapping.name
            ),
            platform=self._platform(mapping.source),
            forge=self._forge(mapping),
            mirror=self._mirror(mapping.repository),
            bot=Bot(
                Identity(config.identity.name, config.identity.email),
                Signing(signing.format, signing.key) if signing else None,
            ),
            roster=Roster(config.roster),
            version_url=f"{dashboard}/workspace/{{workspace}}/prompt/{{id}}",
        )

    def _platform(self, source: str) -> PromptLayer:
        config, settings = self._config, self._config.by_source[source]
        trusted = authorities_of(config, settings.ca_file)
        key = (source, settings.api_key, settings.base_url, settings.timeout, trusted)
        return _kept(self.platforms, self._there[0], key, lambda: platform_of(config, source))

    def _forge(self, mapping: MappingSettings) -> Forge:
        config, name, repository = self._config, mapping.forge, mapping.repository_name
        settings = config.forges[name]
        unsigned = settings.model_copy(update={"webhook_secret": None, "webhook_secrets": ()})
        key = (name, repository, unsigned, self._digests[name])
        notice = partial(self._note, name) if self._note else unnoticed
        return _kept(
            self.forges, self._there[1], key, lambda: forge_of(config, name, repository, notice)
        )

    def _mirror(self, repository: str) -> Mirror:
        path = mirror_path(self._config.data, repository)
        timeout = self._config.git.timeout.total_seconds()
        make = partial(Mirror, path, timeout=timeout)
        return _kept(self.mirrors, self._there[2], (path, timeout), make)


def _kept(
    made: dict[Hashable, _T], there: Mapping[Hashable, _T], key: Hashable, make: Callable[[], _T]
) -> _T:
    if key not in made:
        made[key] = there[key] if key in there else make()
    return made[key]


def _file_digest(config: Config, settings: ForgeSettings) -> str:
    """Tells a private key and certificates from their successors in the same files."""
    key = settings.private_key_file if isinstance(settings, GitHubSettings) else None
    own = None if isinstance(settings, LocalSettings) else settings.ca_file
    digest = hashlib.sha256()
    for path in (key, own, config.ca_file):
        with suppress(OSError):  # whoever needs it will say so
            digest.update(path.read_bytes() if path else b"")
    return digest.hexdigest()


def mirror_path(data: Path, repository: str) -> Path:
    """A folder name that no two repositories share and a person still recognises."""
    readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in repository)[-60:]
    return (
        data / "mirrors" / f"{readable}-{hashlib.sha256(repository.encode()).hexdigest()[:8]}.git"
    )


def database_url(config: Config) -> str:
    return _database(config, _LOCAL_DATABASE)


def queue_database_url(config: Config) -> str:
    """The engine's tables: a file of their own, so that the inbox never waits for them."""
    return _database(config, "engine.sqlite")


def _database(config: Config, file_name: str) -> str:
    if config.database is not None:
        return with_driver(config.database.get_secret_value())
    return f"sqlite:///{config.data / file_name}"


def with_driver(url: str) -> str:
    """An address as the libraries want it: of a PostgreSQL, with the driver that comes along."""
    return _POSTGRESQL.sub("postgresql+psycopg://", url)


def local_database_path(config: Config) -> Path:
    """Where the database is as long as bridge.yaml names none."""
    return config.data / _LOCAL_DATABASE


def open_database(config: Config) -> Database:
    try:
        config.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {config.data} cannot be made ({error.strerror}). Choose another one with"
            " the setting `data`."
        ) from None
    return Database(database_url(config))


def worker_of(config: Config, database: Database, adapters: Adapters) -> Worker:
    budgets, restraint = Budgets(database, now), Restraint(database, now)
    adapters.note = budgets.note
    return Worker(
        sites=adapters.sites(config),
        inbox=Inbox(database, now),
        ledger=Ledger(database, now),
        restraint=restraint,
        room=Room(database, restraint, now),
        clock=now,
        budgets=budgets,
    )
