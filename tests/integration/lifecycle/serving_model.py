"""A random life of one prompt on both sides, with processes that confirm, race and are killed, and
a reader that notes every answer."""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from bridge.engine.controller import BridgeController
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.prompt import LATEST
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.snapshot import RepositorySnapshot
from bridge.serve.release import PromptAnswer, ReleaseKey, ReleaseRecord
from bridge.serve.release_confirmer import ReleaseConfirmer
from bridge.serve.release_store import ReleaseStore
from bridge.wiring import create_release_confirmer
from tests.integration.lifecycle.bridge_environment import (
    NAME,
    PATH,
    BridgeEnvironment,
    first_text,
)


class ProcessKilledError(Exception):
    """Stands for SIGKILL: nothing after it happens."""


@dataclass
class ServingProcess:
    controller: BridgeController
    confirmer: ReleaseConfirmer
    position: int = -1  # on the base branch, of what was read last


@dataclass
class ServedReadings:
    """What the reader saw."""

    answers: int = 0
    unmerged: list[str] = field(default_factory=list)
    went_back: list[str] = field(default_factory=list)


class ServingModel:
    def __init__(
        self, bridge: BridgeEnvironment, seed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.bridge = bridge
        self.random = random.Random(seed)
        self.readings = ServedReadings()
        self._texts = itertools.count(1)
        self._merged: dict[str, list[int]] = defaultdict(list)  # text → places on the base
        self._line: list[str] = []  # what the base said, from commit to commit
        self._at_fetch: list[Callable[[], None]] = []
        self._patch_fetch(monkeypatch)
        bridge.save(self._next_text())
        self._merge_platform()
        self.processes = [self._start(bridge.another_worker(bridge.database)) for _ in range(2)]
        bridge.controller = self.processes[0].controller

    def run(self, edits: int) -> ServedReadings:
        """So many random edits, each followed by whatever else may happen."""
        edit = (self._save, self._merge_platform, self._merge_file, self._revert)
        other = (self._confirm, self._confirm, self._race, self._kill, self._sweep, self._restart)
        for _ in range(edits):
            self.random.choice(edit)()
            self._read()
            for _ in range(2):
                self.random.choice(other)()
                self._read()
        return self.readings

    def _start(self, controller: BridgeController) -> ServingProcess:
        confirmer = create_release_confirmer(controller, self.bridge.database)
        controller.release_confirmer = confirmer
        return ServingProcess(controller, confirmer)

    def _next_text(self) -> str:
        return f"Answer number {next(self._texts)}."

    def _save(self) -> None:
        """Somebody edits in PromptLayer, and nobody merges it."""
        self.bridge.save(self._next_text())
        self.bridge.post.lose()

    def _merge_platform(self) -> None:
        """What PromptLayer has is merged."""
        self.bridge.adopt()
        self._note()

    def _merge_file(self) -> None:
        """An engineer's edit is merged."""
        text = self.bridge.repository.text(PATH)
        assert text is not None
        edited = text.replace(str(self.bridge.says()), self._next_text())
        self.bridge.repository.commit({PATH: edited.encode()})
        self._note()

    def _revert(self) -> None:
        self.bridge.repository.revert()
        if self.bridge.repository.text(PATH) is None:  # the very first one
            self.bridge.adopt()
        self._note()

    def _note(self) -> None:
        text = str(self.bridge.says())
        self._merged[text].append(len(self._line))
        self._line.append(text)

    def _confirm(self) -> None:
        process = self.random.choice(self.processes)
        process.confirmer.request_targets("support", is_complete=self.random.random() < 0.5)
        process.confirmer.confirm_pending()

    def _race(self) -> None:
        """Both confirm, and the base moves on between their readings of it."""
        slow, fast = self.random.sample(self.processes, 2)

        def overtake() -> None:
            self._save()
            self.random.choice((self._merge_platform, self._merge_platform, self._merge_file))()
            fast.confirmer.request_targets("support", is_complete=True)
            fast.confirmer.confirm_pending()
            self._read()

        self._at_fetch.append(overtake)
        slow.confirmer.request_targets("support", is_complete=True)
        slow.confirmer.confirm_pending()

    def _kill(self) -> None:
        """A process dies somewhere in its confirmation, and is started again."""
        process = self.random.choice(self.processes)
        process.confirmer.request_targets("support", is_complete=True)
        with suppress(ProcessKilledError), _killed_in(self.random):
            process.confirmer.confirm_pending()
        self._restart(process)

    def _sweep(self) -> None:
        """What the hourly resync does; it may publish what was merged."""
        self.bridge.controller = self.random.choice(self.processes).controller
        self.bridge.sweep()
        self.bridge.post.lose()
        for process in self.processes:
            process.confirmer.confirm_pending()

    def _restart(self, process: ServingProcess | None = None) -> None:
        process = process or self.random.choice(self.processes)
        process.confirmer = self._start(process.controller).confirmer
        process.confirmer.replica.refresh()

    def _read(self) -> None:
        for process in self.processes:
            process.confirmer.replica.refresh()
            snapshot = process.confirmer.replica.index.snapshot
            release = snapshot.find_release("promptlayer", NAME, LATEST)
            if release is None:
                continue
            answer = snapshot.find_answer(release)
            assert answer is not None, "a release without its answer"
            text = first_text(json.loads(answer.body)["prompt_template"])
            self.readings.answers += 1
            places = self._merged.get(text)
            if not places:
                self.readings.unmerged.append(text)
                continue
            later = [place for place in places if place >= process.position]
            if not later:
                self.readings.went_back.append(text)
            process.position = min(later, default=places[-1])

    def _patch_fetch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fetch = MappingContext.fetch

        def fetch_and_wait(context: MappingContext) -> RepositorySnapshot:
            snapshot = fetch(context)
            if self._at_fetch:
                self._at_fetch.pop()()
            return snapshot

        monkeypatch.setattr(MappingContext, "fetch", fetch_and_wait)


@contextmanager
def stores_what_was_read_earlier() -> Iterator[None]:
    """A planted fault: a process overwrites what another stored since it read the base branch."""
    save = ReleaseStore.save

    def save_in_any_case(
        store: ReleaseStore,
        records: Sequence[ReleaseRecord],
        answers: Sequence[PromptAnswer],
        seen: int,
    ) -> frozenset[ReleaseKey]:
        return save(store, records, answers, 1 << 60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReleaseStore, "save", save_in_any_case)
        yield


@contextmanager
def _killed_in(chance: random.Random) -> Iterator[None]:
    """A process that dies before an answer comes, before its changes are stored, or right after
    that: none of them is announced then."""
    place = chance.choice(("answer", "before", "after"))
    save = ReleaseStore.save

    def die(*_: object) -> object:
        raise ProcessKilledError

    def save_and_die(store: ReleaseStore, *given: object) -> object:
        save(store, *given)  # type: ignore[arg-type]
        raise ProcessKilledError

    with pytest.MonkeyPatch.context() as patch:
        if place == "answer":
            patch.setattr(PromptLayerClient, "send", die)
        else:
            patch.setattr(ReleaseStore, "save", die if place == "before" else save_and_die)
        yield
