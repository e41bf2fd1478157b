"""A new configuration for a process that runs: taken over as a whole, or not at all."""

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
from bridge.errors import BridgeError
from bridge.reconcile.mapping_context import MappingContext
from bridge.web.webhook_endpoints import WebhookEndpoints
from bridge.wiring import AdapterCache, build_webhook_endpoints, get_current_time

log = logging.getLogger("bridge.config")

_LOOKS = 2.0  # seconds between two looks at the files
_ENDS = 5.0  # seconds for a reload that is under way at the end


class LiveConfig:
    """The configuration in force, and what was made of it. Who asks for a part at each use gets
    what is in force then."""

    def __init__(
        self,
        path: Path,
        config: BridgeConfig,
        controller: BridgeController,
        adapters: AdapterCache,
    ) -> None:
        self.config = config
        self.endpoints: WebhookEndpoints = build_webhook_endpoints(config)
        self.state = ConfigReloadState(get_current_time())
        # Those of former configurations too: what began with them may still tell of them.
        self.secrets = frozenset(find_secrets(config))
        self._path = path
        self._controller = controller
        self._adapters = adapters

    def find_source(self, mapping: str) -> str | None:
        """Of the workspace that a mapping follows; None where there is no such mapping now."""
        context = self._controller.contexts.get(mapping)
        return context.mapping.source if context else None

    def reload(self) -> frozenset[str] | None:
        """Take the files over as they are now. Returns the mappings that are new or differ; None
        when something is wrong: then all is as before, and ``state`` says what is wrong."""
        try:
            return self._take_over(load_config(self._path))
        except BridgeError as error:
            self._refuse(str(error))
        except Exception as error:  # a mistake of ours must not stop what runs
            log.exception("the configuration could not be taken over")
            self._refuse(describe_exception(error))
        return None

    def _take_over(self, new: BridgeConfig) -> frozenset[str]:
        config, waiting = merge_reloadable_settings(self.config, new)
        endpoints = build_webhook_endpoints(config)
        contexts = self._adapters.build_contexts(config)
        self.secrets |= frozenset(find_secrets(config))
        before, self._controller.contexts = self._controller.contexts, contexts
        for source in endpoints.sources_without_secret:
            if source not in self.endpoints.sources_without_secret:
                log.warning("%s", describe_missing_secret(config, source))
        # The doors come last: what comes in by a new one finds its mapping.
        self.config, self.endpoints = config, endpoints
        self.state = ConfigReloadState(get_current_time(), settings_pending_restart=waiting)
        changed = _changed(before, contexts)
        _tell(changed, before.keys() - contexts.keys(), waiting)
        return changed

    def _refuse(self, mistake: str) -> None:
        self.state = replace(self.state, mistake=mistake)
        log.error("%s is not taken over, what was in force stays:\n%s", self._path, mistake)


def _changed(
    before: Mapping[str, MappingContext], after: Mapping[str, MappingContext]
) -> frozenset[str]:
    """The mappings whose prompts or files may be others now."""
    return frozenset(
        name
        for name, context in after.items()
        if name not in before or context.differs_from(before[name])
    )


def _tell(changed: Set[str], gone: Set[str], waiting: Iterable[str]) -> None:
    log.info(
        "the configuration is taken over; mappings new or changed: %s, gone: %s",
        ", ".join(sorted(changed)) or "none",
        ", ".join(sorted(gone)) or "none",
    )
    for name in waiting:
        log.warning("the setting %s has changed: that takes effect at the next start", name)


@dataclass
class ConfigReloader:
    """Reloads when it is asked to, and when the files hold something else. ``queues`` go on with
    what is in force, where this process has some; ``on_reload`` is called after each try."""

    live: LiveConfig
    files: FileWatcher
    reload_requested: threading.Event
    queues: DurableQueues | None
    on_reload: Callable[[], None]

    def __post_init__(self) -> None:
        self._threads = LoopThreads({"reloader": self._look_when_asked}, breath=_LOOKS)
        self._unswept: frozenset[str] = frozenset()

    @contextmanager
    def run(self) -> Iterator[None]:
        self._threads.start()
        try:
            yield
        finally:
            self._threads.stop(_ENDS, self.reload_requested.set)

    def _look_when_asked(self) -> None:
        asked = self.reload_requested.wait(_LOOKS)
        if not self._threads.is_stopping():
            self.reload_if_changed(asked=asked)

    def reload_if_changed(self, *, asked: bool) -> None:
        """Reload if there is reason to, and sweep what that brought."""
        if asked:
            self.reload_requested.clear()
            self.files.mark_seen()
        if asked or self.files.has_changed():
            changed = self.live.reload()
            self.on_reload()
            if changed is not None:
                self._unswept |= changed
                self._retime(self.live.config)
        if self._unswept and self.queues is not None:
            occasion = f"config {self.live.state.loaded_at.timestamp():.6f}"
            self.queues.enqueue_resync(occasion, self._unswept)
        self._unswept = frozenset()

    def _retime(self, config: BridgeConfig) -> None:
        if self.queues is not None:
            self.queues.set_timing(QueueTiming(config.quiet, config.sweep))
