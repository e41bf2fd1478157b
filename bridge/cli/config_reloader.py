"""Reload the configuration of a running process: all of it, or nothing where it has a mistake."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.cli.check_command import describe_missing_secret
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.config.file_watch import FileWatcher
from bridge.config.monitoring_settings import find_secrets
from bridge.config.reloadable_settings import ConfigReloadState, merge_reloadable_settings
from bridge.engine.adaptive_polling import QueueTiming
from bridge.engine.controller import BridgeController
from bridge.engine.durable_queues import DurableQueues
from bridge.engine.failures import describe_exception
from bridge.engine.loop_threads import LoopThreads
from bridge.errors import BridgeError, UnavailableError
from bridge.reconcile.mapping_context import MappingContext
from bridge.serve.application_tokens import ApplicationTokens, build_application_tokens
from bridge.serve.upstream import UpstreamSettings
from bridge.web.webhook_endpoints import WebhookEndpoints
from bridge.wiring import (
    AdapterCache,
    build_notification_config,
    build_upstream_settings,
    build_webhook_endpoints,
    get_current_time,
)

log = logging.getLogger("bridge.config")

_CHECK_SECONDS = 2.0  # between two checks of the files
_ENDS = 5.0  # seconds that a stop waits for a reload


class LiveConfig:
    """The configuration in force, and the adapters built from it. Each access returns the
    part in force."""

    def __init__(
        self,
        path: Path,
        config: BridgeConfig,
        controller: BridgeController,
        adapters: AdapterCache,
        *,
        serving: bool,
    ) -> None:
        self.config = config
        self.endpoints: WebhookEndpoints = build_webhook_endpoints(config)
        self._upstreams = build_upstream_settings(config)
        self.applications = _build_application_tokens(config)
        self.state = ConfigReloadState(get_current_time())
        # Those of former configurations too, as work that began with them may still log them.
        self.secrets = frozenset(find_secrets(config))
        self._path = path
        self._controller = controller
        self._adapters = adapters
        self.is_serving = serving  # whether this process answers requests

    def find_context(self, mapping: str) -> MappingContext | None:
        """The mapping of this name as it is in force; None where there is no such mapping."""
        return self._controller.contexts.get(mapping)

    def list_branch_prefixes(self) -> set[str]:
        """The prefixes of the branches that the bridge pushes to."""
        return {context.branch_prefix for context in self._controller.contexts.values()} - {""}

    def find_upstream(self, source: str) -> UpstreamSettings:
        """Where requests of applications for a workspace go. Raises UnavailableError when there is
        no such workspace now."""
        if source not in self._upstreams:
            raise UnavailableError(f"bridge.yaml has no workspace any more for {source}.")
        return self._upstreams[source]

    def reload(self) -> frozenset[str] | None:
        """Load the files as they are now. Returns the mappings that are new or changed; None for a
        mistake: then everything stays as it was, and ``state`` has the message."""
        try:
            return self._apply(load_config(self._path))
        except BridgeError as error:
            self._refuse(str(error))
        except Exception as error:  # a bug must not stop the running process
            log.exception("the configuration could not be taken over")
            self._refuse(describe_exception(error))
        return None

    def _apply(self, new: BridgeConfig) -> frozenset[str]:
        config, waiting = merge_reloadable_settings(self.config, new)
        endpoints, upstreams = build_webhook_endpoints(config), build_upstream_settings(config)
        contexts = self._adapters.build_contexts(config)
        self.secrets |= frozenset(find_secrets(config))
        notifications = build_notification_config(config)
        before, self._controller.contexts = self._controller.contexts, contexts
        self._controller.notifications = notifications
        for source in endpoints.sources_without_secret:
            if source not in self.endpoints.sources_without_secret:
                log.warning("%s", describe_missing_secret(config, source))
        # Endpoints last, so that a delivery at a new one finds its mapping.
        self.config, self.endpoints, self._upstreams = config, endpoints, upstreams
        self.applications = _build_application_tokens(config)
        self.state = ConfigReloadState(get_current_time(), settings_pending_restart=waiting)
        changed = _changed(before, contexts)
        _log_changes(changed, before.keys() - contexts.keys(), waiting)
        return changed

    def _refuse(self, mistake: str) -> None:
        self.state = replace(self.state, mistake=mistake)
        log.error("%s is not taken over, what was in force stays:\n%s", self._path, mistake)


def _build_application_tokens(config: BridgeConfig) -> ApplicationTokens:
    return build_application_tokens(config.serve, list(config.workspace_by_source))


def _changed(
    before: Mapping[str, MappingContext], after: Mapping[str, MappingContext]
) -> frozenset[str]:
    """The mappings whose prompts or files may differ now."""
    return frozenset(
        name
        for name, context in after.items()
        if name not in before or context.differs_from(before[name])
    )


def _log_changes(changed: Set[str], gone: Set[str], waiting: Iterable[str]) -> None:
    log.info(
        "the configuration is taken over; mappings new or changed: %s, gone: %s",
        ", ".join(sorted(changed)) or "none",
        ", ".join(sorted(gone)) or "none",
    )
    for name in waiting:
        log.warning("the setting %s has changed: that takes effect at the next start", name)


@dataclass
class ConfigReloader:
    """Reload on request, and when the files have changed. ``queues`` are resynced and retimed,
    where this process has queues; ``on_reload`` is called after each attempt."""

    live: LiveConfig
    files: FileWatcher
    reload_requested: threading.Event
    queues: DurableQueues | None
    on_reload: Callable[[], None]

    def __post_init__(self) -> None:
        self._threads = LoopThreads(
            {"reloader": self._reload_when_requested}, error_pause=_CHECK_SECONDS
        )
        self._unswept: frozenset[str] = frozenset()

    @contextmanager
    def run(self) -> Iterator[None]:
        self._threads.start()
        try:
            yield
        finally:
            self._threads.stop(_ENDS, self.reload_requested.set)

    def _reload_when_requested(self) -> None:
        asked = self.reload_requested.wait(_CHECK_SECONDS)
        if not self._threads.is_stopping():
            self.reload_if_changed(asked=asked)

    def reload_if_changed(self, *, asked: bool) -> None:
        """Reload where it is requested or the files have changed, and resync the mappings that
        changed."""
        if asked:
            self.reload_requested.clear()
            self.files.mark_current()
        if asked or self.files.has_changed():
            changed = self.live.reload()
            self.on_reload()
            if changed is not None:
                self._unswept |= changed
                self._retime(self.live.config)
        if self._unswept and self.queues is not None:
            deduplication_key = f"config {self.live.state.loaded_at.timestamp():.6f}"
            self.queues.enqueue_resync(deduplication_key, self._unswept)
            self._enqueue_paused_proposals(self.queues)
        self._unswept = frozenset()

    def _enqueue_paused_proposals(self, queues: DurableQueues) -> None:
        """Enqueue what waited while a mapping was paused, as its pause may be over."""
        for proposal in queues.controller.find_pending_proposals():
            if proposal.mapping in self._unswept:
                queues.enqueue_reconcile(proposal)

    def _retime(self, config: BridgeConfig) -> None:
        if self.queues is not None:
            self.queues.set_timing(QueueTiming(config.quiet, config.sweep))
