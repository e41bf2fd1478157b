"""Confirm what is merged: each file of the base branch names the version that is served.

The whole base branch is read once. A release whose file is letter for letter the one that was
served costs nothing more; for others the version that means the same is looked for, and its answer
is fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from bridge.errors import BridgeError, RequestRefusedError, TransientError, UnsafePathError
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.publish_order import SnippetCycleError, build_publish_layers
from bridge.prompts.prompt import Prompt
from bridge.prompts.selection import PromptSelection
from bridge.prompts.snippets import find_snippet_references
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import BaseFiles
from bridge.reconcile.source_commit import find_source_commits
from bridge.serve.confirmation_request import ConfirmationRequest
from bridge.serve.fetch_answers import needs_provider_key, read_snippets, request_answer
from bridge.serve.find_versions import MergedVersionFinder, read_merged_prompt
from bridge.serve.release import AnswerKey, PromptAnswer, ReleaseRecord
from bridge.serve.release_batch import ReleaseBatch, ReleaseContent
from bridge.telemetry.log_context import with_log_context

log = logging.getLogger("bridge.serve")

_FETCHED_AT_ONCE = 8  # requests to PromptLayer
_FETCHED_TOGETHER = 100  # releases that are in memory before they are stored


@dataclass(frozen=True)
class _PreparedRelease:
    """What was found for a target; neither content nor error where the mapping leaves it out."""

    target: Target
    name: str
    path: str
    content: ReleaseContent | None = None
    answers: Sequence[PromptAnswer] = ()
    error: BridgeError | None = None
    blob: str = ""  # of the file, where the error lasts until that changes


@dataclass
class MergedReleaseConfirmer:
    """Confirms the releases of one mapping as of one commit of the base branch."""

    context: MappingContext
    base: BaseFiles
    request: ConfirmationRequest
    batch: ReleaseBatch

    def __post_init__(self) -> None:
        self.unanswered: set[Target] = set()  # somebody did not answer: try these again soon
        self.doubtful: set[Target] = set()

    def confirm(self) -> None:
        """Confirm, replace, doubt and end releases; the caller saves the batch."""
        merged = find_merged_files(self.base)
        for target in self.request.left_out & merged.keys():
            self.batch.end(target, self.base.entries[merged.pop(target)].object_id)
        same: dict[Target, ReleaseRecord] = {}
        for target, path in merged.items():
            record = self.batch.find_record(target)
            if record is not None and self._is_same(target, path, record):
                same[target] = record
        self._release_all({t: path for t, path in merged.items() if t not in same})
        stale = {}
        for target, record in same.items():
            path = merged[target]
            if record.doubtful_blob == self.base.entries[path].object_id:
                if record.release.warning is None:
                    continue  # left out
                self.doubtful.add(target)
                name, reason = record.release.name, record.release.warning or ""
                self.batch.warn(target, name, path, reason, record.doubtful_blob, lasts=True)
            elif self._has_other_snippets(target, path, record):
                stale[target] = path
            else:
                self.batch.confirm_release(record, path)
        self._release_all(stale)
        if self.request.is_complete and not has_unreadable_files(self.base):
            for target in self.batch.list_own_targets():
                if target not in merged:
                    self.batch.end(target)

    def _is_same(self, target: Target, path: str, record: ReleaseRecord) -> bool:
        """Whether nothing has to be looked for: the file is the one that is served, or the one that
        was in doubt and nobody asks to try again."""
        blob = self.base.entries[path].object_id
        if blob == record.doubtful_blob:
            is_asked = target in self.request.targets and record.release.warning is not None
            return not (self.request.is_complete or is_asked)
        digest, version = self.request.versions.get(target, ("", 0))
        has_moved = digest == record.digest and version != record.release.version
        return record.is_served and blob == record.blob and not has_moved

    def _has_other_snippets(self, target: Target, path: str, record: ReleaseRecord) -> bool:
        """Whether the answer that is served has snippets in it that are not the merged ones, now
        that those are others."""
        key, version = record.release.key, record.release.version
        answer = self.batch.replica.index.snapshot.answers.get(
            AnswerKey(key.source, key.prompt_id, version)
        )
        if answer is None:
            return True
        if needs_provider_key(answer):
            with suppress(BridgeError):
                again = request_answer(self.context.promptlayer, answer.key)
                self.batch.replica.keep_provider_key(answer.key, again.provider_key)
        content = ReleaseContent(target, record.release.name, version, "", path)
        if not read_snippets(answer) or not self.batch.find_unmerged_snippet(answer, content):
            return False
        file = self.base.find({target: path}).get(target)
        if file is None or file.prompt is None:
            return False
        pinned = find_snippet_references(file.prompt.template)
        content = ReleaseContent(target, record.release.name, version, "", path, references=pinned)
        return self.batch.find_unmerged_snippet(answer, content) is not None

    def _release_all(self, paths: Mapping[Target, str]) -> None:
        """Find and fetch several at once, and take them in by their order."""
        if not paths:
            return
        files = self.base.find(paths)
        commits = find_source_commits(self.context, self.base.snapshot, set(paths.values()))

        def prepare(target: Target) -> _PreparedRelease:
            path = paths[target]
            return self._prepare(target, path, files.get(target), commits[path].object_id)

        with ThreadPoolExecutor(_FETCHED_AT_ONCE, "confirm") as pool:
            for layer in _order_by_snippets(paths, files):
                for start in range(0, len(layer), _FETCHED_TOGETHER):
                    some = layer[start : start + _FETCHED_TOGETHER]
                    for prepared in pool.map(with_log_context(prepare), some):
                        self._take_in(prepared)

    def _prepare(
        self, target: Target, path: str, file: BaseBranchFile | None, commit: str
    ) -> _PreparedRelease:
        """What PromptLayer says of a target. Changes nothing."""
        before = self.batch.find_record(target)
        name, blob = before.release.name if before else "", self.base.entries[path].object_id
        try:
            prompt = read_merged_prompt(file)
            name = prompt.name
            if not self._is_selected(prompt):
                return _PreparedRelease(target, name, path)
            finder = MergedVersionFinder(self.context, self.base.snapshot, self.request.versions)
            version = finder.find_version(target, prompt)
        except BridgeError as error:
            return _PreparedRelease(target, name, path, error=error, blob=blob)
        references = find_snippet_references(prompt.template)
        content = ReleaseContent(
            target, name, version, commit, path, prompt.digest, blob, references
        )
        try:
            answers = self.batch.fetch_answers(content)
        except BridgeError as error:
            return _PreparedRelease(target, name, path, error=error)
        return _PreparedRelease(target, name, path, content, answers)

    def _take_in(self, prepared: _PreparedRelease) -> None:
        error = prepared.error
        if prepared.content is not None:
            try:
                self.batch.release(prepared.content, prepared.answers)
            except RequestRefusedError as refused:  # a snippet may be merged without this file
                error = refused
        if error is None:
            return
        target, path, lasts = prepared.target, prepared.path, not isinstance(error, TransientError)
        self.doubtful.add(target)
        if not lasts:
            self.unanswered.add(target)
        log.warning("%s at %s is not served as merged: %s", path, target.label, error)
        blob = prepared.blob if lasts else ""
        self.batch.warn(target, prepared.name, path, str(error), blob, lasts=lasts)

    def _is_selected(self, prompt: Prompt) -> bool:
        """Whether the mapping's patterns and tags take a prompt in; no file tells a folder."""
        selection = self.context.mapping.selection
        return PromptSelection(selection.names, selection.tags).matches(
            prompt.name, prompt.tags, None
        )


def find_merged_files(base: BaseFiles) -> dict[Target, str]:
    """The files of the base branch → their paths, for the labels that the mapping tracks. A file
    that stands where another label's belongs, copied there to promote it, is that label's."""
    context, name = base.context, base.context.mapping.name
    owners = base.index.find_owners(base.snapshot, base.entries)
    owned = base.find_all_targets()
    found = {
        target: path for target, path in owned.items() if target.label in context.mapping.track
    }
    for owner in owners.values():
        id = owner.prompt_id
        for label in context.mapping.track if id and owner.name else ():
            try:
                place = context.build_file_path(Prompt(owner.name or "", {}, id=id), label)
            except UnsafePathError:
                continue
            there = owners.get(place)
            if id is None or there is None or there.prompt_id != id or not there.is_marked:
                continue
            original = owned.get(Target(name, id, there.label or label))
            if there.label in (label, None) or original not in (None, place):
                found[Target(name, id, label)] = place
    return found


def has_unreadable_files(base: BaseFiles) -> bool:
    """Whether a file may be a prompt's and does not tell whose: it may be the one that is missed."""
    owners = base.index.find_owners(base.snapshot, base.entries)
    return any(
        not owner.is_marked and base.context.may_hold_prompt(path) for path, owner in owners.items()
    )


def _order_by_snippets(
    targets: Iterable[Target], files: Mapping[Target, BaseBranchFile]
) -> list[list[Target]]:
    """In layers, snippets before those who use them."""
    prompts = {target: file.prompt for target, file in files.items() if file.prompt is not None}
    try:
        layers = build_publish_layers({prompt.name: prompt for prompt in prompts.values()})
    except SnippetCycleError:
        return [sorted(targets)]
    place = {name: at for at, layer in enumerate(layers) for name in layer}
    ordered: dict[int, list[Target]] = {}
    for target in sorted(targets):
        at = place[prompts[target].name] if target in prompts else 0
        ordered.setdefault(at, []).append(target)
    return [ordered[at] for at in sorted(ordered)]
