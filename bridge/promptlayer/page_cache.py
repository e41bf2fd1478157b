"""Share list pages among callers for a while: hundreds of mappings of one workspace are resynced at
the same time, and each would read all of its pages."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from bridge.prompts.prompt import Json


@dataclass(frozen=True)
class _CachedPage:
    read_at: float
    body: bytes  # compressed: ten thousand prompts are a few megabytes


class ListPageCache:
    """The cached pages of one workspace. Safe for threads: a caller waits for a page that another
    one is reading."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pages: dict[Hashable, _CachedPage] = {}
        self._reading: dict[Hashable, threading.Lock] = defaultdict(threading.Lock)
        self._changing = threading.Lock()

    def read(self, page: Hashable, age: float, ask: Callable[[], Json]) -> Json:
        """The response of ``ask``, or one that it gave at most ``age`` seconds ago."""
        if age <= 0:
            return ask()
        with self._changing:
            reading = self._reading[page]
        with reading:
            kept = self._pages.get(page)
            if kept is not None and self._clock() - kept.read_at <= age:
                found: Json = json.loads(zlib.decompress(kept.body))
                return found
            asked_at, answer = self._clock(), ask()
            packed = zlib.compress(json.dumps(answer).encode(), level=1)
            self._keep(page, _CachedPage(asked_at, packed), asked_at - age)
            return answer

    def _keep(self, page: Hashable, kept: _CachedPage, oldest: float) -> None:
        with self._changing:
            self._pages = {
                other: one for other, one in self._pages.items() if one.read_at >= oldest
            } | {page: kept}
