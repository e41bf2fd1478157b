"""The pages of prompts: the list, the history of one, and one pull request."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.engine.operator_actions import OperatorActions
from bridge.errors import InvalidInputError, NotFoundError
from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.status.status_reader import StatusReader
from bridge.status.target_differences import StoredDifference
from bridge.status.target_queries import TargetFilter, TargetOrder, TargetView
from bridge.status.target_status import TargetStatus
from bridge.web.followed_mapping import FindMapping, FollowedMapping, find_no_mapping
from bridge.web.page_renderer import PageRenderer
from bridge.web.query_parameters import QueryParameters
from bridge.web.session import SignedInVisitor, store_flash_message
from bridge.web.session_guard import FormFields, SessionGuard

log = logging.getLogger("bridge.web")

_SIDE_NAMES = {
    AdoptedSide.PLATFORM: "PromptLayer's text",
    AdoptedSide.REPOSITORY: "the repository's text",
}


@dataclass(frozen=True)
class TargetDetails:
    """One target on the prompt's page: its status, the difference between its sides, the addresses of
    its file and of its version in PromptLayer, and the sides that an operator may choose."""

    view: TargetView
    stored: StoredDifference | None
    file_url: str | None
    version_url: str | None
    choices: tuple[AdoptedSide, ...]


@dataclass(frozen=True)
class PromptPages:
    """The routes of these pages."""

    renderer: PageRenderer
    reader: StatusReader
    actions: OperatorActions
    find_mapping: FindMapping = find_no_mapping

    def create_routes(self, guard: SessionGuard) -> list[Route]:
        return [
            guard.create_page_route("/", self.show_list),
            guard.create_page_route("/prompts/{mapping}/{prompt_id}", self.show_prompt),
            guard.create_action_route(
                "/prompts/{mapping}/{prompt_id}/look", self.request_reconcile
            ),
            guard.create_action_route("/prompts/{mapping}/{prompt_id}/adopt", self.adopt),
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
            targets=self._describe_targets(mapping, prompt_id, targets),
            elsewhere=[
                each
                for each in self.reader.find_targets_of_prompt(prompt_id)
                if each.status.mapping != mapping
                and self._find_source(each.status.mapping) == self._find_source(mapping)
            ],
            source=self._find_source(mapping),
            steps=steps,
            after=after,
        )

    def _find_source(self, mapping: str) -> str | None:
        followed = self.find_mapping(mapping)
        return followed.source if followed else None

    def _describe_targets(
        self, mapping: str, prompt_id: int, views: Iterable[TargetView]
    ) -> list[TargetDetails]:
        followed = self.find_mapping(mapping)
        stored = self.reader.read_differences(mapping, prompt_id)
        return [_describe_target(view, followed, stored) for view in views]

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

    def adopt(self, request: Request, visitor: SignedInVisitor, form: FormFields) -> Response:
        """Let the text of one side hold, as ``sync --adopt`` does."""
        mapping, prompt_id = request.path_params["mapping"], _number(request, "prompt_id")
        if form.get("side") not in tuple(AdoptedSide):
            raise InvalidInputError("Say whose text is to hold.")
        side, target = AdoptedSide(form["side"]), Target(mapping, prompt_id, form.get("label", ""))
        followed = self.find_mapping(mapping)
        if followed is None or (side is AdoptedSide.REPOSITORY and not followed.publishes):
            raise InvalidInputError(
                f"Mapping {mapping} does not write to PromptLayer: set `publish: true`."
                if followed
                else f"There is no mapping {mapping} any more."
            )
        self.actions.adopt(target, side, by=visitor.name)
        name = _SIDE_NAMES[side]
        log.info("%s took %s for prompt %d", ascii(visitor.name), name, prompt_id)
        store_flash_message(request, f"The bridge takes {name} at {target.label} within seconds.")
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


def _describe_target(
    view: TargetView, followed: FollowedMapping | None, differences: Mapping[str, StoredDifference]
) -> TargetDetails:
    status = view.status
    stored = differences.get(status.label) if status.state is not TargetState.IN_STEP else None
    if followed is None:
        return TargetDetails(view, stored, None, None, ())
    workspace = status.workspace_id
    has_file = stored is None or stored.difference.has_file
    return TargetDetails(
        view,
        stored,
        followed.build_file_url(status.path) if status.path and has_file else None,
        followed.build_prompt_url(workspace, status.prompt_id) if workspace is not None else None,
        tuple(_list_choices(status, followed, stored)),
    )


def _list_choices(
    status: TargetStatus, followed: FollowedMapping, stored: StoredDifference | None
) -> Iterable[AdoptedSide]:
    """The sides whose text may hold. PromptLayer's may also replace a file that cannot be read."""
    is_unreadable = stored is None and status.state is TargetState.PARKED and bool(status.path)
    if is_unreadable or (stored is not None and stored.difference.is_choosable):
        yield AdoptedSide.PLATFORM
    if followed.publishes and stored is not None and stored.difference.is_choosable:
        yield AdoptedSide.REPOSITORY
