"""The one place that builds adapters from the configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.config import Config, ForgeSettings, GitHubSettings, GitLabSettings
from bridge.config_mapping import MappingSettings
from bridge.engine.database import Database
from bridge.engine.inbox import Inbox
from bridge.engine.ledger import Ledger
from bridge.engine.restraint import Restraint
from bridge.engine.worker import Worker
from bridge.errors import ConfigError
from bridge.forge import github_webhooks, gitlab_webhooks, local_webhooks
from bridge.forge.base import Forge
from bridge.forge.local import LocalForge
from bridge.forge.webhooks import ForgeDoor, ForgeWebhooks
from bridge.promptlayer.client import PromptLayer
from bridge.repo.commit import Identity, Signing
from bridge.repo.mirror import Mirror
from bridge.site import Bot, Roster, Site

if TYPE_CHECKING:
    from bridge.forge.github_credentials import App, Token


def now() -> datetime:
    """The one clock of the running bridge."""
    return datetime.now(UTC)


def platform_of(config: Config) -> PromptLayer:
    settings = config.promptlayer
    return PromptLayer(
        settings.api_key.get_secret_value(),
        base_url=settings.base_url,
        timeout=settings.timeout.total_seconds(),
    )


def forge_of(name: str, settings: ForgeSettings, repository: str) -> Forge:
    """The adapter for one repository. The libraries of forges that nobody configured are not even
    loaded: they are half of what starting takes."""
    if isinstance(settings, GitHubSettings):
        return _github(name, settings, repository)
    if isinstance(settings, GitLabSettings):
        return _gitlab(name, settings, repository)
    return LocalForge(settings.root, repository, forge_name=name, page_url=settings.page_url)


def _github(name: str, settings: GitHubSettings, repository: str) -> Forge:
    from bridge.forge.github import GitHub

    return GitHub(
        repository,
        forge_name=name,
        url=settings.url,
        auth=_github_credential(name, settings),
        timeout=settings.timeout.total_seconds(),
    )


def _gitlab(name: str, settings: GitLabSettings, repository: str) -> Forge:
    from bridge.forge.gitlab import GitLab

    return GitLab(
        repository,
        forge_name=name,
        url=settings.url,
        token=settings.token.get_secret_value(),
        timeout=settings.timeout.total_seconds(),
    )


def webhooks_of(settings: ForgeSettings) -> ForgeWebhooks:
    """How a forge of this type tells what happens there."""
    if isinstance(settings, GitHubSettings):
        return github_webhooks
    if isinstance(settings, GitLabSettings):
        return gitlab_webhooks
    return local_webhooks


def doors_of(config: Config) -> dict[str, ForgeDoor]:
    """Where the webhooks of every forge come in, by the forge's name."""
    return {
        name: ForgeDoor(webhooks_of(settings), settings.secrets)
        for name, settings in config.forges.items()
    }


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


def sites_of(config: Config, platform: PromptLayer) -> dict[str, Site]:
    """Every mapping at its place; mappings of one repository share adapter and mirror."""
    forges: dict[str, Forge] = {}
    mirrors: dict[str, Mirror] = {}
    for mapping in config.mappings:
        key = mapping.repository
        if key not in forges:
            forges[key] = forge_of(
                mapping.forge, config.forges[mapping.forge], mapping.repository_name
            )
            mirrors[key] = Mirror(mirror_path(config.data, key))
    return {
        mapping.name: _site(config, mapping, platform, forges, mirrors)
        for mapping in config.mappings
    }


def _site(
    config: Config,
    mapping: MappingSettings,
    platform: PromptLayer,
    forges: Mapping[str, Forge],
    mirrors: Mapping[str, Mirror],
) -> Site:
    signing = config.identity.signing
    dashboard = config.promptlayer.dashboard_url.rstrip("/")
    return Site(
        mapping=mapping,
        platform=platform,
        forge=forges[mapping.repository],
        mirror=mirrors[mapping.repository],
        bot=Bot(
            Identity(config.identity.name, config.identity.email),
            Signing(signing.format, signing.key) if signing else None,
        ),
        roster=Roster(config.roster),
        version_url=f"{dashboard}/workspace/{{workspace}}/prompt/{{id}}",
    )


def mirror_path(data: Path, repository: str) -> Path:
    """A folder name that no two repositories share and a person still recognises."""
    readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in repository)[-60:]
    return (
        data / "mirrors" / f"{readable}-{hashlib.sha256(repository.encode()).hexdigest()[:8]}.git"
    )


def database_url(config: Config) -> str:
    return _database(config, "bridge.sqlite")


def queue_database_url(config: Config) -> str:
    """The engine's tables: a file of their own, so that the inbox never waits for them."""
    return _database(config, "engine.sqlite")


def _database(config: Config, file_name: str) -> str:
    if config.database is not None:
        return config.database.get_secret_value()
    return f"sqlite:///{config.data / file_name}"


def open_database(config: Config) -> Database:
    try:
        config.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {config.data} cannot be made ({error.strerror}). Choose another one with"
            " the setting `data`."
        ) from None
    return Database(database_url(config))


def worker_of(config: Config, database: Database, platform: PromptLayer) -> Worker:
    return Worker(
        sites=sites_of(config, platform),
        inbox=Inbox(database, now),
        ledger=Ledger(database, now),
        restraint=Restraint(database, now),
        clock=now,
    )
