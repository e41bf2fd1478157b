"""The page of the audit list: which person did which action."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.status.audit_log import AuditAction
from bridge.status.status_reader import StatusReader
from bridge.web.page_renderer import PageRenderer
from bridge.web.query_parameters import QueryParameters
from bridge.web.session import SignedInVisitor
from bridge.web.session_guard import SessionGuard


@dataclass(frozen=True)
class AuditPages:
    """The route of this page."""

    renderer: PageRenderer
    reader: StatusReader

    def create_routes(self, guard: SessionGuard) -> list[Route]:
        return [guard.create_page_route("/audit", self.show_list)]

    def show_list(self, request: Request, visitor: SignedInVisitor) -> Response:
        query = QueryParameters.from_request(request, "action")
        after = request.query_params.get("after")
        action = query.get_enum(AuditAction, "action")
        return self.renderer.render(
            request,
            "audit.html",
            visitor=visitor,
            asked=query,
            after=after,
            page=self.reader.list_audit_entries(action, after=after),
            actions=tuple(AuditAction),
        )
