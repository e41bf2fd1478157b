"""The pages of deliveries: the list, one delivery, and the form that redelivers it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.engine.operator_actions import OperatorActions
from bridge.errors import NotFoundError
from bridge.forge.forge_webhooks import PushEvent
from bridge.status.delivery_queries import DeliveryFilter, DeliverySummary
from bridge.status.status_reader import StatusReader
from bridge.storage.forge_delivery import find_changed_branch
from bridge.storage.inbox import DeliveryState
from bridge.storage.operator_delivery import SOURCE
from bridge.web.page_renderer import PageRenderer
from bridge.web.query_parameters import QueryParameters
from bridge.web.session import SignedInVisitor, store_flash_message
from bridge.web.session_guard import FormFields, SessionGuard

log = logging.getLogger("bridge.web")

ListBranchPrefixes = Callable[[], Iterable[str]]  # of the branches that the bridge pushes to


@dataclass(frozen=True)
class DeliveryPages:
    """The routes of these pages."""

    renderer: PageRenderer
    reader: StatusReader
    actions: OperatorActions
    list_branch_prefixes: ListBranchPrefixes = tuple

    def create_routes(self, guard: SessionGuard) -> list[Route]:
        return [
            guard.create_page_route("/deliveries", self.show_list),
            guard.create_page_route("/deliveries/{id}", self.show_delivery),
            guard.create_action_route("/deliveries/{id}/redeliver", self.redeliver),
        ]

    def show_list(self, request: Request, visitor: SignedInVisitor) -> Response:
        query = QueryParameters.from_request(request, "q", "state", "type", "source", "prompt")
        after = request.query_params.get("after")
        wanted = DeliveryFilter(
            state=query.get_enum(DeliveryState, "state"),
            type=query.get_text("type"),
            source=query.get_text("source"),
            prompt_id=query.get_number("prompt"),
            text=query.get_text("q"),
        )
        return self.renderer.render(
            request,
            "deliveries.html",
            visitor=visitor,
            asked=query,
            after=after,
            page=self.reader.list_deliveries(wanted, after=after),
            states=tuple(DeliveryState),
            is_own=partial(is_caused_by_bridge, prefixes=tuple(self.list_branch_prefixes())),
        )

    def show_delivery(self, request: Request, visitor: SignedInVisitor) -> Response:
        shown = self.reader.find_delivery(request.path_params["id"])
        if shown is None:
            raise NotFoundError(
                "There is no delivery with this id. It may have been too old to keep."
            )
        return self.renderer.render(
            request,
            "delivery.html",
            visitor=visitor,
            delivery=shown.delivery,
            subject=shown.subject,
            looks=shown.reconciles,
            payload=self.renderer.render_payload(shown.delivery.payload),
        )

    def redeliver(self, request: Request, visitor: SignedInVisitor, _form: FormFields) -> Response:
        id = request.path_params["id"]
        self.actions.redeliver(id, by=visitor.name)
        message = "%s asked to have delivery %s taken up again"
        log.info(message, ascii(visitor.name), id[:12], extra={"delivery": id})
        store_flash_message(request, "It is new again; the bridge takes it up within a second.")
        return RedirectResponse(f"/deliveries/{id}", 303)


def is_caused_by_bridge(delivery: DeliverySummary, prefixes: tuple[str, ...]) -> bool:
    """Whether the bridge caused a delivery: by an operator's request, or by its own push or pull
    request. A push to its branch that asked for work is a person's."""
    if delivery.source == SOURCE or delivery.forge_event is None:
        return delivery.source == SOURCE
    is_push = isinstance(delivery.forge_event, PushEvent)
    if is_push and delivery.state is not DeliveryState.IGNORED:
        return False
    branch = find_changed_branch(delivery.forge_event)
    return branch is not None and branch.startswith(prefixes)
