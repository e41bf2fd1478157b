"""Which application a request comes from, and what it may read.

A token is compared by its digest with every configured one, whatever the first comparisons say, so
that the time an answer takes says nothing about a token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.config.serve_settings import ApplicationSettings, ServeSettings
from bridge.errors import UnauthorizedError
from bridge.promptlayer.workspace_source import format_source_name
from bridge.prompts.glob import matches_glob
from bridge.prompts.prompt import LATEST

EVERY_LABEL = "*"
_BEARER = b"bearer "
_WRONG_TOKEN = (
    "This token is none of an application of this bridge. Use one of"
    " serve.applications[].tokens of bridge.yaml, as a bearer token or as X-API-KEY."
)


@dataclass(frozen=True)
class ServedApplication:
    """An application of ``bridge.yaml`` and the source of the workspace that it reads."""

    settings: ApplicationSettings
    source: str

    @property
    def default_label(self) -> str:
        """The label that is meant where a request names none: the first one that is listed."""
        return next((label for label in self.settings.labels if label != EVERY_LABEL), LATEST)

    @property
    def may_read_every_version(self) -> bool:
        return EVERY_LABEL in self.settings.labels

    def may_read_label(self, label: str) -> bool:
        return self.may_read_every_version or label in self.settings.labels

    def may_read_prompt(self, name: str) -> bool:
        return any(matches_glob(pattern, name) for pattern in self.settings.prompts)


class ApplicationTokens:
    """The tokens of all applications, by their digests."""

    def __init__(self, applications: Iterable[ServedApplication] = ()) -> None:
        self.applications = tuple(applications)
        self._digests = tuple(
            (_compute_digest(token.get_secret_value().encode()), application)
            for application in self.applications
            for token in application.settings.tokens
        )

    def authenticate(self, token: bytes | None) -> ServedApplication:
        """The application that a token belongs to. Raises UnauthorizedError."""
        shown, found = _compute_digest(token or b""), None
        for digest, application in self._digests:
            if hmac.compare_digest(digest, shown):
                found = application
        if found is None:
            raise UnauthorizedError(_WRONG_TOKEN)
        return found


FindTokens = Callable[[], ApplicationTokens]  # those that are in force now


def build_application_tokens(
    serve: ServeSettings | None, sources: Sequence[str]
) -> ApplicationTokens:
    """The tokens of a configuration whose workspaces have these ``sources``; an application that
    names no workspace reads the only one."""
    return ApplicationTokens(
        ServedApplication(
            each, format_source_name(each.workspace) if each.workspace else sources[0]
        )
        for each in (serve.applications if serve else ())
    )


def find_token(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The token of a request's headers, as a bearer token or as ``X-API-KEY``."""
    shown = headers.get(b"authorization", b"")
    if shown[: len(_BEARER)].lower() == _BEARER:
        return shown[len(_BEARER) :].strip()
    return headers.get(b"x-api-key")


def _compute_digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
