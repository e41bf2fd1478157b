"""``serve`` and ``work``: the long-lived processes."""

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

from bridge.cli.check_command import describe_missing_secret
from bridge.cli.config_reloader import ConfigReloader, LiveConfig
from bridge.cli.dashboard_app import open_dashboard_app
from bridge.cli.health_monitoring import HealthMonitoring, open_monitoring, serve_probes
from bridge.cli.instance_registration import register_instance
from bridge.cli.resources import connect_database, open_controller, tune_garbage_collection
from bridge.cli.serve_applications import open_log_delivery, open_serve_routes
from bridge.config.bridge_config import BridgeConfig, load_config
from bridge.config.config_files import ConfigFiles
from bridge.config.file_watch import FileWatcher
from bridge.config.monitoring_settings import find_secrets
from bridge.engine.adaptive_polling import QueueTiming
from bridge.engine.controller import BridgeController
from bridge.engine.durable_queues import DurableQueues
from bridge.engine.heartbeat import HeartbeatLoop
from bridge.engine.poll_releases import poll_releases
from bridge.engine.retention import RetentionPruner
from bridge.errors import BridgeError, ConfigError
from bridge.serve.log_calls import LOG_CALLS
from bridge.serve.relay import RELAY_PREFIXES
from bridge.serve.serve_routes import SERVE_PREFIXES
from bridge.storage.instances import InstanceRegistry
from bridge.telemetry import logs
from bridge.telemetry.logs import LogFormat
from bridge.web.app import DashboardApp, WebSettings, create_app
from bridge.web.probes import create_probe_routes
from bridge.web.rate_limit_middleware import RateLimitMiddleware
from bridge.web.webhook_endpoints import WebhookEndpoints
from bridge.wiring import AdapterCache, build_queue_database_url, get_current_time

log = logging.getLogger("bridge")

_LIMITED_PREFIXES = (*SERVE_PREFIXES, *RELAY_PREFIXES, *LOG_CALLS)  # where tokens are shown
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
    server: uvicorn.Server
    with (
        _opened(path, asked, log_format, serving=True) as opened,
        open_dashboard_app(opened.config, opened.controller.inbox, opened.live) as pages,
        open_serve_routes(
            opened.live,
            opened.controller,
            opened.monitoring.probes.metrics.count_read,
            lambda: server.should_exit,
        ) as reads,
        open_log_delivery(
            opened.live, opened.monitoring.probes.metrics.count_read
        ) as logs_and_relay,
    ):
        config, inbox, probes = opened.config, opened.controller.inbox, opened.monitoring.probes
        front = WebSettings(get_current_time, lambda: opened.live.endpoints)
        routes = [*create_probe_routes(probes), *reads, *logs_and_relay]
        application = create_app(front, inbox, routes=routes, pages=pages)
        server = _create_server(config, application, opened.monitoring)
        listening = _listen(host, port)
        stopping = _wait_for_signal()
        with (
            poll_releases(opened.controller),
            register_instance(config, name, "serve") as instances,
            _queues(config, opened.controller, workers, instances) as queues,
            opened.run_reloader(queues),
        ):
            _warn_of_missing_secrets(config, opened.live.endpoints)
            log.info("listening on http://%s:%d", host, listening.getsockname()[1])
            if not stopping.is_set():
                server.run(sockets=[listening])


def _create_server(
    config: BridgeConfig, application: DashboardApp, watch: HealthMonitoring
) -> uvicorn.Server:
    count = watch.probes.metrics.count_response
    return uvicorn.Server(
        uvicorn.Config(
            RateLimitMiddleware(application, watch.refusal_bucket, count, _LIMITED_PREFIXES),
            forwarded_allow_ips=list(config.limits.proxies),
            lifespan="off",
            ws="none",  # an endpoint answers what asks for a WebSocket
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE,
        )
    )


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
        stop = _wait_for_signal()
        probing = None if metrics_port is None else _listen(metrics_host, metrics_port)
        with (
            register_instance(opened.config, name, "work") as instances,
            _queues(opened.config, opened.controller, workers, instances) as queues,
            opened.run_reloader(queues),
            serve_probes(opened.monitoring.probes, probing),
        ):
            log.info("working")
            stop.wait()


@dataclass(frozen=True)
class _ProcessResources:
    """The resources of a long-lived process. ``config`` is the one that it started with."""

    config: BridgeConfig
    controller: BridgeController
    live: LiveConfig
    monitoring: HealthMonitoring
    reload: Callable[[DurableQueues | None], ConfigReloader]

    def run_reloader(self, queues: DurableQueues | None) -> AbstractContextManager[None]:
        """Reload changed files while the block runs."""
        return self.reload(queues).run()


@contextmanager
def _opened(
    path: Path, asked: threading.Event, log_format: LogFormat | None, *, serving: bool
) -> Iterator[_ProcessResources]:
    files = FileWatcher(ConfigFiles(path))
    config, adapters = load_config(path), AdapterCache()
    _log_as(config, log_format, find_secrets(config))
    with open_controller(config, adapters) as controller:
        tune_garbage_collection()
        live = LiveConfig(path, config, controller, adapters, serving=serving)
        with open_monitoring(config, controller, live) as monitoring:

            def apply_reload() -> None:
                _log_as(live.config, log_format, live.secrets)
                monitoring.record_config(live)

            yield _ProcessResources(
                config,
                controller,
                live,
                monitoring,
                lambda queues: ConfigReloader(live, files, asked, queues, apply_reload),
            )


def _warn_of_missing_secrets(config: BridgeConfig, endpoints: WebhookEndpoints) -> None:
    for source in endpoints.sources_without_secret:
        log.warning("%s", describe_missing_secret(config, source))


@contextmanager
def _queues(
    config: BridgeConfig,
    controller: BridgeController,
    workers: int | None,
    instances: InstanceRegistry,
) -> Iterator[DurableQueues | None]:
    """The running queues; None where this process has no workers."""
    count = config.workers if workers is None else workers
    if count == 0:
        with _send_heartbeats(HeartbeatLoop(instances)):
            yield None
        return
    with connect_database(
        config
    ) as database:  # its own connections, so that webhooks do not wait for it
        queues = DurableQueues(
            controller,
            database=build_queue_database_url(config),
            instances=instances,
            workers=count,
            timing=QueueTiming(config.quiet, config.sweep),
            retention=RetentionPruner(database, get_current_time, config.keep),
        )
        heartbeat = HeartbeatLoop(instances)
        with _send_heartbeats(heartbeat):
            queues.start()
            heartbeat.set_takeover(queues.requeue_jobs_of)
            try:
                yield queues
            finally:
                heartbeat.stop()  # a stopping process claims no dead instance
                log.info("finishing the steps in hand")
                finished = queues.stop()
    if not finished:
        _unregister(instances)


@contextmanager
def _send_heartbeats(heartbeat: HeartbeatLoop) -> Iterator[None]:
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()


def _unregister(instances: InstanceRegistry) -> None:
    """Exit at once, while a step hangs: the interpreter would wait for its thread, and closing
    resources under it would log errors. It is as safe as being killed."""
    log.warning("a step did not end in time; another process, or the next start, takes it up")
    with suppress(BridgeError):
        instances.unregister()
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


def _wait_for_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set, instead of ending the process in the middle of a step.
    The web server has its own handlers while it runs and raises the signal again afterwards."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _log_as(config: BridgeConfig, form: LogFormat | None, secrets: Iterable[str]) -> None:
    logs.configure_logging(form or config.log.format, config.log.level, secrets)
