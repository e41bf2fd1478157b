"""A stand-in for PromptLayer: the registry's REST API, signed webhooks and a page to edit with.

It is behind ``demo`` and the tests; it needs no account and keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bridge.sandbox.evaluations_rest import EvaluationsRestApi
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_page import RegistryPageRoutes
from bridge.sandbox.registry_rest import FolderRestApi, RegistryRestApi
from bridge.sandbox.request_logs_rest import RequestLogsRestApi
from bridge.sandbox.tables_rest import TablesRestApi
from bridge.sandbox.webhook_sender import WebhookSender

LOCAL_HOSTS = ("127.0.0.1", "localhost")


def create_promptlayer_app(
    registry: PromptRegistry,
    *,
    api_key: str,
    webhooks: WebhookSender | Iterable[tuple[str, str]] = (),
    hosts: Sequence[str] = LOCAL_HOSTS,
    evaluations: FakeEvaluations | None = None,
) -> Starlette:
    """The stand-in over ``registry``. ``webhooks`` are (URL, secret) of the receivers, or the post
    itself; it is found as ``app.state.webhooks`` and should be closed at the end. ``hosts`` are
    the host names it answers to. ``evaluations`` are found as ``app.state.evaluations``."""
    post = webhooks if isinstance(webhooks, WebhookSender) else WebhookSender(webhooks)
    registry.subscribe(post.enqueue)
    evaluations = evaluations or FakeEvaluations(registry)
    evaluations.subscribe(post.enqueue)
    app = Starlette(
        routes=[
            *RegistryPageRoutes(registry, post).create_routes(),
            *RegistryRestApi(registry).create_routes(api_key),
            *FolderRestApi(registry).create_routes(api_key),
            *EvaluationsRestApi(evaluations).create_routes(api_key),
            *TablesRestApi(evaluations.tables).create_routes(api_key),
            *RequestLogsRestApi(registry, evaluations.logs).create_routes(api_key),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )
    app.state.webhooks = post
    app.state.evaluations = evaluations
    return app
