"""This process's replica of the stored releases: read once, then what changed since."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    ReleaseKey,
    ReleaseRecord,
    ReleaseSnapshot,
    ServedCommit,
)
from bridge.serve.release_index import ReleaseIndex
from bridge.serve.release_store import ReleaseStore, build_answer

POLL_SECONDS = 1.0  # between two refreshes, so that processes agree within two seconds


class ReleaseReplica:
    """Follows the store, and announces every change to the index. Safe for threads.
    ``list_mappings`` names the mappings that serve now: releases of others are not announced."""

    def __init__(
        self,
        store: ReleaseStore,
        index: ReleaseIndex,
        list_mappings: Callable[[], Collection[str]],
    ) -> None:
        self.store = store
        self.index = index
        self._list_mappings = list_mappings
        self._turn = threading.Lock()
        self._revision = -1
        self._mappings: frozenset[str] = frozenset()
        self._records: dict[ReleaseKey, ReleaseRecord] = {}
        self._answers: dict[AnswerKey, PromptAnswer] = {}
        self._commits: dict[str, tuple[ServedCommit, ...]] = {}
        self._provider_keys: dict[AnswerKey, str] = {}

    @property
    def records(self) -> Mapping[ReleaseKey, ReleaseRecord]:
        """All records, also of what is not served. A copy."""
        with self._turn:
            return dict(self._records)

    def refresh(self) -> int:
        """Read what was stored since the last time; returns the revision that is announced now.
        Raises what the store raises: what was announced before stays."""
        with self._turn:
            mappings = frozenset(self._list_mappings())
            if not mappings and not self._mappings and self._revision >= 0:
                return self._revision  # nobody serves anything
            changes = self.store.load(max(0, self._revision))
            if changes.revision == self._revision and mappings == self._mappings:
                return self._revision
            self._revision, self._mappings = changes.revision, mappings
            self._records.update({each.release.key: each for each in changes.records})
            self._answers.update({each.key: each for each in changes.answers})
            self._commits.update(changes.commits)
            if changes.records:
                self._forget_past_versions()
            self.index.replace(self._build_snapshot())
            return self._revision

    def keep_provider_key(self, key: AnswerKey, provider_key: str | None) -> None:
        """Have answers of this key carry a custom provider's key from now on. It is not stored, so
        each process asks PromptLayer for it."""
        with self._turn:
            if provider_key is None:
                self._provider_keys.pop(key, None)
            else:
                self._provider_keys[key] = provider_key
            if key in self._answers:
                self.index.replace(self._build_snapshot())

    def _forget_past_versions(self) -> None:
        """Answers are kept for the versions that are served, and so are keys of providers."""
        served = {
            (key.source, key.prompt_id, record.release.version)
            for key, record in self._records.items()
        }
        for kept in (self._answers, self._provider_keys):
            for key in [each for each in kept if _version_of(each) not in served]:
                del kept[key]

    def _build_snapshot(self) -> ReleaseSnapshot:
        told = {
            key: record.release
            for key, record in self._records.items()
            if record.release.mapping in self._mappings
        }
        releases = {key: release for key, release in told.items() if release.version > 0}
        answers = dict(self._answers)
        for key, provider_key in self._provider_keys.items():
            if key in answers:
                answers[key] = build_answer(key, answers[key].body, provider_key)
        return ReleaseSnapshot(
            revision=max(0, self._revision),
            releases=releases,
            answers=answers,
            commits={
                name: found for name, found in self._commits.items() if name in self._mappings
            },
            ids_by_name={
                (key.source, release.name): key.prompt_id for key, release in releases.items()
            },
            doubts={
                key: release.warning
                for key, release in told.items()
                if release.version == 0 and release.warning
            },
        )


def _version_of(key: AnswerKey) -> tuple[str, int, int]:
    return key.source, key.prompt_id, key.version
