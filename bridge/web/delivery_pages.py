"""Deliveries: what came in, what it said, what came of it; and doing that again."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.engine.inbox import DeliveryState, Inbox
from bridge.engine.ledger import Ledger
from bridge.errors import NotFound
from bridge.web.guarded import Form, Gate
from bridge.web.pages import Pages
from bridge.web.visitor import Visitor, leave_note

PER_PAGE = 50


@dataclass(frozen=True)
class DeliveryPages:
    pages: Pages
    inbox: Inbox
    ledger: Ledger

    def routes(self, gate: Gate) -> list[Route]:
        return [
            gate.page("/", lambda _request, _visitor: RedirectResponse("/deliveries", 303)),
            gate.page("/deliveries", self.list_),
            gate.page("/deliveries/{id}", self.one),
            gate.act("/deliveries/{id}/redeliver", self.redeliver),
        ]

    def list_(self, request: Request, visitor: Visitor) -> Response:
        asked = request.query_params
        state = asked.get("state", "")
        prompt = asked.get("prompt", "").strip()
        found = self.inbox.recent(
            PER_PAGE + 1,
            before=asked.get("before") or None,
            state=DeliveryState(state) if state in tuple(DeliveryState) else None,
            prompt=int(prompt) if prompt.isdecimal() else prompt or None,
        )
        return self.pages.show(
            request,
            "deliveries.html",
            visitor=visitor,
            deliveries=found[:PER_PAGE],
            more=found[PER_PAGE - 1].id if len(found) > PER_PAGE else None,
            states=tuple(DeliveryState),
            asked={"state": state, "prompt": prompt},
            first="before" not in asked,
        )

    def one(self, request: Request, visitor: Visitor) -> Response:
        delivery = self.inbox.find(request.path_params["id"])
        if delivery is None:
            raise NotFound("There is no delivery with this id. It may have been too old to keep.")
        return self.pages.show(
            request,
            "delivery.html",
            visitor=visitor,
            delivery=delivery,
            payload=self.pages.payload(delivery.payload),
            looks=self.ledger.looks_of(delivery.id),
        )

    def redeliver(self, request: Request, _visitor: Visitor, _form: Form) -> Response:
        id = request.path_params["id"]
        self.inbox.redeliver(id)
        leave_note(request, "It is new again; the bridge takes it up within a second.")
        return RedirectResponse(f"/deliveries/{id}", 303)
