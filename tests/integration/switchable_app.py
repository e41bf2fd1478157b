"""One real server for many tests, each with an app of its own: starting one takes longer than
most of them."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class SwitchableApp:
    """Passes every request to the app of the test that is running."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
