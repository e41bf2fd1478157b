"""The trail of a delivery: what the work in hand is about, from its arrival to its pull request.

Every log line carries what is known here, and a tracer, where there is one, sees each step. What
is known belongs to the thread or task that works; ``carried`` takes it into others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, Protocol, TypeVar

log = logging.getLogger("bridge.trail")

_P = ParamSpec("_P")
_R = TypeVar("_R")

_known: ContextVar[Mapping[str, str] | None] = ContextVar("trail", default=None)


class SpanTracer(Protocol):
    """Something that wants to see each step while it lasts."""

    def start_span(self, name: str, known: Mapping[str, str]) -> AbstractContextManager[None]:
        """Entered when the step begins, left when it ends, with its error if it failed."""


class _RegisteredTracers:
    """Who sees the steps of this process; nobody, for most bridges."""

    tracers: tuple[SpanTracer, ...] = ()


def set_tracers(*tracers: SpanTracer) -> None:
    """Show every step from now on to these, and to nobody else."""
    _RegisteredTracers.tracers = tracers


def get_log_context() -> Mapping[str, str]:
    """What the work in hand is about: ``delivery``, ``mapping``, ``proposal`` and the like."""
    return _known.get() or {}


@contextmanager
def span(name: str, **about: str | None) -> Iterator[None]:
    """One step of the way. What it is about is added to what is known already, while it lasts;
    what is None or empty is left out."""
    more = {key: value for key, value in about.items() if value}
    before = _known.set({**get_log_context(), **more})
    started = time.perf_counter()
    try:
        if _RegisteredTracers.tracers:
            with ExitStack() as stack:
                for tracer in _RegisteredTracers.tracers:
                    stack.enter_context(tracer.start_span(name, get_log_context()))
                yield
        else:
            yield
    finally:
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s took %.1f ms", name, (time.perf_counter() - started) * 1000)
        _known.reset(before)


def with_log_context(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """``work`` for other threads, with what is known here."""
    here = copy_context()

    def there(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return here.copy().run(work, *args, **kwargs)

    return there
