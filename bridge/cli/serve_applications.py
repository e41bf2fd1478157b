"""The endpoints of applications, over what this process serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta

from bridge.cli.config_reloader import LiveConfig
from bridge.cli.resources import connect_database
from bridge.config.bridge_config import BridgeConfig
from bridge.config.serve_settings import LogQueueSettings
from bridge.engine.controller import BridgeController
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.log_delivery import open_log_routes
from bridge.serve.read_releases import ReleaseReader
from bridge.serve.serve_response import CountRead
from bridge.serve.serve_routes import ServeRoutes, create_serve_routes
from bridge.serve.serve_services import IsStopping, ServedMapping, ServeServices
from bridge.wiring import create_answer_fetcher, get_current_time


@contextmanager
def open_serve_routes(
    live: LiveConfig,
    controller: BridgeController,
    count_read: CountRead,
    is_stopping: IsStopping,
) -> Iterator[ServeRoutes]:
    """The routes, as the configuration in force has it at each request."""
    if (confirmer := controller.release_confirmer) is None:
        yield []
        return
    replica = confirmer.replica
    fetcher = create_answer_fetcher(controller, replica)
    reader = ReleaseReader(replica.index, get_current_time, lambda: _find_stale(live.config))
    with closing(AnswerFinder(fetcher.find_client, fetcher.fetch_answer)) as answers:
        services = ServeServices(
            find_tokens=lambda: live.applications,
            reader=reader,
            answers=answers,
            find_mappings=lambda: list_served_mappings(live.config),
            is_stopping=is_stopping,
            count_read=count_read,
        )
        yield create_serve_routes(services)


@contextmanager
def open_log_delivery(live: LiveConfig, count_read: CountRead) -> Iterator[ServeRoutes]:
    """The routes for logs and for what is relayed. What is queued is delivered while this lasts,
    over connections of its own to the database."""
    serve = live.config.serve
    settings = serve.log if serve else LogQueueSettings.model_validate({})
    with (
        connect_database(live.config) as database,
        open_log_routes(
            database,
            get_current_time,
            settings,
            live.find_upstream,
            lambda: live.applications,
            count_read,
        ) as routes,
    ):
        yield routes


def list_served_mappings(config: BridgeConfig) -> Sequence[ServedMapping]:
    """The mappings whose commits are served: those that serve what is merged."""
    return [
        ServedMapping(each.name, each.source, each.repository)
        for each in config.mappings
        if each.serve == "merged"
    ]


def _find_stale(config: BridgeConfig) -> timedelta:
    return config.serve.stale if config.serve else timedelta(0)
