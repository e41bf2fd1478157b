"""Where every prompt is: the list of all, the way of one, and one pull request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.books.overview import Overview
from bridge.books.targets import Filter, Order
from bridge.engine.actions import Actions
from bridge.errors import NotFound
from bridge.prompts.state import State
from bridge.prompts.target import Target
from bridge.web.asking import Asked
from bridge.web.guarded import Form, Gate
from bridge.web.pages import Pages
from bridge.web.visitor import Visitor, leave_note

SourceOf = Callable[[str], str | None]  # of a mapping's workspace; None: not a mapping any more


def nowhere(_: str) -> None:
    """Where nobody knows the mappings."""


@dataclass(frozen=True)
class PromptPages:
    """``source_of`` tells the prompts of one number in several workspaces apart."""

    pages: Pages
    overview: Overview
    actions: Actions
    source_of: SourceOf = nowhere

    def routes(self, gate: Gate) -> list[Route]:
        return [
            gate.page("/", self.all),
            gate.page("/prompts/{mapping}/{prompt_id}", self.one),
            gate.act("/prompts/{mapping}/{prompt_id}/look", self.look_again),
            gate.act("/unpark", self.unpark),
            gate.page("/pulls/{mapping}/{number}", self.pull_request),
        ]

    def all(self, request: Request, visitor: Visitor) -> Response:
        asked = Asked.by(request, "q", "mapping", "label", "state", "order")
        after = request.query_params.get("after")
        wanted = Filter(
            text=asked.text("q"),
            mapping=asked.text("mapping"),
            label=asked.text("label"),
            state=asked.one_of(State, "state"),
        )
        order = asked.one_of(Order, "order") or Order.NAME
        mappings, labels = self.overview.choices()
        return self.pages.show(
            request,
            "prompts.html",
            visitor=visitor,
            asked=asked,
            after=after,
            page=self.overview.standings(wanted, after=after, order=order),
            states=self.overview.states(wanted),
            mappings=mappings,
            labels=labels,
            orders=tuple(Order),
            order=order,
        )

    def one(self, request: Request, visitor: Visitor) -> Response:
        mapping, prompt_id = request.path_params["mapping"], _number(request, "prompt_id")
        after = request.query_params.get("after")
        targets = self.overview.prompt(prompt_id, mapping)
        steps = self.overview.timeline(mapping, prompt_id, after=after)
        if not (targets or steps.rows):
            raise NotFound(f"The mapping {mapping} knows no prompt {prompt_id}, or not any more.")
        return self.pages.show(
            request,
            "prompt.html",
            visitor=visitor,
            mapping=mapping,
            prompt_id=prompt_id,
            name=next((each.entry.name for each in targets if each.entry.name), None),
            targets=targets,
            elsewhere=[
                each
                for each in self.overview.prompt(prompt_id)
                if each.entry.mapping != mapping
                and self.source_of(each.entry.mapping) == self.source_of(mapping)
            ],
            source=self.source_of(mapping),
            steps=steps,
            after=after,
        )

    def pull_request(self, request: Request, visitor: Visitor) -> Response:
        mapping, number = request.path_params["mapping"], _number(request, "number")
        shown = self.overview.pull_request(mapping, number)
        if shown is None:
            raise NotFound(f"The mapping {mapping} knows no pull request {number} of the bridge.")
        return self.pages.show(request, "pull_request.html", visitor=visitor, shown=shown)

    def look_again(self, request: Request, visitor: Visitor, form: Form) -> Response:
        mapping, prompt_id = request.path_params["mapping"], _number(request, "prompt_id")
        target = Target(mapping, prompt_id, form.get("label", ""))
        self.actions.look_again([target], by=visitor.name)
        leave_note(request, f"The bridge looks at {target.label} again within seconds.")
        return RedirectResponse(f"/prompts/{mapping}/{prompt_id}", 303)

    def unpark(self, request: Request, visitor: Visitor, form: Form) -> Response:
        count = self.actions.unpark(form.get("mapping") or None, by=visitor.name)
        parked = "prompt that is" if count == 1 else "prompts that are"
        leave_note(request, f"The bridge looks again at {count} {parked} parked.")
        return RedirectResponse("/", 303)


def _number(request: Request, name: str) -> int:
    """A number in the path. Raises NotFound for what is none."""
    text = str(request.path_params[name])
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise NotFound("There is no such page.")
    return int(text)
