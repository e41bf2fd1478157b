"""The session of a signed-in visitor: name, role and expiry, in a signed cookie.

Every sign-in starts a new session with a new token, which its forms carry and which identifies it.
The cookie alone does not say whether the session was ended since; ``SessionGuard.find_visitor``
checks that.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from starlette.requests import Request

_TOKEN = "csrf"
_NEXT = "next"
_NOTE = "note"
_LONGEST_PATH = 1000  # characters; the cookie has to hold it


class VisitorRole(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True)
class SignedInVisitor:
    """A person who has signed in."""

    name: str
    role: VisitorRole
    token: str = field(repr=False)  # of this session's forms
    expires_at: datetime  # when the session expires

    @property
    def may_act(self) -> bool:
        return self.role is VisitorRole.OPERATOR


def find_visitor(request: Request, now: datetime) -> SignedInVisitor | None:
    """The visitor that the cookie names; None without one, or after its expiry."""
    said: dict[str, Any] = request.session
    if said.get("until", 0) <= now.timestamp():
        return None
    until = datetime.fromtimestamp(said["until"], UTC)
    return SignedInVisitor(said["name"], VisitorRole(said["role"]), said[_TOKEN], until)


def start_session(request: Request, name: str, role: VisitorRole, until: datetime) -> str:
    """Start a new session and drop everything of the former one. Returns the path that the person
    wanted to open."""
    wanted = str(request.session.get(_NEXT, "/"))
    request.session.clear()
    request.session.update(name=name, role=role.value, until=until.timestamp(), csrf=_new_token())
    return wanted


def clear_session(request: Request) -> None:
    """Clear the session's cookie in this browser. Copies of the cookie stay valid."""
    request.session.clear()


def get_form_token(request: Request) -> str:
    """The token for the forms of this session, created where there is none."""
    return str(request.session.get(_TOKEN) or request.session.setdefault(_TOKEN, _new_token()))


def is_session_form(request: Request, token: str) -> bool:
    """Whether a form with this token belongs to this session."""
    expected = str(request.session.get(_TOKEN, ""))
    return bool(expected) and hmac.compare_digest(expected.encode(), token.encode())


def _new_token() -> str:
    return secrets.token_urlsafe(24)


def store_return_path(request: Request) -> None:
    """Store the path to open after signing in. Only a path of the dashboard's own: a link could
    name another site."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if len(path) <= _LONGEST_PATH and not path.startswith(("//", "/\\")):
        request.session[_NEXT] = path


def store_flash_message(request: Request, text: str) -> None:
    """Show this message on the next page."""
    request.session[_NOTE] = text


def take_flash_message(request: Request) -> str | None:
    return request.session.pop(_NOTE, None) if _NOTE in request.session else None
