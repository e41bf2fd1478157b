"""Applications that read what is served, all the time, and note every answer."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bridge.errors import BridgeError
from bridge.prompts.prompt import LATEST
from bridge.sandbox.local_http_client import create_local_client
from tests.chaos.chaos_environment import APPLICATION_TOKEN, LABEL
from tests.chaos.random_users import find_words
from tests.standins.git_http import git

_PAUSE = 0.05  # seconds between two reads
_LAG = 45.0  # seconds that a base that was changed may take until it is followed
_ANSWERED = (200, 404)


@dataclass(frozen=True)
class ServedReading:
    """An answer that differs from the one before it, for the same prompt and label."""

    prompt_id: int
    label: str
    commit: str
    path: str
    words: frozenset[str]  # of the prompt's text
    at: float  # seconds of the monotonic clock

    def __str__(self) -> str:
        return f"prompt {self.prompt_id} at {self.label}, commit {self.commit[:12]}"


@dataclass
class ApplicationReaders:
    """Read every prompt at both labels over and over. An answer that neither is there nor says
    that nothing is served is a failed read; a process that was killed cannot be reached."""

    address: str
    list_prompts: Callable[[], Sequence[int]]
    counted: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    readings: dict[tuple[int, str], list[ServedReading]] = field(default_factory=dict)

    @contextmanager
    def run(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._read_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _read_until(self, over: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {APPLICATION_TOKEN}"}
        with create_local_client(base_url=self.address, headers=headers, timeout=10) as client:
            while not over.is_set():
                for id in self.list_prompts():
                    for label in (LATEST, LABEL):
                        if not over.wait(_PAUSE):
                            self._read(client, id, label)

    def _read(self, client: httpx2.Client, id: int, label: str) -> None:
        try:
            answer = client.get(f"/v1/prompts/{id}?label={label}")
        except httpx2.TransportError:
            self.counted["reads of a process that was gone"] += 1
            return
        if answer.status_code not in _ANSWERED:
            self.failed.append(f"prompt {id} at {label}: {answer.status_code} {answer.text[:200]}")
        elif answer.status_code == 404:
            self.counted["reads of what is not served"] += 1
        else:
            self.counted["reads"] += 1
            told = answer.json()
            words = frozenset(find_words(str(told["prompt"]["prompt_template"])))
            found = ServedReading(id, label, told["commit"], told["path"], words, time.monotonic())
            self._note(found)

    def _note(self, found: ServedReading) -> None:
        before = self.readings.setdefault((found.prompt_id, found.label), [])
        if not before or (before[-1].commit, before[-1].words) != (found.commit, found.words):
            before.append(found)


@dataclass(frozen=True)
class ReadingChecker:
    """Compares what was read with the commits of ``bases`` in a repository. ``base_changes`` are
    the moments at which a person named another base."""

    repository: Path
    bases: Sequence[str]
    base_changes: Sequence[float] = ()

    def find_unmerged(self, readings: Sequence[ServedReading]) -> list[ServedReading]:
        """Those whose text is not that of their file at their commit, or whose commit was never on
        a base."""
        return [each for each in readings if not self._is_merged(each)]

    def find_older(self, readings: Sequence[ServedReading]) -> list[ServedReading]:
        """Those that go back to an ancestor of the commit before, while the base stayed."""
        return [
            after
            for before, after in itertools.pairwise(readings)
            if before.commit != after.commit
            and self._is_ancestor(after.commit, before.commit)
            and not any(before.at - _LAG <= each <= after.at for each in self.base_changes)
        ]

    def _is_merged(self, reading: ServedReading) -> bool:
        if not any(self._is_ancestor(reading.commit, base) for base in self.bases):
            return False
        try:
            text = git(self.repository, "show", f"{reading.commit}:{reading.path}")
        except (BridgeError, RuntimeError):
            return False
        return find_words(text) == reading.words

    def _is_ancestor(self, commit: str, of: str) -> bool:
        base = git(self.repository, "merge-base", commit, of)
        return base == commit
