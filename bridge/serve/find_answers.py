"""PromptLayer's answer for a release: from memory, or asked of PromptLayer for exactly its version."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TypeVar

from bridge.errors import (
    BridgeError,
    InvalidInputError,
    NotFoundError,
    RequestRefusedError,
    StaleStateError,
    UnavailableError,
)
from bridge.promptlayer.client import PromptLayerClient
from bridge.serve.fetch_answers import needs_provider_key, read_snippets
from bridge.serve.read_releases import ReleaseView
from bridge.serve.release import AnswerKey, PromptAnswer, PromptRelease
from bridge.serve.render_f_string import UnfillableTemplateError, render_f_string_answer
from bridge.serve.template_request import TemplateRequest

_THREADS = 16
_PROVIDER_KEY_WAIT = 2.0  # seconds
_PROVIDER_KEY_PAUSE = 60.0  # seconds between two attempts
_MOST_ASKED = 64  # requests under way and waiting

FetchAnswer = Callable[[AnswerKey], PromptAnswer]
FindClient = Callable[[str], PromptLayerClient]  # of a workspace, by its source
_T = TypeVar("_T")
_read_snippets = lru_cache(maxsize=4096)(read_snippets)


class AnswerFinder:
    """Finds answers for applications. ``fetch_answer`` brings one that is not there yet, unrendered,
    and keeps it. PromptLayer is asked in threads of their own, so that one that hangs holds up
    nothing else of the server. For one event loop."""

    def __init__(self, find_client: FindClient, fetch_answer: FetchAnswer) -> None:
        self._find_client = find_client
        self._fetch_answer = fetch_answer
        self._fetches: dict[AnswerKey, asyncio.Task[PromptAnswer]] = {}
        self._provider_keys_from: dict[AnswerKey, float] = {}  # when to ask again (monotonic)
        self._threads = ThreadPoolExecutor(_THREADS, "ask-promptlayer")
        self._asked = 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def find_answer(
        self, view: ReleaseView, release: PromptRelease, provider: str = "", model: str = ""
    ) -> PromptAnswer:
        """The answer for a release, unrendered. Raises errors for an application where PromptLayer
        has to be asked and cannot be."""
        found, key = view.find_answer(release, provider, model), release.key
        asked = AnswerKey(key.source, key.prompt_id, release.version, provider, model)
        if found is None:
            found = await self._fetch_once(asked)
        elif needs_provider_key(found):
            found = await self._fetch_provider_key(asked, found)
        if provider or model:
            _check_snippets(view, release, found)
        return found

    async def render(
        self, view: ReleaseView, release: PromptRelease, request: TemplateRequest
    ) -> bytes:
        """The answer for a release with its input variables filled: here where they are plain
        names of an f-string, else by PromptLayer. Raises as ``find_answer`` does."""
        if request.overrides:
            reason = f"{' and '.join(request.overrides)} were given"
        else:
            answer = await self.find_answer(view, release, request.provider, request.model)
            body = build_answer_body(answer, release.warning)
            try:
                return render_f_string_answer(body, request.input_variables)
            except UnfillableTemplateError as error:
                reason = str(error)
        return await self._ask_for_rendering(view, release, request, reason)

    async def _ask_for_rendering(
        self, view: ReleaseView, release: PromptRelease, request: TemplateRequest, reason: str
    ) -> bytes:
        key = release.key
        try:
            client, path = self._find_client(key.source), f"/prompt-templates/{key.prompt_id}"
            body = request.build_upstream_body(release.version)
            answer = await self._ask(partial(client.send, "POST", path, body))
        except ValueError:  # half a character, or a number beyond all bounds
            raise InvalidInputError("The body has a text or number that cannot be sent.") from None
        except BridgeError as error:
            raise _translate_error(
                error,
                f"{release.name} has to be rendered by PromptLayer, as {reason}.",
                " With skip_input_variable_rendering it is answered unrendered.",
            ) from None
        # PromptLayer looks a number up as a name too, and a version of another prompt is not asked.
        if not isinstance(answer, dict) or (answer.get("id"), answer.get("version")) != (
            key.prompt_id,
            release.version,
        ):
            raise UnavailableError(
                f"PromptLayer was asked for version {release.version} of {release.name} and"
                " answered something else."
            )
        place = AnswerKey(key.source, key.prompt_id, release.version)
        rendered = PromptAnswer(place, json.dumps(answer).encode(), etag="")
        _check_snippets(view, release, rendered)
        return build_answer_body(rendered, release.warning)

    async def _fetch_once(self, key: AnswerKey) -> PromptAnswer:
        """Who asks for the same answer meanwhile waits for the same request."""
        task = self._fetches.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(partial(self._fetch_answer, key)))
            self._fetches[key] = task
            task.add_done_callback(lambda done: self._forget_fetch(key, done))
        try:
            return await asyncio.shield(task)
        except BridgeError as error:
            told = f"PromptLayer has to be asked for version {key.version} of this prompt first."
            raise _translate_error(error, told, "") from None

    async def _fetch_provider_key(self, key: AnswerKey, known: PromptAnswer) -> PromptAnswer:
        """The answer with the key of its custom provider, which is never stored: a process asks
        PromptLayer for it after its start. Without the key where PromptLayer does not answer soon,
        so that a read goes on while PromptLayer is away."""
        now = time.monotonic()
        if key not in self._fetches and now < self._provider_keys_from.get(key, now):
            return known
        self._provider_keys_from[key] = now + _PROVIDER_KEY_PAUSE
        try:
            async with asyncio.timeout(_PROVIDER_KEY_WAIT):
                return await self._fetch_once(key)
        except (BridgeError, TimeoutError):
            return known

    async def _ask(self, call: Callable[[], _T]) -> _T:
        """Raises what the call raises, and UnavailableError when very many wait already."""
        if self._asked >= _MOST_ASKED:
            raise UnavailableError("Too many requests wait for PromptLayer at once.")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._asked -= 1

    def _forget_fetch(self, key: AnswerKey, done: asyncio.Task[PromptAnswer]) -> None:
        self._fetches.pop(key, None)
        if not done.cancelled():
            done.exception()  # who asked may be gone, and nobody else would take it


def build_answer_body(answer: PromptAnswer, warning: str | None) -> bytes:
    """PromptLayer's answer as it was made, but for a warning of the bridge and the key of a custom
    provider, which is kept apart."""
    if warning is None and answer.provider_key is None:
        return answer.body
    content = json.loads(answer.body)
    if warning is not None:
        theirs = content.get("warning")
        content["warning"] = f"{theirs} {warning}" if theirs else warning
    if answer.provider_key is not None and isinstance(content.get("custom_provider"), dict):
        content["custom_provider"]["api_key"] = answer.provider_key
    return json.dumps(content).encode()


def _check_snippets(view: ReleaseView, release: PromptRelease, found: PromptAnswer) -> None:
    """PromptLayer puts snippets in as they are there now; the ones that are merged are those of the
    answer that was confirmed. Raises StaleStateError for others."""
    confirmed = view.find_answer(release)
    if confirmed is not None and _read_snippets(confirmed) != _read_snippets(found):
        raise StaleStateError(
            f"The snippets of {release.name} have other versions in PromptLayer than those that are"
            " merged. Merge or withdraw them, or ask without provider, model and variables."
        )


def _translate_error(error: BridgeError, told: str, advice: str) -> BridgeError:
    """An error of PromptLayer for an application, which neither holds the bridge's key nor asked
    for what the bridge may do: what PromptLayer refused is told, all else may be tried again."""
    for kind in (NotFoundError, InvalidInputError, RequestRefusedError):
        if isinstance(error, kind):
            return kind(f"{told} {error}")
    after = getattr(error, "retry_after", None)
    return UnavailableError(f"{told} That fails now: {error}{advice}", retry_after=after)
