"""Open the dashboard of a running bridge, or the placeholder without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.cli.config_reloader import LiveConfig
from bridge.cli.resources import connect_database
from bridge.config.bridge_config import BridgeConfig
from bridge.reconcile.mapping_context import MappingContext
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import DashboardApp, create_dashboard_placeholder
from bridge.web.followed_mapping import FollowedMapping
from bridge.wiring import find_authorities, get_current_time


@contextmanager
def open_dashboard_app(
    config: BridgeConfig, inbox: DeliveryInbox, live: LiveConfig
) -> Iterator[DashboardApp]:
    """The application for ``/``. It has its own connections to the database, so that visitors do
    not slow down the webhook endpoints."""
    if config.dashboard is None:
        yield create_dashboard_placeholder()
        return
    from bridge.web.dashboard import DashboardSources, create_dashboard

    with connect_database(config) as database:
        sources = DashboardSources(
            database,
            inbox,
            get_current_time,
            lambda: live.secrets,
            lambda: live.state.mistake,
            lambda name: _describe_mapping(live.find_context(name)),
            live.list_branch_prefixes,
            find_authorities(config, None),
        )
        yield create_dashboard(config.dashboard, sources)


def _describe_mapping(context: MappingContext | None) -> FollowedMapping | None:
    if context is None:
        return None
    return FollowedMapping(
        context.mapping.source,
        context.mapping.publish,
        lambda path: context.forge.build_file_url(path, context.mapping.base),
        context.build_prompt_link,
    )
