"""The dashboard of a running bridge, or the line that stands where it would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.cli.opening import opened_database
from bridge.cli.reloading import LiveConfig
from bridge.config.whole import Config
from bridge.storage.inbox import Inbox
from bridge.web.app import Pages, no_dashboard
from bridge.wiring import authorities_of, now


@contextmanager
def opened_pages(config: Config, inbox: Inbox, live: LiveConfig) -> Iterator[Pages]:
    """What to serve at ``/``. It reads by connections of its own: however many look, the front
    door does not wait for them."""
    if config.dashboard is None:
        yield no_dashboard()
        return
    from bridge.web.dashboard import Sources, dashboard

    with opened_database(config) as database:
        sources = Sources(
            database,
            inbox,
            now,
            lambda: live.secrets,
            lambda: live.state.mistake,
            live.source_of,
            authorities_of(config, None),
        )
        yield dashboard(config.dashboard, sources)
