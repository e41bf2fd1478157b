"""Deliveries: what came in, what it said, what came of it; and doing that again."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.books.deliveries import DeliveryFilter
from bridge.books.overview import Overview
from bridge.errors import NotFound
from bridge.storage.inbox import DeliveryState, Inbox
from bridge.web.asking import Asked
from bridge.web.guarded import Form, Gate
from bridge.web.pages import Pages
from bridge.web.visitor import Visitor, leave_note

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class DeliveryPages:
    pages: Pages
    overview: Overview
    inbox: Inbox

    def routes(self, gate: Gate) -> list[Route]:
        return [
            gate.page("/deliveries", self.all),
            gate.page("/deliveries/{id}", self.one),
            gate.act("/deliveries/{id}/redeliver", self.redeliver),
        ]

    def all(self, request: Request, visitor: Visitor) -> Response:
        asked = Asked.by(request, "q", "state", "type", "source", "prompt")
        after = request.query_params.get("after")
        wanted = DeliveryFilter(
            state=asked.one_of(DeliveryState, "state"),
            type=asked.text("type"),
            source=asked.text("source"),
            prompt_id=asked.number("prompt"),
            text=asked.text("q"),
        )
        return self.pages.show(
            request,
            "deliveries.html",
            visitor=visitor,
            asked=asked,
            after=after,
            page=self.overview.deliveries(wanted, after=after),
            states=tuple(DeliveryState),
        )

    def one(self, request: Request, visitor: Visitor) -> Response:
        shown = self.overview.delivery(request.path_params["id"])
        if shown is None:
            raise NotFound("There is no delivery with this id. It may have been too old to keep.")
        return self.pages.show(
            request,
            "delivery.html",
            visitor=visitor,
            delivery=shown.delivery,
            looks=shown.looks,
            payload=self.pages.payload(shown.delivery.payload),
        )

    def redeliver(self, request: Request, visitor: Visitor, _form: Form) -> Response:
        id = request.path_params["id"]
        self.inbox.redeliver(id)
        words = "%s asked to have delivery %s taken up again"
        log.info(words, ascii(visitor.name), id[:12], extra={"delivery": id})
        leave_note(request, "It is new again; the bridge takes it up within a second.")
        return RedirectResponse(f"/deliveries/{id}", 303)
