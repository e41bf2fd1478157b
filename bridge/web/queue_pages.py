"""What waits, what is left of the forges' budgets, and how the days went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.books.overview import Overview
from bridge.storage.members import SILENCE, Member
from bridge.web.asking import Asked
from bridge.web.charts import GROUPS, HEIGHT, WIDTH, delivery_bars, grouped, waiting_curves
from bridge.web.guarded import Gate
from bridge.web.pages import Pages
from bridge.web.visitor import Visitor

PERIODS = (7, 30, 90)  # days


@dataclass(frozen=True)
class QueuePages:
    pages: Pages
    overview: Overview
    members: Callable[[], Sequence[Member]]

    def routes(self, gate: Gate) -> list[Route]:
        return [
            gate.page("/queue", self.queue),
            gate.page("/charts", self.charts),
            gate.page("/problems", self.problems),
        ]

    def problems(self, request: Request, visitor: Visitor) -> Response:
        return self.pages.show(
            request,
            "problems.html",
            visitor=visitor,
            problems=self.overview.problems(),
            not_followed=self.overview.not_followed(),
        )

    def queue(self, request: Request, visitor: Visitor) -> Response:
        after = request.query_params.get("after")
        return self.pages.show(
            request,
            "queue.html",
            visitor=visitor,
            after=after,
            queue=self.overview.queue(after=after),
            budgets=self.overview.budgets(),
            members=self.members(),
            silence=SILENCE,
        )

    def charts(self, request: Request, visitor: Visitor) -> Response:
        asked = Asked.by(request, "days")
        count = asked.number("days")
        count = count if count in PERIODS else 30
        days = self.overview.days(count)
        return self.pages.show(
            request,
            "charts.html",
            visitor=visitor,
            asked=asked,
            count=count,
            periods=PERIODS,
            days=days,
            bars=delivery_bars(days),
            curves=waiting_curves(days),
            groups=tuple(GROUPS),
            grouped=grouped,
            size=(WIDTH, HEIGHT),
        )
