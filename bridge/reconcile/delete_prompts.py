"""Delete in PromptLayer what was deleted on the base branch, for mappings that want that.

A push names the commit before it. A resync and CI know it from a record, kept in the repository beside
its branches: the commit up to which deletions were followed. The first run with ``on_delete: delete``
only writes it, so that nothing of before is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import quote

from bridge.errors import (
    BridgeError,
    ForbiddenError,
    NotFoundError,
    RequestRefusedError,
    StaleStateError,
    TransientError,
)
from bridge.promptlayer.publish_version import delete_prompt
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.push_changes import find_push_changes
from bridge.reconcile.read_sources import BaseFiles, SinglePromptReader
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot
from bridge.repo.state_ref import STATE_NAMESPACE, StateReference

log = logging.getLogger("bridge.agreements")

_FILE = "base"  # below the record's ref
_REACH = 500  # commits of the base branch among which the recorded one has to be
_MESSAGE = "Record up to where deletions were followed\n"


@dataclass(frozen=True)
class RemovedPrompt:
    """A prompt that PromptLayer has and whose last file is gone."""

    target: Target
    prompt: Prompt


@dataclass(frozen=True)
class PromptDeletion:
    """What came of deleting one prompt."""

    prompt: Prompt
    problem: BridgeError | None = None

    @property
    def text(self) -> str:
        if self.problem is not None:
            return f"{self.prompt.name} was not deleted in PromptLayer: {self.problem}"
        return f"{self.prompt.name} is deleted in PromptLayer, as its file was"


def find_removed_prompts(
    context: MappingContext, base_files: BaseFiles, deleted: Collection[Target]
) -> tuple[RemovedPrompt, ...]:
    """Find the prompts of targets whose file was deleted: only where no file of the prompt is left under
    any label, and where PromptLayer still holds what the file stood for. A file that went because
    its label was removed there takes nothing with it; one that is moved out of the mapping's
    folder counts as deleted."""
    left = {target.prompt_id for target in base_files.find_all_targets()}
    found: dict[int, RemovedPrompt] = {}
    for target in sorted(deleted):
        if target.prompt_id in left or target.prompt_id in found:
            continue
        prompt = SinglePromptReader(context).read_tracked(target).prompt
        if prompt is not None:
            found[target.prompt_id] = RemovedPrompt(target, prompt)
    return tuple(found.values())


def delete_removed_prompts(
    context: MappingContext, removed: Sequence[RemovedPrompt]
) -> tuple[PromptDeletion, ...]:
    """Delete these in PromptLayer. One that is gone already is left out."""
    done = []
    for one in removed:
        try:
            listed = context.promptlayer.list_prompts(name=one.prompt.name)
            kinds = (item.is_snippet for item in listed if item.prompt.id == one.prompt.id)
            delete_prompt(context.promptlayer, one.prompt, is_snippet=next(kinds, False))
        except NotFoundError:
            continue
        except BridgeError as error:
            done.append(PromptDeletion(one.prompt, error))
        else:
            done.append(PromptDeletion(one.prompt))
    return tuple(done)


@dataclass(frozen=True)
class DeletionRecord:
    """The commit of the base branch up to which a mapping's deletions were followed."""

    context: MappingContext
    snapshot: RepositorySnapshot

    @property
    def _state(self) -> StateReference:
        name = quote(self.context.mapping.name, safe="").replace(".", "%2E")
        return StateReference(self.snapshot, f"{STATE_NAMESPACE}deletions/{name}")

    def read(self) -> str | None:
        """None where nothing is recorded, or the recorded commit is not on the base branch."""
        self._state.fetch()
        text = self._state.read([_FILE]).get(_FILE)
        if text is None:
            return None
        commit = text.decode().strip()
        line = self.snapshot.read_history(
            self.snapshot.commit, lambda each: each.object_id == commit, limit=_REACH
        )
        return commit if line and line[-1].object_id == commit else None

    def write(self, now: datetime) -> None:
        """Record the snapshot's commit. Another process may have been quicker: it recorded one
        as good."""
        try:
            content = {_FILE: f"{self.snapshot.commit}\n".encode()}
            self._state.write(content, self.context.bot.identity, now, _MESSAGE)
        except StaleStateError:
            self._state.fetch()
        except (RequestRefusedError, ForbiddenError) as error:
            log.warning(
                "%s: %s Without this record, only pushes that the forge tells of delete prompts.",
                self.context.mapping.name,
                error,
            )


@dataclass(frozen=True)
class MissedDeletions:
    """The deletions on the base branch since the record, as a resync and CI follow them."""

    context: MappingContext
    snapshot: RepositorySnapshot
    index: PromptFileIndex

    def find(self) -> tuple[RemovedPrompt, ...]:
        """The prompts to delete. Only those of which PromptLayer still holds what the file said at
        the recorded commit: a newer text, or one of somebody who restored the prompt, stays."""
        since = self._since
        if since is None or since == self.snapshot.commit:
            return ()
        commit = self.snapshot.commit
        changes = find_push_changes(self.context, self.index, self.snapshot, since, commit)
        if changes.mistakes or not changes.deleted_targets:
            return ()  # a file that cannot be read may be the one that seems to be deleted
        before = BaseFiles.read_at_commit(self.context, self.snapshot, since, self.index)
        former = before.find(dict.fromkeys(changes.deleted_targets, ""))
        now = BaseFiles.read_at_commit(self.context, self.snapshot, commit, self.index)
        return tuple(
            one
            for one in find_removed_prompts(self.context, now, changes.deleted_targets)
            if (file := former.get(one.target)) is not None
            and file.prompt is not None
            and file.prompt.digest == one.prompt.digest
        )

    def process(self, now: datetime) -> tuple[PromptDeletion, ...]:
        """Delete them, and record up to where that was done, unless something has to be tried
        again. Where nothing is new, nothing is written."""
        done = delete_removed_prompts(self.context, self.find())
        is_due = self._since != self.snapshot.commit
        if is_due and not any(isinstance(each.problem, TransientError) for each in done):
            self._record.write(now)
        return done

    @cached_property
    def _since(self) -> str | None:
        return self._record.read()

    @property
    def _record(self) -> DeletionRecord:
        return DeletionRecord(self.context, self.snapshot)
