"""Delivers the log queue to PromptLayer, in a thread of its own: in order for each subject, at
least once.

What PromptLayer refuses for good is parked, and so is what it did not take in time. While it is
away, or refuses the bridge's key, calls wait.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from bridge.errors import BridgeError, UnavailableError
from bridge.prompts.prompt import Json
from bridge.serve.log_calls import (
    LOG_CALLS,
    build_delivered_body,
    describe_refusal,
    find_own_ids,
)
from bridge.serve.upstream import FindUpstream, PromptLayerUpstream
from bridge.storage.backoff import compute_backoff_delay
from bridge.storage.inbox import Clock
from bridge.storage.log_queue import LogDeliveryResult, LogQueue, LogState, QueuedLog

log = logging.getLogger("bridge.logs")

_AT_ONCE = 32
_IDLE = 1.0  # seconds between two looks for what another process queued
_TIDIED = 3600.0  # seconds between two deletions of what is old
_LEASE = timedelta(seconds=60)
_NOT_YET = (401, 403, 408, 425, 429)  # the key, or the moment, is wrong and not the call


@dataclass(frozen=True)
class LogSenderSettings:
    """``keep`` is how long a call waits for PromptLayer before it is parked."""

    keep: timedelta = timedelta(hours=24)
    lease: timedelta = _LEASE  # longer than a request may take
    longest_pause: float = 30.0  # seconds between two attempts while nothing is taken


class LogSender:
    """The thread. ``find_upstream`` gives the API of a workspace by its source."""

    def __init__(
        self,
        queue: LogQueue,
        find_upstream: FindUpstream,
        clock: Clock,
        settings: LogSenderSettings = LogSenderSettings(),
    ) -> None:
        self._queue = queue
        self._find_upstream = find_upstream
        self._clock = clock
        self._settings = settings
        self._stopping = threading.Event()
        self._failures = 0  # rounds in a row in which nothing was taken
        self._tidied_at = -_TIDIED

    @contextmanager
    def run(self, within: float = 5.0) -> Iterator[None]:
        """Deliver while this lasts. At the end requests under way may take ``within`` seconds;
        what is not confirmed by then is delivered again."""
        thread = threading.Thread(target=self._run, name="log-sender", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._queue.notify_waiting()
            thread.join(within)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            upstream = PromptLayerUpstream(self._find_upstream)
            try:
                self._release_claims()
                while not self._stopping.is_set():
                    self._try_round(runner, upstream)
            finally:
                runner.run(upstream.close())

    def _release_claims(self) -> None:
        try:
            self._queue.release_claims()
        except BridgeError as error:
            log.warning("the log queue cannot be read: %s", error)

    def _try_round(self, runner: asyncio.Runner, upstream: PromptLayerUpstream) -> None:
        try:
            self._delete_old()
            claimed = self._queue.claim_due(_AT_ONCE, self._settings.lease)
            if not claimed:
                self._queue.wait_for_new(_IDLE)
                return
            results = runner.run(self._deliver(upstream, claimed))
            self._queue.record_results(results)
        except BridgeError as error:
            log.warning("the log queue stands still: %s", error)
            self._stopping.wait(_IDLE)
        except Exception:  # what is queued is there still
            if not self._stopping.is_set():
                log.exception("delivering logs stumbled and goes on")
                self._stopping.wait(_IDLE)
        else:
            self._note_parked(results)
            self._pause_if_none_is_taken(results)

    def _delete_old(self) -> None:
        if time.monotonic() - self._tidied_at >= _TIDIED:
            self._queue.delete_old()
            self._tidied_at = time.monotonic()

    def _note_parked(self, results: Sequence[LogDeliveryResult]) -> None:
        for one in results:
            if one.state is LogState.PARKED:
                log.warning(
                    "a call of application %s is parked: %s", one.log.application, one.reason
                )

    def _pause_if_none_is_taken(self, results: Sequence[LogDeliveryResult]) -> None:
        waiting = [one for one in results if one.state is LogState.WAITING and one.reason]
        if len(waiting) < len(results):
            self._failures = 0
            return
        self._failures += 1
        if self._failures == 1:
            log.warning("logs wait for PromptLayer: %s", waiting[0].reason)
        pause = compute_backoff_delay(self._failures - 1, None)
        self._stopping.wait(min(pause, self._settings.longest_pause))

    async def _deliver(
        self, upstream: PromptLayerUpstream, claimed: Sequence[QueuedLog]
    ) -> list[LogDeliveryResult]:
        return await asyncio.gather(*(self._deliver_one(upstream, one) for one in claimed))

    async def _deliver_one(
        self, upstream: PromptLayerUpstream, call: QueuedLog
    ) -> LogDeliveryResult:
        content = json.loads(call.body)
        named = find_own_ids(content)
        ids = self._queue.find_platform_ids(call.source, named) if named else {}
        if missing := named - ids.keys():
            return self._postpone(call, missing)
        try:
            key = upstream.find_settings(call.source).api_key
            body = build_delivered_body(call.path, content, ids, key)
            async with asyncio.timeout(self._settings.lease.total_seconds() / 2):
                response, answer = await upstream.post_json(call.source, call.path, body)
        except (UnavailableError, TimeoutError) as error:
            return self._retry(call, str(error) or "PromptLayer takes too long.", None)
        return self._judge(call, response.status_code, answer, response.headers.get("retry-after"))

    def _judge(
        self, call: QueuedLog, status: int, answer: bytes, retry_after: str | None
    ) -> LogDeliveryResult:
        parsed = _parse_json(answer)
        if 200 <= status < 300 and isinstance(parsed, dict):
            made = LOG_CALLS[call.path].made
            return LogDeliveryResult(call, LogState.DELIVERED, parsed.get(made) if made else None)
        refused = 400 <= status < 500 and status not in _NOT_YET and isinstance(parsed, dict)
        if refused:
            reason = describe_refusal(call.path, status, parsed)
            return LogDeliveryResult(call, LogState.PARKED, reason=reason)
        asked = float(retry_after) if retry_after and retry_after.isdecimal() else None
        return self._retry(call, f"PromptLayer answers {call.path} with {status}.", asked)

    def _retry(self, call: QueuedLog, reason: str, asked: float | None) -> LogDeliveryResult:
        if self._clock() - call.received_at > self._settings.keep:
            return LogDeliveryResult(
                call, LogState.PARKED, reason=f"PromptLayer did not take {call.path} in time"
            )
        delay = min(compute_backoff_delay(call.attempts, asked), 300.0)
        return LogDeliveryResult(call, LogState.WAITING, retry_after=delay, reason=reason)

    def _postpone(self, call: QueuedLog, missing: frozenset[str]) -> LogDeliveryResult:
        """A call about something that PromptLayer has no id for, yet or ever."""
        states: Mapping[str, LogState] = self._queue.find_states(call.source, missing)
        if all(states.get(id) is LogState.WAITING for id in missing):
            return LogDeliveryResult(call, LogState.WAITING, retry_after=_IDLE)
        reason = f"what {call.path} is about is parked, or was logged too long ago"
        return LogDeliveryResult(call, LogState.PARKED, reason=reason)


def _parse_json(answer: bytes) -> Json:
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None
