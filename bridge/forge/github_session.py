"""One repository on GitHub as somebody with a credential reaches it, by PyGithub.

PyGithub's own retries and pauses are off: it would sleep inside a call, and the engine waits
better.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import github
import github.Auth
import requests
from github.Repository import Repository

from bridge.errors import ConfigError
from bridge.forge.base import Budget, Notice, unnoticed
from bridge.forge.github_answers import Answer, Attempt, error_for, no_answer
from bridge.forge.github_credentials import (
    App,
    InstallationToken,
    InstallationTokens,
    Token,
    addresses,
    require_private_key,
)
from bridge.telemetry.trail import step

PAGE = 100
USER_AGENT = "promptlayer-bridge"

# At DEBUG, PyGithub logs every answer whole, and a minted token is one of them.
logging.getLogger("github.Requester").setLevel(logging.INFO)


class _AppAuth(github.Auth.Auth):
    """Lets PyGithub ask with whatever installation token is current."""

    def __init__(self, tokens: InstallationTokens) -> None:
        self.tokens = tokens

    @property
    def token_type(self) -> str:
        return "token"

    @property
    def token(self) -> str:
        return self.tokens.current().token


class Session:
    """A way to one repository, safe for threads. The arguments are those of ``GitHub``."""

    def __init__(
        self,
        repository: str,
        *,
        forge_name: str,
        url: str | None,
        auth: Token | App,
        timeout: float,
        clock: Callable[[], float],
        notice: Notice = unnoticed,
    ) -> None:
        self.owner, _, name = repository.partition("/")
        if not self.owner or not name or "/" in name:
            raise ConfigError(f"“{repository}” is not a GitHub repository: owner/name is expected.")
        self.name = f"{forge_name}:{repository}"
        self._path = repository
        self._timeout = timeout
        self._clock = clock
        self._notice = notice
        self._api, web = addresses(url)
        self.clone_url = f"{web}/{repository}.git"
        self._tokens: InstallationTokens | None = None
        if isinstance(auth, App):
            self.credential = f"forges.{forge_name}.app_id and private_key_file"
            self._tokens = InstallationTokens(lambda: self._mint(auth), clock)
            self._auth: github.Auth.Auth = _AppAuth(self._tokens)
        else:
            self.credential = f"forges.{forge_name}.token"
            self._auth = github.Auth.Token(auth.token)
        # A PyGithub client keeps the request in hand in itself, so each thread has its own.
        self._of_thread = threading.local()

    @property
    def token(self) -> str:
        """Valid for at least five minutes."""
        return self._auth.token

    @property
    def app_permissions(self) -> Mapping[str, str] | None:
        """Of the App's installation; None where no App asks."""
        return self._tokens.current().permissions if self._tokens else None

    def repository(self) -> Repository:
        client = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = github.Github(auth=self._auth, **self._connection())
        return client.get_repo(self._path)

    def _connection(self) -> dict[str, Any]:
        return {
            "base_url": self._api,
            "timeout": math.ceil(self._timeout),
            "user_agent": USER_AGENT,
            "per_page": PAGE,
            "retry": None,
            "seconds_between_requests": None,
            "seconds_between_writes": None,
            "lazy": True,
        }

    def _mint(self, app: App) -> InstallationToken:
        require_private_key(app, self.credential)
        with self.trying("make an installation token", "to be installed there"):
            signed = github.Auth.AppAuth(app.app_id, app.private_key_pem)
            integration = github.GithubIntegration(auth=signed, **self._connection())
            installation = app.installation_id
            if installation is None:
                name = self._path.removeprefix(f"{self.owner}/")
                installation = integration.get_repo_installation(self.owner, name).id
            minted = integration.get_access_token(installation)
            return InstallationToken(
                minted.token, minted.expires_at.timestamp(), minted.permissions
            )

    @contextmanager
    def trying(self, what: str, needs: str) -> Iterator[None]:
        """Turns what PyGithub raises into the errors of ``bridge.errors``."""
        attempt = Attempt(self.name, what, needs, self.credential)
        try:
            with step("ask the forge", repository=self.name, asked=what):
                yield
        except github.GithubException as refused:
            answer = Answer(refused.status, refused.data, refused.headers or {})
            raise error_for(answer, attempt, self._clock()) from None
        except requests.Timeout:
            raise no_answer(attempt, f"no answer in {self._timeout:g} seconds") from None
        except requests.RequestException:  # its own words hold addresses and objects
            raise no_answer(attempt, "the connection failed or was cut") from None
        except (json.JSONDecodeError, github.BadAttributeException, KeyError, TypeError):
            raise no_answer(attempt, "the answer was not GitHub's") from None
        finally:
            self._tell_budget()

    def _tell_budget(self) -> None:
        """What the last answer to this thread said; PyGithub keeps it, and -1 before the first."""
        client = getattr(self._of_thread, "client", None)
        if client is None:
            return
        remaining, limit = client.requester.rate_limiting
        if limit > 0:
            resets_at = datetime.fromtimestamp(client.requester.rate_limiting_resettime, UTC)
            self._notice(Budget(limit, remaining, resets_at))
