"""Addresses, tokens and Apps of GitHub."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import jwt

from bridge.errors import UnauthorizedError

SECONDS_UNTIL_KNOWN = 30.0  # after which a new token is known everywhere
MIN_TOKEN_SECONDS = 300.0  # that an installation token must still be good for


@dataclass(frozen=True)
class GitHubToken:
    """A personal access token, classic (scope ``repo``) or fine-grained."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class GitHubApp:
    """A GitHub App; its installation on the repository is requested where no id is given."""

    app_id: int
    private_key_pem: str = field(repr=False)
    installation_id: int | None = None


@dataclass(frozen=True)
class InstallationToken:
    """An App's short-lived access to one installation."""

    token: str = field(repr=False)
    expires_at: float  # seconds since the epoch
    permissions: Mapping[str, str]
    minted_at: float = 0.0  # seconds since the epoch


class InstallationTokenCache:
    """Mints a token when one is asked for and the last one is nearly over. For any thread."""

    def __init__(self, mint: Callable[[], InstallationToken], clock: Callable[[], float]) -> None:
        self._mint = mint
        self._clock = clock
        self._last: InstallationToken | None = None
        self._lock = threading.Lock()

    def get_token(self) -> InstallationToken:
        with self._lock:
            if self._last is None or self._last.expires_at - self._clock() < MIN_TOKEN_SECONDS:
                self._last = self._mint()
            return self._last

    def drop(self) -> bool:
        """Forget the last one, which was refused: the next is minted anew. Returns whether there
        was one to forget."""
        with self._lock:
            dropped, self._last = self._last is not None, None
            return dropped

    def is_new(self) -> bool:
        """Whether the last one was minted so recently that not every server may know it."""
        with self._lock:
            last = self._last
            return last is not None and self._clock() - last.minted_at < SECONDS_UNTIL_KNOWN


def require_private_key(app: GitHubApp, spelled: str) -> None:
    """Raises UnauthorizedError for a key nothing can be signed with; ``spelled`` is where the
    mapping file names it."""
    try:
        jwt.encode({}, app.private_key_pem, algorithm="RS256")
    except (jwt.PyJWTError, ValueError):
        raise UnauthorizedError(
            f"The private key of {spelled} cannot be read: it must be the PEM file that GitHub "
            "offered for download."
        ) from None


def build_addresses(url: str | None) -> tuple[str, str]:
    """Build the address of the API and that of the pages, neither with a slash at the end."""
    parts = urlsplit(url or "https://github.com")
    host = parts.netloc.removeprefix("api.")
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"{parts.scheme}://api.{host}", f"{parts.scheme}://{host}"
    web = f"{parts.scheme}://{parts.netloc}"
    return f"{web}/api/v3", web
