"""Visiting the dashboard as a browser without JavaScript does."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.types import ASGIApp

from bridge.config.dashboard_settings import DashboardSettings
from bridge.engine.reconcile_store import ReconcileStore
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import WebSettings, create_app
from bridge.web.dashboard import DashboardSources, create_dashboard
from bridge.web.followed_mapping import FollowedMapping
from tests.integration.manual_clock import ManualClock
from tests.standins.webhook_endpoints import one_workspace

LOOK = "look-secret-of-the-tests"
ACT = "act-secret-of-the-tests"
CONFIGURED = "ghp_configured-token-of-nobody"  # stands in the configuration
HOST = "http://bridge.test"

SHARED = DashboardSettings.model_validate({"secret": LOOK, "operator_secret": ACT})


class InProcess(httpx2.BaseTransport):
    """Asks an application of this process, one request after the other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = httpx2.ASGITransport(app)
        self._runner = asyncio.Runner()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._runner.run(self._answer(request))

    def close(self) -> None:
        self._runner.close()

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._app.handle_async_request(request)
        body = await answer.aread()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body)


def client_of(app: ASGIApp, host: str = HOST) -> httpx2.Client:
    return httpx2.Client(transport=InProcess(app), base_url=host, follow_redirects=True)


@dataclass
class DashboardEnvironment:
    """A bridge without workers, and its dashboard."""

    database: Database
    inbox: DeliveryInbox
    clock: ManualClock = field(default_factory=ManualClock)
    mistake: str | None = None  # in the configuration's files
    mappings: dict[str, FollowedMapping] = field(default_factory=dict)  # by name
    opened: list[httpx2.Client] = field(default_factory=list)

    @property
    def store(self) -> ReconcileStore:
        return ReconcileStore(self.database, self.clock)

    def app(self, settings: DashboardSettings = SHARED) -> Starlette:
        sources = DashboardSources(
            self.database,
            self.inbox,
            self.clock,
            lambda: (CONFIGURED,),
            lambda: self.mistake,
            self.mappings.get,
            lambda: ["promptlayer/"],
        )
        front = WebSettings(self.clock, one_workspace("whsec"))
        return create_app(front, self.inbox, pages=create_dashboard(settings, sources))

    def browser(self, settings: DashboardSettings = SHARED, host: str = HOST) -> DashboardBrowser:
        browser = DashboardBrowser(client_of(self.app(settings), host))
        self.opened.append(browser.client)
        return browser

    def close(self) -> None:
        for client in self.opened:
            client.close()
        self.inbox.close()
        self.database.close()


@dataclass
class DashboardBrowser:
    """Keeps cookies, follows redirects, and sends forms as they stand on the page."""

    client: httpx2.Client

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers=headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> httpx2.Response:
        return self.client.post(path, data=form, headers=headers)

    def token(self, page: httpx2.Response) -> str:
        found = re.search(r'name="token" value="([^"]+)"', page.text)
        assert found, "the page has no form"
        return found[1]

    def sign_in(self, secret: str = ACT, **headers: str) -> httpx2.Response:
        token = self.token(self.get("/sign-in"))
        return self.post("/sign-in", {"token": token, "secret": secret}, **headers)

    def cookie(self) -> str:
        (cookie,) = self.client.cookies.jar
        return str(cookie.value)


def text_of(page: httpx2.Response) -> str:
    """What a person reads."""
    body: Any = re.sub(r"<(script|style|svg)\b.*?</\1>|<[^>]+>", " ", page.text, flags=re.DOTALL)
    return " ".join(body.split())
