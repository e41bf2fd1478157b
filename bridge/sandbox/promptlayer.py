"""A stand-in for PromptLayer: the registry's REST API, signed webhooks and a page to edit with.

It is behind ``demo`` and the tests; it needs no account and keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bridge.sandbox.evaluations import Evaluations
from bridge.sandbox.evaluations_rest import EvaluationsRest
from bridge.sandbox.registry import Registry
from bridge.sandbox.registry_page import RegistryPage
from bridge.sandbox.rest import FolderRest, Rest
from bridge.sandbox.tables_rest import TablesRest
from bridge.sandbox.webhooks import Webhooks

LOCAL_HOSTS = ("127.0.0.1", "localhost")


def promptlayer_app(
    registry: Registry,
    *,
    api_key: str,
    webhooks: Webhooks | Iterable[tuple[str, str]] = (),
    hosts: Sequence[str] = LOCAL_HOSTS,
    evaluations: Evaluations | None = None,
) -> Starlette:
    """The stand-in over ``registry``. ``webhooks`` are (URL, secret) of the receivers, or the post
    itself; it is found as ``app.state.webhooks`` and should be closed at the end. ``hosts`` are
    the host names it answers to. ``evaluations`` are found as ``app.state.evaluations``."""
    post = webhooks if isinstance(webhooks, Webhooks) else Webhooks(webhooks)
    registry.subscribe(post.post)
    evaluations = evaluations or Evaluations(registry)
    evaluations.subscribe(post.post)
    app = Starlette(
        routes=[
            *RegistryPage(registry, post).routes(),
            *Rest(registry).routes(api_key),
            *FolderRest(registry).routes(api_key),
            *EvaluationsRest(evaluations).routes(api_key),
            *TablesRest(evaluations.tables).routes(api_key),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )
    app.state.webhooks = post
    app.state.evaluations = evaluations
    return app
