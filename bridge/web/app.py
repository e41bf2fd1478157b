"""The web application: the front door for deliveries, and what watches over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from bridge.storage.inbox import Clock, Inbox
from bridge.web.body import LargeBodies
from bridge.web.doors import OpenDoors, require_secrets
from bridge.web.forge_receive import FORGE_PATH, ForgeReceive
from bridge.web.probes import health
from bridge.web.receive import Receive

WEBHOOK_PATH = "/webhooks/promptlayer"
WORKSPACE_PATH = "/webhooks/promptlayer/{workspace}"

Pages = ASGIApp  # an application for all that the front door does not take

_OFF = (
    "The dashboard is off. To see it here, set dashboard: {operator_secret: ${SOME_VARIABLE}} in"
    " bridge.yaml.\n"
)


@dataclass(frozen=True)
class WebSettings:
    """What the front door needs to know."""

    clock: Clock
    doors: OpenDoors


def create_app(
    settings: WebSettings,
    inbox: Inbox,
    *,
    routes: Sequence[BaseRoute] = (),
    pages: Pages | None = None,
    large: LargeBodies | None = None,
) -> Starlette:
    """The application, with ``routes`` beside its own; ``pages`` get what no route takes. Raises
    ConfigError where a workspace has no secret."""
    require_secrets(settings.doors())
    large = large or LargeBodies()
    receive = Receive(inbox, settings.clock, settings.doors, large)
    forges = ForgeReceive(inbox, settings.clock, settings.doors, large)
    return Starlette(
        routes=[
            Route(WEBHOOK_PATH, receive, methods=["POST"]),
            Route(WORKSPACE_PATH, receive, methods=["POST"]),
            Route(FORGE_PATH, forges, methods=["POST"]),
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
