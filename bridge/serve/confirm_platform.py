"""Confirm what PromptLayer has: the version that each tracked label points to is what is served."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bridge.errors import BridgeError, TransientError
from bridge.prompts.prompt import LATEST
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import SinglePromptReader
from bridge.serve.confirmation_request import ConfirmationRequest
from bridge.serve.fetch_answers import read_snippets
from bridge.serve.release import AnswerKey, ReleaseRecord
from bridge.serve.release_batch import ReleaseBatch, ReleaseContent

log = logging.getLogger("bridge.serve")


@dataclass
class PlatformReleaseConfirmer:
    """Confirms the releases of one mapping that serves labels as PromptLayer has them."""

    context: MappingContext
    request: ConfirmationRequest
    batch: ReleaseBatch

    def __post_init__(self) -> None:
        self.unanswered: set[Target] = set()
        self.doubtful: set[Target] = set()

    def confirm(self) -> None:
        """Confirm, replace and end releases; the caller saves the batch."""
        targets = set(self.request.targets) | self.request.versions.keys()
        if self.request.is_complete:
            targets |= set(self.batch.list_own_targets())
        for target in sorted(targets):
            try:
                self._confirm(target)
            except TransientError as error:
                self.unanswered.add(target)
                self._doubt(target, error, lasts=False)
            except BridgeError as error:
                self._doubt(target, error, lasts=True)

    def _confirm(self, target: Target) -> None:
        record = self.batch.find_record(target)
        _, version = self.request.versions.get(target, ("", 0))
        if not version or record is None or version != record.release.version:
            found = SinglePromptReader(self.context).read_tracked(target).prompt
            if found is None or found.version is None:
                if self.request.is_complete:  # the list does not have it either
                    self.batch.end(target)
                return
            version, name = found.version, found.name
        else:
            name = record.release.name
        is_same = record is not None and record.release.version == version
        if record is not None and is_same and not self._has_to_be_read(target, record):
            self.batch.confirm_release(record, record.release.path)
            return
        content = ReleaseContent(target, name, version, "", "", checks_snippets=False)
        self.batch.release(content, self.batch.fetch_answers(content))

    def _has_to_be_read(self, target: Target, record: ReleaseRecord) -> bool:
        """Whether the answer may be another, as it has snippets in it and there was an event."""
        if target not in self.request.targets:
            return False
        key = record.release.key
        answers = self.batch.replica.index.snapshot.answers
        answer = answers.get(AnswerKey(key.source, key.prompt_id, record.release.version))
        return answer is None or bool(read_snippets(answer))

    def _doubt(self, target: Target, error: BridgeError, *, lasts: bool) -> None:
        self.doubtful.add(target)
        label = "the newest version" if target.label == LATEST else f"label {target.label}"
        log.warning("%s of prompt %d is not confirmed: %s", label, target.prompt_id, error)
        record = self.batch.find_record(target)
        if record is not None:
            self.batch.warn(target, record.release.name, "", str(error), lasts=lasts)
