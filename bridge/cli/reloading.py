"""A new configuration for a process that runs: taken over as a whole, or not at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.config.change import ConfigState, taken_over
from bridge.config.file_watch import FileWatch
from bridge.config.watch import every_secret
from bridge.config.whole import Config, load
from bridge.engine.loops import Loops
from bridge.engine.polling import Timing
from bridge.engine.queues import Queues
from bridge.engine.worker import Worker
from bridge.errors import BridgeError
from bridge.steps.site import Site
from bridge.web.doors import Doors, require_secrets
from bridge.wiring import Adapters, doors_of, now

log = logging.getLogger("bridge.config")

_LOOKS = 2.0  # seconds between two looks at the files
_ENDS = 5.0  # seconds for a reload that is under way at the end


class LiveConfig:
    """The configuration in force, and what was made of it. Who asks for a part at each use gets
    what is in force then. With ``serving``, every workspace needs a secret."""

    def __init__(
        self, path: Path, config: Config, worker: Worker, adapters: Adapters, *, serving: bool
    ) -> None:
        self.config = config
        self.doors: Doors = doors_of(config)
        self.state = ConfigState(now())
        # Those of former configurations too: what began with them may still tell of them.
        self.secrets = frozenset(every_secret(config))
        self._path = path
        self._worker = worker
        self._adapters = adapters
        self._serving = serving

    def source_of(self, mapping: str) -> str | None:
        """Of the workspace that a mapping follows; None where there is no such mapping now."""
        site = self._worker.sites.get(mapping)
        return site.mapping.source if site else None

    def reload(self) -> frozenset[str] | None:
        """Take the files over as they are now. Returns the mappings that are new or differ; None
        when something is wrong: then all is as before, and ``state`` says what is wrong."""
        try:
            return self._take_over(load(self._path))
        except BridgeError as error:
            self._refuse(str(error))
        except Exception as error:  # a mistake of ours must not stop what runs
            log.exception("the configuration could not be taken over")
            self._refuse(f"A mistake in the bridge ({type(error).__name__}); see its log.")
        return None

    def _take_over(self, new: Config) -> frozenset[str]:
        config, waiting = taken_over(self.config, new)
        doors = doors_of(config)
        if self._serving:
            require_secrets(doors)
        sites = self._adapters.sites(config)
        self.secrets |= frozenset(every_secret(config))
        before, self._worker.sites = self._worker.sites, sites
        # The doors come last: what comes in by a new one finds its mapping.
        self.config, self.doors = config, doors
        self.state = ConfigState(now(), at_next_start=waiting)
        changed = _changed(before, sites)
        _tell(changed, before.keys() - sites.keys(), waiting)
        return changed

    def _refuse(self, mistake: str) -> None:
        self.state = replace(self.state, mistake=mistake)
        log.error("%s is not taken over, what was in force stays:\n%s", self._path, mistake)


def _changed(before: Mapping[str, Site], after: Mapping[str, Site]) -> frozenset[str]:
    """The mappings whose prompts or files may be others now."""
    return frozenset(
        name for name, site in after.items() if name not in before or site.differs(before[name])
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
class Reloading:
    """Reloads when it is asked to, and when the files hold something else. ``queues`` go on with
    what is in force, where this process has some; ``heard`` is called after each try."""

    live: LiveConfig
    files: FileWatch
    asked: threading.Event
    queues: Queues | None
    heard: Callable[[], None]

    def __post_init__(self) -> None:
        self._loops = Loops({"reloader": self._look_when_asked}, breath=_LOOKS)
        self._unswept: frozenset[str] = frozenset()

    @contextmanager
    def running(self) -> Iterator[None]:
        self._loops.start()
        try:
            yield
        finally:
            self._loops.stop(_ENDS, self.asked.set)

    def _look_when_asked(self) -> None:
        asked = self.asked.wait(_LOOKS)
        if not self._loops.stopping():
            self.look(asked=asked)

    def look(self, *, asked: bool) -> None:
        """Reload if there is reason to, and sweep what that brought."""
        if asked:
            self.asked.clear()
            self.files.note()
        if asked or self.files.changed():
            changed = self.live.reload()
            self.heard()
            if changed is not None:
                self._unswept |= changed
                self._retime(self.live.config)
        if self._unswept and self.queues is not None:
            occasion = f"config {self.live.state.loaded_at.timestamp():.6f}"
            self.queues.sweep_now(occasion, self._unswept)
        self._unswept = frozenset()

    def _retime(self, config: Config) -> None:
        if self.queues is not None:
            self.queues.retime(Timing(config.quiet, config.sweep))
