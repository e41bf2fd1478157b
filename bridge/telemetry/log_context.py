"""The context of the work under way: its delivery, mapping and proposal, from the webhook to the
pull request.

Every log line carries it, and the registered tracers get each step. It belongs to the running
thread or task; ``with_log_context`` passes it to other threads.
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
    """A receiver of steps, such as metrics or OpenTelemetry."""

    def start_span(self, name: str, known: Mapping[str, str]) -> AbstractContextManager[None]:
        """A context manager that is entered when the step begins and left when it ends, with its
        error if it failed."""


class _RegisteredTracers:
    """The tracers of this process."""

    tracers: tuple[SpanTracer, ...] = ()


def set_tracers(*tracers: SpanTracer) -> None:
    """Register these tracers, in place of all former ones."""
    _RegisteredTracers.tracers = tracers


def get_log_context() -> Mapping[str, str]:
    """The context of the work under way: ``delivery``, ``mapping``, ``proposal`` and others."""
    return _known.get() or {}


@contextmanager
def span(name: str, **about: str | None) -> Iterator[None]:
    """Run a step. Its values are added to the context while the block runs; None and empty ones are
    skipped."""
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
    """``work`` for other threads, with the present context."""
    here = copy_context()

    def there(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return here.copy().run(work, *args, **kwargs)

    return there
