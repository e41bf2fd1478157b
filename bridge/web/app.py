"""The web application: the webhook endpoints, and the routes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from bridge.network.read_body import LargeBodyQuota
from bridge.storage.inbox import Clock, DeliveryInbox
from bridge.web.probes import create_health_endpoint
from bridge.web.receive_forge_webhook import FORGE_WEBHOOK_PATH, ForgeWebhookReceiver
from bridge.web.receive_promptlayer_webhook import PromptLayerWebhookReceiver
from bridge.web.webhook_endpoints import FindEndpoints

PROMPTLAYER_WEBHOOK_PATH = "/webhooks/promptlayer"
WORKSPACE_WEBHOOK_PATH = "/webhooks/promptlayer/{workspace}"

DashboardApp = ASGIApp  # handles every path that has no route

_OFF = (
    "The dashboard is off. To see it here, set dashboard: {operator_secret: ${SOME_VARIABLE}} in"
    " bridge.yaml.\n"
)


@dataclass(frozen=True)
class WebSettings:
    """The clock, and the endpoints in force, which a reload may change."""

    clock: Clock
    find_endpoints: FindEndpoints


def create_app(
    settings: WebSettings,
    inbox: DeliveryInbox,
    *,
    routes: Sequence[BaseRoute] = (),
    pages: DashboardApp | None = None,
    large: LargeBodyQuota | None = None,
) -> Starlette:
    """The application, with ``routes`` beside the webhook endpoints; ``pages`` handles every other
    path."""
    large = large or LargeBodyQuota()
    receive = PromptLayerWebhookReceiver(inbox, settings.clock, settings.find_endpoints, large)
    forges = ForgeWebhookReceiver(inbox, settings.clock, settings.find_endpoints, large)
    return Starlette(
        routes=[
            Route(PROMPTLAYER_WEBHOOK_PATH, receive, methods=["POST"]),
            Route(WORKSPACE_WEBHOOK_PATH, receive, methods=["POST"]),
            Route(FORGE_WEBHOOK_PATH, forges, methods=["POST"]),
            Route("/healthz", create_health_endpoint(inbox), methods=["GET"]),
            *routes,
            *([] if pages is None else [Mount("/", pages)]),
        ]
    )


def create_dashboard_placeholder() -> DashboardApp:
    """The page at ``/`` where no dashboard is configured."""

    async def off(_: Request) -> PlainTextResponse:
        return PlainTextResponse(_OFF)

    return Starlette(routes=[Route("/", off, methods=["GET"])])
