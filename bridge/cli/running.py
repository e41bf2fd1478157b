"""``serve`` and ``work``: processes that stay."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from bridge.cli.membership import membership
from bridge.cli.opening import opened_database, opened_worker, stay_lean
from bridge.cli.pages import opened_pages
from bridge.cli.reloading import LiveConfig, Reloading
from bridge.cli.watching import Watch, listening_probes, opened_watch
from bridge.config.file_watch import FileWatch
from bridge.config.files import ConfigFiles
from bridge.config.watch import every_secret
from bridge.config.whole import Config, load
from bridge.engine.polling import Timing
from bridge.engine.pulse import Pulse
from bridge.engine.queues import Queues
from bridge.engine.retention import Retention
from bridge.engine.worker import Worker
from bridge.errors import BridgeError, ConfigError
from bridge.storage.members import Members
from bridge.telemetry import logs
from bridge.telemetry.logs import LogFormat
from bridge.web.app import WebSettings, create_app
from bridge.web.doorkeeper import Doorkeeper
from bridge.web.probes import probe_routes
from bridge.wiring import Adapters, now, queue_database_url

log = logging.getLogger("bridge")

_GRACE = 1  # seconds for requests in flight at the end


def serve(
    path: Path,
    asked: threading.Event,
    *,
    host: str,
    port: int,
    workers: int | None,
    name: str | None,
    log_format: LogFormat | None,
) -> None:
    with (
        _opened(path, asked, log_format, serving=True) as opened,
        opened_pages(opened.config, opened.worker.inbox, opened.live) as pages,
    ):
        config, inbox, probes = opened.config, opened.worker.inbox, opened.watch.probes
        front = WebSettings(now, lambda: opened.live.doors)
        application = create_app(front, inbox, routes=probe_routes(probes), pages=pages)
        server = uvicorn.Server(
            uvicorn.Config(
                Doorkeeper(application, opened.watch.allowance, probes.metrics.count_answer),
                forwarded_allow_ips=list(config.limits.proxies),
                lifespan="off",
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        listening = _listen(host, port)
        told = _until_told_otherwise()
        with (
            membership(config, name, "serve") as members,
            _queues(config, opened.worker, workers, members) as queues,
            opened.reloading(queues),
        ):
            log.info("listening on http://%s:%d", host, listening.getsockname()[1])
            if not told.is_set():
                server.run(sockets=[listening])


def work(
    path: Path,
    asked: threading.Event,
    *,
    workers: int | None,
    name: str | None,
    log_format: LogFormat | None,
    metrics_host: str,
    metrics_port: int | None,
) -> None:
    with _opened(path, asked, log_format, serving=False) as opened:
        stop = _until_told_otherwise()
        probing = None if metrics_port is None else _listen(metrics_host, metrics_port)
        with (
            membership(opened.config, name, "work") as members,
            _queues(opened.config, opened.worker, workers, members) as queues,
            opened.reloading(queues),
            listening_probes(opened.watch.probes, probing),
        ):
            log.info("working")
            stop.wait()


@dataclass(frozen=True)
class _Opened:
    """What a process that stays works with. ``config`` is that of its start."""

    config: Config
    worker: Worker
    live: LiveConfig
    watch: Watch
    reload: Callable[[Queues | None], Reloading]

    def reloading(self, queues: Queues | None) -> AbstractContextManager[None]:
        """Changed files are taken over while this lasts."""
        return self.reload(queues).running()


@contextmanager
def _opened(
    path: Path, asked: threading.Event, log_format: LogFormat | None, *, serving: bool
) -> Iterator[_Opened]:
    files = FileWatch(ConfigFiles(path))
    config, adapters = load(path), Adapters()
    _log_as(config, log_format, every_secret(config))
    with opened_worker(config, adapters) as worker:
        stay_lean()
        live = LiveConfig(path, config, worker, adapters, serving=serving)
        with opened_watch(config, worker, live) as watch:

            def heard() -> None:
                _log_as(live.config, log_format, live.secrets)
                watch.note(live)

            yield _Opened(
                config,
                worker,
                live,
                watch,
                lambda queues: Reloading(live, files, asked, queues, heard),
            )


@contextmanager
def _queues(
    config: Config, worker: Worker, workers: int | None, members: Members
) -> Iterator[Queues | None]:
    """The queues while they work; None where this process is to do no work."""
    count = config.workers if workers is None else workers
    if count == 0:
        with _beating(Pulse(members)):
            yield None
        return
    with opened_database(config) as database:  # of its own, so that the door is never in its line
        queues = Queues(
            worker,
            database=queue_database_url(config),
            members=members,
            workers=count,
            timing=Timing(config.quiet, config.sweep),
            retention=Retention(database, now, config.keep),
        )
        pulse = Pulse(members)
        with _beating(pulse):
            queues.start()
            pulse.take_over_by(queues.take_over)
            try:
                yield queues
            finally:
                pulse.stop()  # who is ending takes over from nobody
                log.info("finishing the steps in hand")
                finished = queues.stop()
    if not finished:
        _leave(members)


@contextmanager
def _beating(pulse: Pulse) -> Iterator[None]:
    pulse.start()
    try:
        yield
    finally:
        pulse.stop()


def _leave(members: Members) -> None:
    """End now, while a step still hangs: the interpreter would wait for its thread, and closing
    things under it would look like a mistake. It is as safe as being killed."""
    log.warning("a step did not end in time; another process, or the next start, takes it up")
    with suppress(BridgeError):
        members.leave()
    logging.shutdown()
    os._exit(0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, or asyncio leaves Nagle on and an answer may wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --host or --port."
        ) from None
    return listening


def _until_told_otherwise() -> threading.Event:
    """Set by SIGTERM and SIGINT, which thereby no longer end the process in the middle of a step.
    The web server has handlers of its own while it runs and passes the signal on afterwards."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told


def _log_as(config: Config, form: LogFormat | None, secrets: Iterable[str]) -> None:
    logs.set_up(form or config.log.format, config.log.level, secrets)
