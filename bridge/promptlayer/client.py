"""The client of PromptLayer's REST API: it reads prompts, and sends any other request.

Every read bypasses PromptLayer's response cache and leaves snippet references unexpanded. Prompts
are read by id, never by name: a name may contain slashes and be given to another prompt.
https://docs.promptlayer.com/reference/templates-get-raw
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self
from urllib.parse import urlsplit, urlunsplit

import httpx2

from bridge.errors import (
    BridgeError,
    ConfigError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.forge.forge import AccessFinding, AccessFindingSeverity
from bridge.network.failures import SPEAKS_TLS, explain_connection_failure, needs_tls
from bridge.network.trust import create_ssl_context
from bridge.promptlayer.page_cache import ListPageCache
from bridge.promptlayer.response_models import (
    LabelsResponse,
    ListedPrompt,
    PromptPageResponse,
    PromptResponse,
    SnippetUsageResponse,
    SnippetUser,
    build_listed_prompt,
    build_prompt,
    validate_response,
)
from bridge.prompts.prompt import Json, Prompt
from bridge.telemetry.log_context import span, with_log_context

__all__ = [
    "DEFAULT_BASE_URL",
    "ListedPrompt",
    "PromptLayerClient",
    "PromptLayerResponse",
    "SnippetUser",
]

DEFAULT_BASE_URL = "https://api.promptlayer.com"
PAGE_SIZE = 100
_WORDS_LIMIT = 300  # characters of PromptLayer's message in an error


class PromptLayerResponse(NamedTuple):
    """A successful response of PromptLayer."""

    status: int  # 202 where the work continues
    body: Json  # None for an empty one


class PromptLayerClient:
    """One PromptLayer workspace: the one that its API key belongs to. Safe for threads.

    Every call raises UnauthorizedError, ForbiddenError, RequestRefusedError, RateLimitedError or
    UnavailableError when PromptLayer refuses it or does not answer. ``timeout`` is in seconds, for
    each wait on the network; ``authorities`` are certificates (PEM) to trust beside the system's.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        timeout: float = 20.0,
        authorities: str = "",
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise ConfigError(
                "The PromptLayer API key has characters that no key has; copy it anew."
            )
        if not base_url.startswith(("https://", "http://")):
            raise ConfigError(
                f"PromptLayer's base URL has to start with https://, not {base_url!r}."
            )
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout
        self._kept_pages = ListPageCache()
        try:
            self._client = httpx2.Client(
                base_url=base_url,
                headers={"X-API-KEY": api_key, "Cache-Control": "no-cache"},
                timeout=timeout,
                transport=transport,
                verify=create_ssl_context(authorities),
                follow_redirects=False,  # the key is sent to the configured address alone
            )
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            raise ConfigError(
                "A proxy of the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) cannot be used: "
                f"{error}"
            ) from None
        # A running bridge may be given another; this one ends when the last step that uses it has.
        weakref.finalize(self, self._client.close).atexit = False

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def find_prompt(
        self, id: int, *, version: int | None = None, label: str | None = None
    ) -> Prompt | None:
        """The newest version of a prompt, or the one with that number or release label; None where
        there is no such prompt, version or label."""
        if version is not None and label is not None:
            raise ValueError("ask for a version or for a label, not for both")
        wanted = {"resolve_snippets": "false", "version": version, "label": label}
        answer = self._find(f"/prompt-templates/{id}", wanted)
        if answer is None:
            return None
        found = validate_response(PromptResponse, answer, f"prompt {id}")
        # PromptLayer also finds a prompt whose name is this number; "17" is not prompt 17.
        return build_prompt(found) if found.id == id else None

    def read_labels(self, id: int) -> dict[str, int]:
        """The release labels of a prompt and the version each points to; empty for no prompt."""
        answer = self._find(f"/prompt-templates/{id}/labels", {})
        if answer is None:
            return {}
        labels = validate_response(
            LabelsResponse, answer, f"the labels of prompt {id}"
        ).release_labels
        return {label.release_label: label.prompt_version_number for label in labels}

    def list_prompts(
        self,
        *,
        label: str | None = None,
        name: str | None = None,
        is_snippet: bool | None = None,
        age: float = 0.0,
    ) -> Iterator[ListedPrompt]:
        """Every active prompt once, the oldest first, read page by page; with ``label`` only those
        that have it, in the labelled version; with ``name`` those whose name contains it; with
        ``is_snippet`` only snippets, or only others. With ``age`` (seconds) a page may have been
        read that long ago by another caller.

        A prompt may be missing where the workspace changes meanwhile: call ``find_prompt`` before
        taking it as deleted.
        """
        listed_ids: set[int] = set()
        kind = None if is_snippet is None else str(is_snippet).lower()
        for page in self._pages({"label": label, "name": name, "is_snippet": kind}, age):
            for item in page.items:
                if item.id not in listed_ids:
                    listed_ids.add(item.id)
                    yield build_listed_prompt(item)

    def find_snippet_users(self, id: int, version: int | None = None) -> tuple[SnippetUser, ...]:
        """The prompts that use this snippet, in any of their versions."""
        path, wanted = f"/prompt-templates/{id}/snippet-usage", {"prompt_version_number": version}
        answer = self._find(path, wanted)
        if answer is None:
            return ()
        usage = validate_response(
            SnippetUsageResponse, answer, f"the usage of snippet {id}"
        ).snippet_usage
        return tuple(SnippetUser(user.prompt_registry_id, user.prompt_name) for user in usage)

    def check_access(self) -> Sequence[AccessFinding]:
        """The finding whether the API key can read the workspace's prompts. Never raises."""
        if not self._api_key:
            return [AccessFinding(AccessFindingSeverity.PROBLEM, "No PromptLayer API key is set.")]
        try:
            page = self._page(1, 1, {})
        except BridgeError as error:
            return [AccessFinding(AccessFindingSeverity.PROBLEM, f"{error}{self._hint(error)}")]
        return [
            AccessFinding(
                AccessFindingSeverity.OK, f"PromptLayer lets us read {page.total} prompts."
            )
        ]

    @property
    def base_url(self) -> str:
        return self._base_url

    def send(self, method: str, path: str, json: Json = None) -> Json:
        """Send one request with a JSON body; returns the JSON of the response, None for an empty
        one. It is never repeated, as only the caller knows whether that is safe. Raises
        NotFoundError, and the errors of every call."""
        return self.send_with_status(method, path, json=json).body

    def send_with_status(
        self, method: str, path: str, *, json: Json = None, params: Mapping[str, Any] | None = None
    ) -> PromptLayerResponse:
        """``send`` with the status of the response; ``params`` that are not None become the
        query."""
        query = {key: value for key, value in (params or {}).items() if value is not None}
        request = f"{method} {path}"
        with self._reaching(request), span("ask PromptLayer", asked=request):
            response = self._client.request(method, path, json=json, params=query)
        if not response.is_success:
            self._refuse(request, response)
        return PromptLayerResponse(response.status_code, self._read_body(request, response))

    def _hint(self, error: BridgeError) -> str:
        odd = isinstance(error, UnauthorizedError) and not self._api_key.startswith("pl_")
        return " PromptLayer's keys start with pl_; this one does not." if odd else ""

    def _pages(self, wanted: Mapping[str, Any], age: float) -> Iterator[PromptPageResponse]:
        """The pages of a list; the next one is requested while the caller works on one."""
        number: int | None = 1
        total = 0
        with ThreadPoolExecutor(1, "pages") as reader:
            read = with_log_context(self._page)
            asked = reader.submit(read, 1, PAGE_SIZE, wanted, age)
            while number is not None:
                page = asked.result()
                number, total = _following(page, total), page.total
                if number is not None:
                    asked = reader.submit(read, number, PAGE_SIZE, wanted, age)
                yield page

    def _page(
        self, number: int, size: int, wanted: Mapping[str, Any], age: float = 0.0
    ) -> PromptPageResponse:
        place = {"page": number, "per_page": size, "sort_by": "id", "sort_order": "asc"}
        query = {**place, **wanted}
        answer = self._kept_pages.read(
            tuple(query.items()), age, lambda: self._get("/prompt-templates", query)
        )
        page = validate_response(PromptPageResponse, answer, f"page {number} of the prompts")
        if page.page != number:
            raise UnavailableError(
                f"PromptLayer was asked for page {number} and gave page {page.page}."
            )
        return page

    def _find(self, path: str, wanted: Mapping[str, Any]) -> Json | None:
        try:
            return self._get(path, wanted)
        except NotFoundError:
            return None

    def _get(self, path: str, wanted: Mapping[str, Any]) -> Json:
        answer = self.send_with_status("GET", path, params=wanted).body
        if answer is None:
            raise self._build_strange_answer_error(f"GET {path}")
        return answer

    @contextmanager
    def _reaching(self, request: str) -> Iterator[None]:
        try:
            yield
        except (httpx2.ReadTimeout, httpx2.WriteTimeout, httpx2.PoolTimeout):
            raise UnavailableError(
                f"PromptLayer did not answer {request} within {self._timeout:g} s."
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UnavailableError(
                f"PromptLayer cannot be reached at {self._base_url} for {request}: "
                f"{explain_connection_failure(error, 'ca_file')}."
            ) from None

    def _refuse(self, asked: str, response: httpx2.Response) -> NoReturn:
        status = response.status_code
        request = f"PromptLayer answered {asked} with {status}{self._words(response)}."
        if status == 401:
            raise UnauthorizedError(f"PromptLayer key refused. {request} Set a valid API key.")
        if status == 403:
            raise ForbiddenError(f"PromptLayer key lacks a permission. {request}")
        if status == 404 and _is_from_api(response):
            raise NotFoundError(request)
        if status == 429:
            raise RateLimitedError(request, retry_after=_retry_after(response))
        if needs_tls(response.text):
            raise UnavailableError(
                f"PromptLayer cannot be reached at {self._base_url}: {SPEAKS_TLS}."
            )
        if status == 404:
            raise UnavailableError(
                f"{request} Check that {self._base_url} is the address of PromptLayer's API (base_url)."
            )
        if status >= 500 or status in (408, 425):
            raise UnavailableError(
                f"{request} If that lasts, check that {self._base_url} is the address of"
                " PromptLayer's API (base_url).",
                retry_after=_retry_after(response),
            )
        if response.has_redirect_location:
            place = _place(response)
            raise RequestRefusedError(
                f"PromptLayer has moved: it answered {asked} with {status}, to {place}. Correct"
                " base_url; requests do not follow, because the key would go along."
            )
        raise RequestRefusedError(request)

    def _read_body(self, asked: str, response: httpx2.Response) -> Json:
        if not response.content:
            return None
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise self._build_strange_answer_error(asked) from None

    def _build_strange_answer_error(self, asked: str) -> UnavailableError:
        return UnavailableError(
            f"PromptLayer answered {asked} with something other than JSON. Check that"
            f" {self._base_url} is the address of its API (base_url), and that no proxy answers in"
            " its place."
        )

    def _words(self, response: httpx2.Response) -> str:
        """PromptLayer's error message, shortened, with the API key masked."""
        message = _said(response)
        if self._api_key:
            message = message.replace(self._api_key, "…")
        if len(message) > _WORDS_LIMIT:
            message = f"{message[:_WORDS_LIMIT]}…"
        return f": {message.rstrip('.')}" if message else ""


def _following(page: PromptPageResponse, total: int) -> int | None:
    """The number of the page to read next, where ``total`` prompts were listed before this page."""
    if page.total < total and page.page > 1:
        return page.page - 1  # prompts were deleted meanwhile, and later ones moved up
    return page.page + 1 if page.has_next and page.items else None


def _retry_after(response: httpx2.Response) -> float | None:
    """The Retry-After of a response in seconds. PromptLayer documents none, but proxies in front of
    it send one."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _place(response: httpx2.Response) -> str:
    """The target of a redirect, without its query."""
    parts = urlsplit(response.headers["location"])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _is_from_api(response: httpx2.Response) -> bool:
    """Whether PromptLayer's API sent the response. A 404 of a proxy or a wrong base URL must not
    count as a deleted prompt."""
    return not response.content or isinstance(_json_or_none(response), dict)


def _said(response: httpx2.Response) -> str:
    answer = _json_or_none(response)
    if not isinstance(answer, dict):
        return ""
    message = answer.get("message") or answer.get("error") or answer.get("detail") or ""
    if isinstance(message, list):  # FastAPI's form: [{"loc", "msg", "type"}, …]
        message = "; ".join(str(item.get("msg")) for item in message if isinstance(item, dict))
    return " ".join(str(message).split())


def _json_or_none(response: httpx2.Response) -> Json:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
