"""One repository on GitHub as somebody with a credential reaches it, by PyGithub.

PyGithub's own retries and pauses are off: it would sleep inside a call, and the engine waits
better.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import github
import github.Auth
import requests
from github import Requester
from github.IssueComment import IssueComment
from github.Repository import Repository

from bridge.errors import BridgeError, ConfigError
from bridge.forge.forge import RateLimitListener, RateLimitStatus, ignore_rate_limit
from bridge.forge.github_credentials import (
    GitHubApp,
    GitHubToken,
    InstallationToken,
    InstallationTokenCache,
    build_addresses,
    require_private_key,
)
from bridge.forge.github_errors import (
    GitHubErrorResponse,
    GitHubRequestAttempt,
    build_error,
    build_no_response_error,
    build_other_address_error,
    build_redirect_error,
)
from bridge.forge.https_session import TrustingHttpAdapter
from bridge.network.failures import explain_connection_failure
from bridge.network.trust import create_ssl_context
from bridge.telemetry.log_context import span

PAGE_SIZE = 100
USER_AGENT = "promptlayer-bridge"

log = logging.getLogger("bridge.forge")

# At DEBUG, PyGithub logs every answer whole, and a minted token is one of them.
logging.getLogger("github.Requester").setLevel(logging.INFO)


class _RedirectedElsewhere(Exception):  # noqa: N818 - it becomes an error of bridge.errors
    """The server sent us to another address than the one that was asked."""


def _refuse_other_addresses(response: requests.Response, **_: object) -> None:
    """PyGithub follows some redirects and takes others for answers."""
    if response.is_redirect:
        place = urljoin(response.url, response.headers["location"])
        if urlsplit(place)[:2] != urlsplit(response.url)[:2]:
            response.close()
            raise _RedirectedElsewhere(place)


class _HttpConnection(Requester.HTTPRequestsConnectionClass):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.session.hooks["response"] = [_refuse_other_addresses]


class _HttpsConnection(Requester.HTTPSRequestsConnectionClass):
    """Verifies servers by the system's store and by the certificates given as ``verify``."""

    def __init__(self, *arguments: Any, verify: Any = "", **more: Any) -> None:
        super().__init__(*arguments, **more)
        context = create_ssl_context(verify if isinstance(verify, str) else "")
        self.session.mount("https://", TrustingHttpAdapter(context, max_retries=self.retry))
        self.session.hooks["response"] = [_refuse_other_addresses]


# PyGithub has one kind of connection for all its clients; each hands its own ``verify`` on. It takes
# another kind for one that cannot be kept open, and this one can.
Requester.Requester.injectConnectionClasses(_HttpConnection, _HttpsConnection)
Requester.Requester._Requester__persist = True  # type: ignore[attr-defined]


class _AppAuth(github.Auth.Auth):
    """Lets PyGithub use the current installation token."""

    def __init__(self, tokens: InstallationTokenCache) -> None:
        self.tokens = tokens

    @property
    def token_type(self) -> str:
        return "token"

    @property
    def token(self) -> str:
        return self.tokens.get_token().token


class GitHubSession:
    """A way to one repository, safe for threads. The arguments are those of ``GitHubForge``."""

    def __init__(
        self,
        repository: str,
        *,
        forge_name: str,
        url: str | None,
        auth: GitHubToken | GitHubApp,
        timeout: float,
        clock: Callable[[], float],
        notice: RateLimitListener = ignore_rate_limit,
        authorities: str = "",
    ) -> None:
        self.owner, _, name = repository.partition("/")
        if not self.owner or not name or "/" in name:
            raise ConfigError(f"“{repository}” is not a GitHub repository: owner/name is expected.")
        self.name = f"{forge_name}:{repository}"
        self._path = repository
        self._timeout = timeout
        self._clock = clock
        self._notice = notice
        self.authorities = authorities
        self._ca_setting = f"forges.{forge_name}.ca_file"
        self._api, web = build_addresses(url)
        self.web_host = urlsplit(web).netloc
        self.clone_url = f"{web}/{repository}.git"
        self._tokens: InstallationTokenCache | None = None
        if isinstance(auth, GitHubApp):
            self.credential = f"forges.{forge_name}.app_id and private_key_file"
            self._tokens = InstallationTokenCache(lambda: self._mint(auth), clock)
            self._auth: github.Auth.Auth = _AppAuth(self._tokens)
        else:
            self.credential = f"forges.{forge_name}.token"
            self._auth = github.Auth.Token(auth.token)
        # A PyGithub client stores its current request, so each thread has its own client.
        self._of_thread = threading.local()
        self._login: str | None = None  # of the token's owner; empty where it has none

    @property
    def token(self) -> str:
        """Valid for at least five minutes."""
        return self._auth.token

    @property
    def app_permissions(self) -> Mapping[str, str] | None:
        """Of the App's installation; None where no App asks."""
        return self._tokens.get_token().permissions if self._tokens else None

    def find_plan(self) -> str | None:
        """Find the plan of the repository's owner; GitHub shows it to owners of an organization
        only."""
        with suppress(github.GithubException):
            plan = self._client().get_organization(self.owner).complete().plan
            return plan.name if plan else None
        return None

    def is_own_comment(self, comment: IssueComment) -> bool:
        """Whether the credential's owner wrote a comment: anybody can copy the hidden marker."""
        if self._tokens is not None or not self._has_user():
            return (
                getattr(comment.user, "type", None) == "Bot"
            )  # GitHub gives an App no login of its own
        return getattr(comment.user, "login", None) == self._login

    def record_login(self, comment: IssueComment) -> None:
        """Record the login of the credential, from a comment that was just made."""
        if self._tokens is None:
            self._login = getattr(comment.user, "login", None)

    def _has_user(self) -> bool:
        """Whether the token is a person's, whose login is requested once; that of a workflow run
        is not."""
        if self._login is None:
            try:
                self._login = self._client().get_user().login
            except github.GithubException as refused:
                if refused.status not in (401, 403, 404):
                    raise
                self._login = ""
        return bool(self._login)

    def get_repository(self) -> Repository:
        return self._client().get_repo(self._path)

    def _client(self) -> github.Github:
        client: github.Github | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = github.Github(auth=self._auth, **self._connection())
        return client

    def _connection(self) -> dict[str, Any]:
        return {
            "base_url": self._api,
            "verify": self.authorities,  # which the connections below understand
            "timeout": math.ceil(self._timeout),
            "user_agent": USER_AGENT,
            "per_page": PAGE_SIZE,
            "retry": None,
            "seconds_between_requests": None,
            "seconds_between_writes": None,
            "lazy": True,
        }

    def _mint(self, app: GitHubApp) -> InstallationToken:
        require_private_key(app, self.credential)
        with self.translate_errors(
            "make an installation token", "to be installed there", minting=True
        ):
            signed = github.Auth.AppAuth(app.app_id, app.private_key_pem)
            integration = github.GithubIntegration(auth=signed, **self._connection())
            installation = app.installation_id
            if installation is None:
                name = self._path.removeprefix(f"{self.owner}/")
                installation = integration.get_repo_installation(self.owner, name).id
            minted = integration.get_access_token(installation)
            return InstallationToken(
                minted.token, minted.expires_at.timestamp(), minted.permissions, self._clock()
            )

    @contextmanager
    def translate_errors(
        self, what: str, needs: str, *, after_push: bool = False, minting: bool = False
    ) -> Iterator[None]:
        """Translate PyGithub's errors into those of ``bridge.errors``. ``after_push``: a branch
        was pushed right before, which not every server of GitHub's may know yet."""
        attempt = GitHubRequestAttempt(self.name, what, needs, self.credential, after_push)
        try:
            with span("ask the forge", repository=self.name, asked=what):
                yield
        except BridgeError:
            raise
        except github.GithubException as refused:
            if not minting and self.drop_credential(refused.status):
                attempt = replace(attempt, after_mint=True)
            answer = GitHubErrorResponse(refused.status, refused.data, refused.headers or {})
            raise build_error(answer, attempt, self._clock()) from None
        except Exception as foreign:
            raise self._translated(foreign, attempt) from None
        finally:
            self._tell_budget()

    def _translated(self, foreign: Exception, attempt: GitHubRequestAttempt) -> BridgeError:
        """Translate an error that is no answer of GitHub's; the libraries' texts hold addresses
        and objects."""
        if isinstance(foreign, requests.ReadTimeout):
            return build_no_response_error(attempt, f"no answer in {self._timeout:g} seconds")
        if isinstance(foreign, requests.RequestException):
            return build_no_response_error(
                attempt, explain_connection_failure(foreign, self._ca_setting)
            )
        if isinstance(foreign, _RedirectedElsewhere):
            return build_redirect_error(attempt, str(foreign))
        if isinstance(foreign, AssertionError):  # PyGithub asks only the host that it was given
            return build_other_address_error(attempt, self._api)
        log.debug("an answer of %s was not understood", self.name, exc_info=foreign)
        return build_no_response_error(
            attempt, f"what answered at {self._api} does not speak as GitHub does"
        )

    def drop_credential(self, status: int) -> bool:
        """Drop an App's token that was refused with this HTTP status, so that the next one is made
        anew. Returns whether that may help: not every server knows a new token at once."""
        if self._tokens is None or status not in (401, 403, 404):
            return False
        return self._tokens.drop() if status == 401 else self._tokens.is_new()

    def _tell_budget(self) -> None:
        """Report the rate limit of this thread's last answer; PyGithub stores it, and -1 before
        the first."""
        client = getattr(self._of_thread, "client", None)
        if client is None:
            return
        remaining, limit = client.requester.rate_limiting
        if limit > 0:
            resets_at = datetime.fromtimestamp(client.requester.rate_limiting_resettime, UTC)
            self._notice(RateLimitStatus(limit, remaining, resets_at))
