"""The pages of prompts: the list, the history of one, and one pull request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.engine.operator_actions import OperatorActions
from bridge.errors import NotFoundError
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.status.status_reader import StatusReader
from bridge.status.target_queries import TargetFilter, TargetOrder
from bridge.web.page_renderer import PageRenderer
from bridge.web.query_parameters import QueryParameters
from bridge.web.session import SignedInVisitor, store_flash_message
from bridge.web.session_guard import FormFields, SessionGuard

FindSource = Callable[
    [str], str | None
]  # the source of a mapping's workspace; None: no such mapping


def find_no_source(_: str) -> None:
    """A ``FindSource`` for a dashboard that knows no mappings."""


@dataclass(frozen=True)
class PromptPages:
    """The routes of these pages. ``find_source`` distinguishes prompts with the same id in several
    workspaces."""

    renderer: PageRenderer
    reader: StatusReader
    actions: OperatorActions
    find_source: FindSource = find_no_source

    def create_routes(self, guard: SessionGuard) -> list[Route]:
        return [
            guard.create_page_route("/", self.show_list),
            guard.create_page_route("/prompts/{mapping}/{prompt_id}", self.show_prompt),
            guard.create_action_route(
                "/prompts/{mapping}/{prompt_id}/look", self.request_reconcile
            ),
            guard.create_action_route("/unpark", self.unpark),
            guard.create_page_route("/pulls/{mapping}/{number}", self.show_pull_request),
        ]

    def show_list(self, request: Request, visitor: SignedInVisitor) -> Response:
        query = QueryParameters.from_request(request, "q", "mapping", "label", "state", "order")
        after = request.query_params.get("after")
        wanted = TargetFilter(
            text=query.get_text("q"),
            mapping=query.get_text("mapping"),
            label=query.get_text("label"),
            state=query.get_enum(TargetState, "state"),
        )
        order = query.get_enum(TargetOrder, "order") or TargetOrder.NAME
        mappings, labels = self.reader.list_filter_choices()
        return self.renderer.render(
            request,
            "prompts.html",
            visitor=visitor,
            asked=query,
            after=after,
            page=self.reader.list_targets(wanted, after=after, order=order),
            states=self.reader.count_states(wanted),
            mappings=mappings,
            labels=labels,
            orders=tuple(TargetOrder),
            order=order,
        )

    def show_prompt(self, request: Request, visitor: SignedInVisitor) -> Response:
        mapping, prompt_id = request.path_params["mapping"], _number(request, "prompt_id")
        after = request.query_params.get("after")
        targets = self.reader.find_targets_of_prompt(prompt_id, mapping)
        steps = self.reader.list_timeline(mapping, prompt_id, after=after)
        if not (targets or steps.rows):
            raise NotFoundError(
                f"The mapping {mapping} knows no prompt {prompt_id}, or not any more."
            )
        return self.renderer.render(
            request,
            "prompt.html",
            visitor=visitor,
            mapping=mapping,
            prompt_id=prompt_id,
            name=next((each.status.name for each in targets if each.status.name), None),
            targets=targets,
            elsewhere=[
                each
                for each in self.reader.find_targets_of_prompt(prompt_id)
                if each.status.mapping != mapping
                and self.find_source(each.status.mapping) == self.find_source(mapping)
            ],
            source=self.find_source(mapping),
            steps=steps,
            after=after,
        )

    def show_pull_request(self, request: Request, visitor: SignedInVisitor) -> Response:
        mapping, number = request.path_params["mapping"], _number(request, "number")
        shown = self.reader.find_pull_request(mapping, number)
        if shown is None:
            raise NotFoundError(
                f"The mapping {mapping} knows no pull request {number} of the bridge."
            )
        return self.renderer.render(request, "pull_request.html", visitor=visitor, shown=shown)

    def request_reconcile(
        self, request: Request, visitor: SignedInVisitor, form: FormFields
    ) -> Response:
        mapping, prompt_id = request.path_params["mapping"], _number(request, "prompt_id")
        target = Target(mapping, prompt_id, form.get("label", ""))
        self.actions.request_reconcile([target], by=visitor.name)
        store_flash_message(request, f"The bridge looks at {target.label} again within seconds.")
        return RedirectResponse(f"/prompts/{mapping}/{prompt_id}", 303)

    def unpark(self, request: Request, visitor: SignedInVisitor, form: FormFields) -> Response:
        count = self.actions.unpark(form.get("mapping") or None, by=visitor.name)
        parked = "prompt that is" if count == 1 else "prompts that are"
        store_flash_message(request, f"The bridge looks again at {count} {parked} parked.")
        return RedirectResponse("/", 303)


def _number(request: Request, name: str) -> int:
    """A number in the path. Raises NotFoundError for other text."""
    text = str(request.path_params[name])
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise NotFoundError("There is no such page.")
    return int(text)
