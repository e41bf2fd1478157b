"""The pages of problems, of pending work with the forges' budgets, and of charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.status.status_reader import StatusReader
from bridge.storage.instances import DEAD_AFTER, ProcessInstance
from bridge.web.chart_layout import (
    DELIVERY_GROUPS,
    HEIGHT,
    WIDTH,
    group_deliveries,
    layout_delivery_bars,
    layout_waiting_curves,
)
from bridge.web.page_renderer import PageRenderer
from bridge.web.query_parameters import QueryParameters
from bridge.web.session import SignedInVisitor
from bridge.web.session_guard import SessionGuard

CHART_PERIODS_DAYS = (7, 30, 90)  # days


@dataclass(frozen=True)
class QueuePages:
    """The routes of these pages."""

    renderer: PageRenderer
    reader: StatusReader
    list_instances: Callable[[], Sequence[ProcessInstance]]

    def create_routes(self, guard: SessionGuard) -> list[Route]:
        return [
            guard.create_page_route("/queue", self.show_queue),
            guard.create_page_route("/charts", self.show_charts),
            guard.create_page_route("/problems", self.show_problems),
        ]

    def show_problems(self, request: Request, visitor: SignedInVisitor) -> Response:
        return self.renderer.render(
            request,
            "problems.html",
            visitor=visitor,
            problems=self.reader.list_problems(),
            not_followed=self.reader.count_unfollowed(),
        )

    def show_queue(self, request: Request, visitor: SignedInVisitor) -> Response:
        after = request.query_params.get("after")
        return self.renderer.render(
            request,
            "queue.html",
            visitor=visitor,
            after=after,
            queue=self.reader.read_queue_status(after=after),
            budgets=self.reader.list_rate_limits(),
            members=self.list_instances(),
            silence=DEAD_AFTER,
        )

    def show_charts(self, request: Request, visitor: SignedInVisitor) -> Response:
        query = QueryParameters.from_request(request, "days")
        count = query.get_number("days")
        count = count if count in CHART_PERIODS_DAYS else 30
        days = self.reader.list_daily_statistics(count)
        return self.renderer.render(
            request,
            "charts.html",
            visitor=visitor,
            asked=query,
            count=count,
            periods=CHART_PERIODS_DAYS,
            days=days,
            bars=layout_delivery_bars(days),
            curves=layout_waiting_curves(days),
            groups=tuple(DELIVERY_GROUPS),
            grouped=group_deliveries,
            size=(WIDTH, HEIGHT),
        )
