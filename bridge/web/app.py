"""The web application: the front door for deliveries, and what watches over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from bridge.engine.inbox import Clock, Inbox
from bridge.errors import ConfigError
from bridge.web.probes import health
from bridge.web.receive import Receive

WEBHOOK_PATH = "/webhooks/promptlayer"

Pages = ASGIApp  # an application for all that the front door does not take

_OFF = (
    "The dashboard is off. To see it here, set dashboard: {operator_secret: ${SOME_VARIABLE}} in"
    " bridge.yaml.\n"
)


@dataclass(frozen=True)
class WebSettings:
    """What the front door needs to know."""

    clock: Clock
    secrets: tuple[str, ...] = field(repr=False)  # any of them may sign: rotation
    replay_window: timedelta | None = None  # None: a delivery may be of any age


def create_app(
    settings: WebSettings,
    inbox: Inbox,
    *,
    routes: Sequence[BaseRoute] = (),
    pages: Pages | None = None,
) -> Starlette:
    """The application, with ``routes`` beside its own; ``pages`` get what no route takes. Raises
    ConfigError without a secret: a front door that cannot tell friend from foe does not open."""
    if not settings.secrets or not all(settings.secrets):
        raise ConfigError(
            "No webhook secret is configured, or an empty one, so anybody could deliver. Set "
            "promptlayer.webhook_secret to the secret PromptLayer shows for this webhook."
        )
    receive = Receive(inbox, settings.clock, settings.secrets, settings.replay_window)
    return Starlette(
        routes=[
            Route(WEBHOOK_PATH, receive, methods=["POST"]),
            Route("/healthz", health(inbox), methods=["GET"]),
            *routes,
            *([] if pages is None else [Mount("/", pages)]),
        ]
    )


def no_dashboard() -> Pages:
    """What stands at ``/`` when nobody configured one."""

    async def off(_: Request) -> PlainTextResponse:
        return PlainTextResponse(_OFF)

    return Starlette(routes=[Route("/", off, methods=["GET"])])
