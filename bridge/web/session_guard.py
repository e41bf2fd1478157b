"""Check before every page who may see it, and before every form that the dashboard sent it.

Views are plain functions and run in threads of their own, so a slow database does not block the
webhook endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.errors import ForbiddenError, NotFoundError
from bridge.network.read_body import read_body
from bridge.storage.ended_sessions import EndedSessionStore
from bridge.storage.inbox import Clock
from bridge.web.query_parameters import remove_nul
from bridge.web.session import (
    SignedInVisitor,
    clear_session,
    find_visitor,
    is_session_form,
    store_return_path,
)

SIGN_IN_PATH = "/sign-in"

_AT_ONCE = 4  # pages rendered at the same time
_FORM_LIMIT = 64 * 1024  # bytes

FormFields = Mapping[str, str]
PageView = Callable[[Request, SignedInVisitor], Response]
FormAction = Callable[[Request, SignedInVisitor, FormFields], Response]


@dataclass(frozen=True)
class SessionGuard:
    """Turn views into routes. ``public_origin`` is the configured public address of the pages, if
    there is one."""

    clock: Clock
    public_origin: str | None
    ended_sessions: EndedSessionStore
    threads: anyio.CapacityLimiter

    @classmethod
    def create(cls, clock: Clock, origin: str | None, ended: EndedSessionStore) -> SessionGuard:
        return cls(clock, origin, ended, anyio.CapacityLimiter(_AT_ONCE))

    async def find_visitor(self, request: Request) -> SignedInVisitor | None:
        """The person who signed in and whose session was not ended anywhere. Raises
        UnavailableError when the database does not answer; a second call for the same request
        returns None then."""
        if not hasattr(request.state, "visitor"):
            request.state.visitor = None
            request.state.visitor = await self._unless_ended(request)
        known: SignedInVisitor | None = request.state.visitor
        return known

    async def _unless_ended(self, request: Request) -> SignedInVisitor | None:
        visitor = find_visitor(request, self.clock())
        if visitor is None:
            return None
        if not await run_sync(self.ended_sessions.is_ended, visitor.token, limiter=self.threads):
            return visitor
        if not _is_fragment_request(request):  # its response may arrive after a new sign-in
            clear_session(request)
        return None

    async def run_in_thread(self, work: Callable[[], object]) -> None:
        """Run work that waits for the database, beside the event loop."""
        await run_sync(work, limiter=self.threads)

    async def end_session(self, request: Request) -> None:
        """End the session of the signed-in person, with all copies of its cookie. Raises
        UnavailableError when the database does not answer; the session stays open then."""
        visitor = find_visitor(request, self.clock())
        request.state.visitor = None
        if visitor is not None:
            await run_sync(
                self.ended_sessions.end, visitor.token, visitor.expires_at, limiter=self.threads
            )

    def create_page_route(self, path: str, view: PageView) -> Route:
        """A route for signed-in visitors; others are redirected to the sign-in."""

        async def endpoint(request: Request) -> Response:
            visitor = await self.find_visitor(request)
            if visitor is None:
                return redirect_to_sign_in(request)
            _check_path(request)
            return await run_sync(view, request, visitor, limiter=self.threads)

        return Route(path, endpoint, methods=["GET"])

    def create_action_route(self, path: str, act: FormAction) -> Route:
        """A route for operators, called by a form of the dashboard."""

        async def endpoint(request: Request) -> Response:
            visitor = await self.find_visitor(request)
            if visitor is None:
                return redirect_to_sign_in(request)
            _check_path(request)
            form = await self.read_form(request)
            if not visitor.may_act:
                raise ForbiddenError("This needs the role operator; you may look.")
            return await run_sync(act, request, visitor, form, limiter=self.threads)

        return Route(path, endpoint, methods=["POST"])

    async def read_form(self, request: Request) -> FormFields:
        """The fields of a form of this session. Raises ForbiddenError for any other form,
        BodyTooLargeError."""
        self._check_origin(request)
        headers = dict(request.headers.raw)
        body = await read_body(headers, request.receive, _FORM_LIMIT)
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        sent = {name: remove_nul(value) for name, value in pairs}
        if not is_session_form(request, sent.get("token", "")):
            raise ForbiddenError(
                "This form is of another session, or from before you signed in. Go back, reload"
                " the page and try again."
            )
        return sent

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        ours = {request.headers.get("host"), urlsplit(self.public_origin or "").netloc or None}
        foreign = origin is not None and urlsplit(origin).netloc not in ours
        if foreign or site not in ("same-origin", "none"):
            raise ForbiddenError("Another site sent this form, so it was not followed.")


def _check_path(request: Request) -> None:
    if any(remove_nul(str(part)) != str(part) for part in request.path_params.values()):
        raise NotFoundError("There is no such page.")


def redirect_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in. A fragment request cannot show it, so the whole page is
    redirected."""
    if _is_fragment_request(request):
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN_PATH})
    if request.method == "GET":
        store_return_path(request)
    return RedirectResponse(SIGN_IN_PATH, 303)


def _is_fragment_request(request: Request) -> bool:
    """Whether htmx requests a part of a page."""
    return "hx-request" in request.headers
