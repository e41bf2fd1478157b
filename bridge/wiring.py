"""Build the adapters from the configuration; no other module does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bridge.config.bridge_config import (
    BridgeConfig,
    ForgeSettings,
    GitHubSettings,
    GitLabSettings,
    LocalSettings,
)
from bridge.config.config_files import describe_read_error
from bridge.config.mapping_settings import MappingSettings
from bridge.engine.controller import BridgeController, NotificationConfig
from bridge.engine.pull_request_quota import PullRequestQuota
from bridge.engine.reconcile_store import ReconcileStore
from bridge.errors import ConfigError, NotFoundError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.forge import Forge, RateLimitListener, RateLimitStatus, ignore_rate_limit
from bridge.forge.forge_webhooks import ForgeEndpoint, ForgeWebhooks
from bridge.forge.local_forge import LocalForge
from bridge.network.trust import read_authorities
from bridge.promptlayer.client import PromptLayerClient
from bridge.promptlayer.workspace_source import find_config_section
from bridge.reconcile.mapping_context import CommitterIdentity, EditorRoster, MappingContext
from bridge.repo.commit import CommitSigning, GitIdentity
from bridge.repo.mirror import RepositoryMirror
from bridge.serve.fetch_answers import AnswerFetcher
from bridge.serve.release_confirmer import ReleaseConfirmer
from bridge.serve.release_index import ReleaseIndex
from bridge.serve.release_replica import ReleaseReplica
from bridge.serve.release_store import ReleaseStore
from bridge.serve.upstream import UpstreamSettings
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.storage.rate_limits import RateLimitStore
from bridge.web.webhook_endpoints import WebhookEndpoints, WorkspaceEndpoint

if TYPE_CHECKING:
    from bridge.forge.github_credentials import GitHubApp, GitHubToken

_T = TypeVar("_T")
_LOCAL_DATABASE = "bridge.sqlite"
_POSTGRESQL = re.compile(r"^postgres(?:ql)?://")


def get_current_time() -> datetime:
    """The time now (UTC), the clock of the running bridge."""
    return datetime.now(UTC)


def create_promptlayer(config: BridgeConfig, source: str) -> PromptLayerClient:
    """The client of one workspace. Raises ConfigError."""
    settings = config.workspace_by_source[source]
    return PromptLayerClient(
        settings.api_key.get_secret_value(),
        base_url=settings.base_url,
        timeout=settings.timeout.total_seconds(),
        authorities=find_authorities(config, settings.ca_file),
    )


def build_upstream_settings(config: BridgeConfig) -> dict[str, UpstreamSettings]:
    """Where requests of applications for each workspace go, by its source. Raises ConfigError."""
    return {
        source: UpstreamSettings(
            settings.base_url,
            settings.api_key.get_secret_value(),
            settings.timeout.total_seconds(),
            find_authorities(config, settings.ca_file),
        )
        for source, settings in config.workspace_by_source.items()
    }


def build_notification_config(config: BridgeConfig) -> NotificationConfig:
    """The settings of notifications with the certificates to trust. Raises ConfigError where
    ``ca_file`` cannot be read."""
    return NotificationConfig(config.notify, find_authorities(config, None))


def find_authorities(config: BridgeConfig, ca_file: Path | None) -> str:
    """The certificates (PEM) to trust beside the system's where a section names ``ca_file``. Raises
    ConfigError."""
    try:
        return read_authorities(config.ca_file, ca_file)
    except (OSError, ValueError) as error:
        named = " or ".join(str(file) for file in (ca_file, config.ca_file) if file)
        reason = describe_read_error(error) if isinstance(error, OSError) else str(error)
        raise ConfigError(f"ca_file: {named} cannot be used: {reason}.") from None


def create_forge(
    config: BridgeConfig, name: str, repository: str, notice: RateLimitListener = ignore_rate_limit
) -> Forge:
    """The adapter of one repository. The libraries of other types of forge are not imported: they
    take half of the start. Raises ConfigError."""
    settings = config.forges[name]
    if isinstance(settings, LocalSettings):
        return LocalForge(settings.root, repository, forge_name=name, page_url=settings.page_url)
    authorities = find_authorities(config, settings.ca_file)
    if isinstance(settings, GitHubSettings):
        return _github(name, settings, repository, notice, authorities)
    return _gitlab(name, settings, repository, notice, authorities)


def _github(
    name: str,
    settings: GitHubSettings,
    repository: str,
    notice: RateLimitListener,
    authorities: str,
) -> Forge:
    from bridge.forge.github import GitHubForge

    return GitHubForge(
        repository,
        forge_name=name,
        url=settings.url,
        auth=_github_credential(name, settings),
        timeout=settings.timeout.total_seconds(),
        notice=notice,
        authorities=authorities,
    )


def _gitlab(
    name: str,
    settings: GitLabSettings,
    repository: str,
    notice: RateLimitListener,
    authorities: str,
) -> Forge:
    from bridge.forge.gitlab import GitLabForge

    return GitLabForge(
        repository,
        forge_name=name,
        url=settings.url,
        token=settings.token.get_secret_value(),
        timeout=settings.timeout.total_seconds(),
        notice=notice,
        authorities=authorities,
    )


def find_forge_webhooks(settings: ForgeSettings) -> ForgeWebhooks:
    """The parser of the webhooks of this type of forge."""
    if isinstance(settings, GitHubSettings):
        return github_webhooks
    if isinstance(settings, GitLabSettings):
        return gitlab_webhooks
    return local_webhooks


def build_webhook_endpoints(config: BridgeConfig) -> WebhookEndpoints:
    """The webhook endpoints of every workspace and forge."""
    return WebhookEndpoints(
        {
            source: WorkspaceEndpoint(settings.secrets, settings.replay_window)
            for source, settings in config.workspace_by_source.items()
        },
        {
            name: ForgeEndpoint(find_forge_webhooks(settings), settings.secrets)
            for name, settings in config.forges.items()
        },
    )


def _github_credential(name: str, settings: GitHubSettings) -> GitHubToken | GitHubApp:
    from bridge.forge.github_credentials import GitHubApp, GitHubToken

    if settings.token is not None:
        return GitHubToken(settings.token.get_secret_value())
    if settings.app_id is None or settings.private_key_file is None:
        raise ConfigError(f"forges.{name}: expected either token, or app_id with private_key_file")
    try:
        key = settings.private_key_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"forges.{name}.private_key_file: {settings.private_key_file} cannot be read:"
            f" {describe_read_error(error)}."
        ) from None
    return GitHubApp(settings.app_id, key, settings.installation_id)


class AdapterCache:
    """The adapters of a running bridge. Mappings of one repository share adapter and mirror,
    mappings of one workspace its client. ``note`` is called with the remaining budget of each forge
    and the forge's name."""

    def __init__(self, note: Callable[[str, RateLimitStatus], None] | None = None) -> None:
        self.note = note
        self._platforms: dict[Hashable, PromptLayerClient] = {}
        self._forges: dict[Hashable, Forge] = {}
        self._mirrors: dict[Hashable, RepositoryMirror] = {}

    def build_contexts(self, config: BridgeConfig) -> dict[str, MappingContext]:
        """A context for every mapping. An adapter whose settings have not changed is reused; the
        others are closed. Raises ConfigError, and changes nothing then."""
        needed = _AdapterSelection(config, self._platforms, self._forges, self._mirrors, self.note)
        contexts = {mapping.name: needed.build_context(mapping) for mapping in config.mappings}
        self._platforms, self._forges = needed.platforms, needed.forges
        self._mirrors = needed.mirrors
        return contexts

    def close(self) -> None:
        for promptlayer in self._platforms.values():
            promptlayer.close()


class _AdapterSelection:
    """The adapters of one configuration while they are collected, reusing the present ones."""

    def __init__(
        self,
        config: BridgeConfig,
        platforms: Mapping[Hashable, PromptLayerClient],
        forges: Mapping[Hashable, Forge],
        mirrors: Mapping[Hashable, RepositoryMirror],
        note: Callable[[str, RateLimitStatus], None] | None,
    ) -> None:
        self._config = config
        self._note = note
        self._there = (platforms, forges, mirrors)
        self._digests = {name: _file_digest(config, each) for name, each in config.forges.items()}
        self.platforms: dict[Hashable, PromptLayerClient] = {}
        self.forges: dict[Hashable, Forge] = {}
        self.mirrors: dict[Hashable, RepositoryMirror] = {}

    def build_context(self, mapping: MappingSettings) -> MappingContext:
        config, signing = self._config, self._config.identity.signing
        dashboard = config.workspace_by_source[mapping.source].dashboard_url.rstrip("/")
        return MappingContext(
            mapping=mapping,
            neighbours=tuple(
                other
                for other in config.mappings
                if other.repository == mapping.repository and other.name != mapping.name
            ),
            promptlayer=self._platform(mapping.source),
            forge=self._forge(mapping),
            mirror=self._mirror(mapping.repository),
            bot=CommitterIdentity(
                GitIdentity(config.identity.name, config.identity.email),
                CommitSigning(signing.format, signing.key) if signing else None,
            ),
            roster=EditorRoster(config.roster),
            version_url_template=f"{dashboard}/workspace/{{workspace}}/prompt/{{id}}",
        )

    def _platform(self, source: str) -> PromptLayerClient:
        config, settings = self._config, self._config.workspace_by_source[source]
        trusted = find_authorities(config, settings.ca_file)
        key = (source, settings.api_key, settings.base_url, settings.timeout, trusted)
        return _kept(
            self.platforms, self._there[0], key, lambda: create_promptlayer(config, source)
        )

    def _forge(self, mapping: MappingSettings) -> Forge:
        config, name, repository = self._config, mapping.forge_name, mapping.repository_name
        settings = config.forges[name]
        unsigned = settings.model_copy(update={"webhook_secret": None, "webhook_secrets": ()})
        key = (name, repository, unsigned, self._digests[name])
        notice = partial(self._note, name) if self._note else ignore_rate_limit
        return _kept(
            self.forges, self._there[1], key, lambda: create_forge(config, name, repository, notice)
        )

    def _mirror(self, repository: str) -> RepositoryMirror:
        path = build_mirror_path(self._config.data, repository)
        timeout = self._config.git.timeout.total_seconds()
        make = partial(RepositoryMirror, path, timeout=timeout)
        return _kept(self.mirrors, self._there[2], (path, timeout), make)


def _kept(
    made: dict[Hashable, _T], there: Mapping[Hashable, _T], key: Hashable, make: Callable[[], _T]
) -> _T:
    if key not in made:
        made[key] = there[key] if key in there else make()
    return made[key]


def _file_digest(config: BridgeConfig, settings: ForgeSettings) -> str:
    """A digest of a private key or certificates, to detect that the file was replaced."""
    key = settings.private_key_file if isinstance(settings, GitHubSettings) else None
    own = None if isinstance(settings, LocalSettings) else settings.ca_file
    digest = hashlib.sha256()
    for path in (key, own, config.ca_file):
        with suppress(OSError):  # its user reports the error
            digest.update(path.read_bytes() if path else b"")
    return digest.hexdigest()


def build_mirror_path(data: Path, repository: str) -> Path:
    """A folder name that is unique for a repository and that a person recognises."""
    readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in repository)[-60:]
    return (
        data / "mirrors" / f"{readable}-{hashlib.sha256(repository.encode()).hexdigest()[:8]}.git"
    )


def build_database_url(config: BridgeConfig) -> str:
    return _database(config, _LOCAL_DATABASE)


def build_queue_database_url(config: BridgeConfig) -> str:
    """The address of DBOS' tables: with SQLite a file of their own, so that the inbox never waits
    for them."""
    return _database(config, "engine.sqlite")


def _database(config: BridgeConfig, file_name: str) -> str:
    if config.database is not None:
        return add_database_driver(config.database.get_secret_value())
    return f"sqlite:///{config.data / file_name}"


def add_database_driver(url: str) -> str:
    """The address with the installed driver of PostgreSQL."""
    return _POSTGRESQL.sub("postgresql+psycopg://", url)


def find_local_database_path(config: BridgeConfig) -> Path:
    """The SQLite file of a bridge.yaml that names no database."""
    return config.data / _LOCAL_DATABASE


def open_database(config: BridgeConfig) -> Database:
    try:
        config.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {config.data} cannot be made ({error.strerror}). Choose another one with"
            " the setting `data`."
        ) from None
    return Database(build_database_url(config))


def create_controller(
    config: BridgeConfig, database: Database, adapters: AdapterCache
) -> BridgeController:
    rate_limits, backoff = (
        RateLimitStore(database, get_current_time),
        RepositoryBackoff(database, get_current_time),
    )
    adapters.note = rate_limits.record
    controller = BridgeController(
        contexts=adapters.build_contexts(config),
        inbox=DeliveryInbox(database, get_current_time),
        store=ReconcileStore(database, get_current_time),
        backoff=backoff,
        quota=PullRequestQuota(database, backoff, get_current_time),
        clock=get_current_time,
        rate_limits=rate_limits,
        notifications=build_notification_config(config),
    )
    controller.release_confirmer = create_release_confirmer(controller, database)
    return controller


def create_release_confirmer(controller: BridgeController, database: Database) -> ReleaseConfirmer:
    """What confirms the releases of the mappings in force; its replica has the index that
    applications read."""
    replica = ReleaseReplica(
        ReleaseStore(database),
        ReleaseIndex(),
        lambda: [n for n, each in controller.contexts.items() if each.mapping.serve != "off"],
    )
    return ReleaseConfirmer(
        lambda: controller.contexts, controller.file_index, replica, controller.clock
    )


def create_answer_fetcher(controller: BridgeController, replica: ReleaseReplica) -> AnswerFetcher:
    """What fetches the answers that applications ask for and that are not kept yet."""

    def find_client(source: str) -> PromptLayerClient:
        for context in controller.contexts.values():
            if context.mapping.source == source:
                return context.promptlayer
        raise NotFoundError(f"No mapping follows {find_config_section(source)} any more.")

    return AnswerFetcher(find_client, replica)
