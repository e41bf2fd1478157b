"""Render pages from templates, with secrets masked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bridge.prompts.prompt import Json
from bridge.prompts.secret_scan import mask_secrets
from bridge.storage.inbox import Clock
from bridge.web import template_filters
from bridge.web.assets import StaticAssets
from bridge.web.session import SignedInVisitor, take_flash_message
from bridge.web.timeline_folds import fold_timeline

TEMPLATES_FOLDER = Path(__file__).parent / "templates"

_SHORTEST_SECRET = 8  # characters; a shorter one would mask ordinary text


@cache
def _templates() -> Environment:
    """The template environment, created once for a process."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        span=template_filters.format_duration,
        at=template_filters.format_time,
        event=template_filters.format_event_type,
        folds=fold_timeline,
        link=template_filters.filter_web_address,
    )
    return templates


class PageRenderer:
    """Render pages. The values of ``secrets`` (the configuration's) are masked wherever they occur.
    ``mistake`` returns the mistake in the configuration's files, which every page shows to
    signed-in visitors."""

    def __init__(
        self,
        clock: Clock,
        assets: StaticAssets,
        secrets: Callable[[], Iterable[str]] = tuple,
        mistake: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._secrets = secrets
        self._assets = assets
        self._mistake = mistake

    def render(
        self,
        request: Request,
        template: str,
        *,
        visitor: SignedInVisitor | None = None,
        status: int = 200,
        **values: Any,
    ) -> Response:
        now = self._clock()
        # A part of a page that updates by itself does not show the message, so it does not take it.
        is_whole = request.headers.get("hx-target", "main") == "main"
        shows_note = status < 400 and visitor is not None and is_whole
        html = (
            _templates()
            .get_template(template)
            .render(
                assets=self._assets,
                config_mistake=self._mistake,
                visitor=visitor,
                here=request.url.path,
                now=now,
                ago=lambda then: template_filters.format_age(then, now),
                note=take_flash_message(request) if shows_note else None,
                **{"token": visitor.token if visitor else "", **values},
            )
        )
        # A payload may contain a lone surrogate, which UTF-8 cannot encode.
        body = self.mask_secrets(html).encode(errors="replace")
        return HTMLResponse(body, status, {"Cache-Control": "no-store"})

    def render_error(
        self, request: Request, status: int, message: str, visitor: SignedInVisitor | None
    ) -> Response:
        """A page that explains an error."""
        title = HTTPStatus(status).phrase
        return self.render(
            request, "mistake.html", visitor=visitor, status=status, title=title, message=message
        )

    def render_payload(self, text: str) -> str:
        """A delivery's payload as indented JSON, with secrets masked."""
        value: Json = json.loads(text)
        return json.dumps(mask_secrets(value), indent=2, ensure_ascii=False)

    def mask_secrets(self, html: str) -> str:
        for secret in self._secrets():
            if len(secret) < _SHORTEST_SECRET:
                continue
            for form in {secret, str(escape(secret))}:
                html = html.replace(form, "•••")
        return html
