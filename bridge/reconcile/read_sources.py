"""Read PromptLayer's prompts and the base branch's files for a set of targets."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from bridge.errors import (
    BridgeError,
    NotFoundError,
    PromptFileError,
    RequestRefusedError,
    UnavailableError,
)
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.agreement import Agreement
from bridge.prompts.file_format.prompt_file import parse_prompt_file
from bridge.prompts.file_format.source_text import format_of
from bridge.prompts.planning.drift import DELETED_IN_PROMPTLAYER, BaseBranchFile
from bridge.prompts.prompt import LATEST, Prompt, parse_timestamp
from bridge.prompts.target import Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.source_commit import CommitMessageIndex
from bridge.repo.prompt_file_index import PromptFileIndex, PromptFileOwner
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry

log = logging.getLogger("bridge.observe")

_NO_NAMES: Mapping[Target, str] = {}
_REACH = 20  # versions that are walked back to find one a file was published as
LIST_PAGES_FROM = 50  # more prompts than this are read from the list pages, not one by one


@dataclass(frozen=True)
class PlatformPrompt:
    """The prompt that PromptLayer has for a target, or the reason why it has none."""

    prompt: Prompt | None
    absence_reason: str | None = None
    unlabelled: Prompt | None = None  # the newest version, where it is the label that is absent
    left_out_by: str | None = None  # the mapping's setting, where PromptLayer has the prompt


def is_left_out(mapping: str, setting: str) -> PlatformPrompt:
    """Build the result for a prompt that a setting of the mapping leaves out."""
    return PlatformPrompt(
        None, f"mapping {mapping} no longer follows it ({setting})", left_out_by=setting
    )


class PlatformReader(Protocol):
    """Reads prompts of PromptLayer for targets. One instance serves one reconcile."""

    def read_tracked(self, target: Target) -> PlatformPrompt:
        """Read the version that the tracked label is on now."""

    def read_newest(self, prompt_id: int) -> Prompt | None:
        """Read the newest version, whatever its labels."""

    def read_version(self, prompt_id: int, number: int) -> Prompt | None:
        """The version of a number, requested once however often it is read; None where there is
        none."""

    def read_newest_at(self, prompt_id: int, at: str, known: int | None) -> Prompt | None:
        """Read the newest version at a time (ISO 8601), whatever its labels; ``known`` is its
        number, where that was found before."""


@dataclass(frozen=True)
class SinglePromptReader:
    """Requests each prompt from PromptLayer, and caches numbered versions."""

    context: MappingContext
    _versions: dict[tuple[int, int], Prompt | None] = field(default_factory=dict)
    """(prompt id, version number) → the version; None where PromptLayer has none."""

    def read_tracked(self, target: Target) -> PlatformPrompt:
        mapping = self.context.mapping
        if target.label not in mapping.track:
            return is_left_out(mapping.name, f"track: {', '.join(mapping.track)}")
        label = None if target.label == LATEST else target.label
        prompt = self.context.promptlayer.find_prompt(target.prompt_id, label=label)
        if prompt is None:
            return self._absent(target)
        setting = self._left_out_by(prompt)
        return PlatformPrompt(prompt) if setting is None else is_left_out(mapping.name, setting)

    def read_newest(self, prompt_id: int) -> Prompt | None:
        return self.context.promptlayer.find_prompt(prompt_id)

    def read_version(self, prompt_id: int, number: int) -> Prompt | None:
        key = prompt_id, number
        if key not in self._versions:
            found = self.context.promptlayer.find_prompt(prompt_id, version=number)
            self._versions[key] = found
        return self._versions[key]

    def read_newest_at(self, prompt_id: int, at: str, known: int | None) -> Prompt | None:
        if known is not None:
            return self.read_version(prompt_id, known) or self.read_newest(prompt_id)
        found = self.read_newest(prompt_id)
        for _ in range(_REACH):
            if found is None or not found.version or not _is_later(found.created_at, at):
                break
            earlier = found.version - 1
            found = self.read_version(prompt_id, earlier) if earlier else None
        return found or self.read_newest(prompt_id)

    def _absent(self, target: Target) -> PlatformPrompt:
        newest = self.read_newest(target.prompt_id) if target.label != LATEST else None
        if newest is None:
            return PlatformPrompt(None, DELETED_IN_PROMPTLAYER)
        unlabelled = newest if self._left_out_by(newest) is None else None
        return PlatformPrompt(None, f"label {target.label} was removed", unlabelled=unlabelled)

    def _left_out_by(self, prompt: Prompt) -> str | None:
        selection = self.context.mapping.selection
        folder = _folder(self.context.promptlayer, prompt) if selection.folder is not None else None
        return selection.find_excluding_setting(prompt.name, prompt.tags, folder)


def _is_later(created_at: str | None, at: str) -> bool:
    """Whether a version was saved after a moment; a version without a readable time was not."""
    saved, moment = parse_timestamp(created_at or ""), parse_timestamp(at)
    return saved is not None and moment is not None and saved > moment


def _folder(promptlayer: PromptLayerClient, prompt: Prompt) -> str | None:
    """Find a prompt's folder: only the list names it."""
    listed = promptlayer.list_prompts(name=prompt.name)
    return next((item.folder for item in listed if item.prompt.id == prompt.id), None)


@dataclass
class ListPageReader:
    """Reads from list pages, for many targets at once. Prompts that use snippets (it is
    undocumented whether lists keep the references) and prompts that are on no page are
    requested one by one."""

    context: MappingContext
    prompts: Mapping[Target, Prompt]
    snippet_user_ids: frozenset[int]
    fallback: SinglePromptReader = field(init=False)

    def __post_init__(self) -> None:
        self.fallback = SinglePromptReader(self.context)

    def read_tracked(self, target: Target) -> PlatformPrompt:
        prompt = self.prompts.get(target)
        if prompt is None or target.prompt_id in self.snippet_user_ids:
            return self.fallback.read_tracked(target)
        return PlatformPrompt(prompt)

    def read_newest(self, prompt_id: int) -> Prompt | None:
        return self.fallback.read_newest(prompt_id)

    def read_version(self, prompt_id: int, number: int) -> Prompt | None:
        return self.fallback.read_version(prompt_id, number)

    def read_newest_at(self, prompt_id: int, at: str, known: int | None) -> Prompt | None:
        return self.fallback.read_newest_at(prompt_id, at, known)


def list_tracked_prompts(context: MappingContext, labels: Iterable[str]) -> dict[Target, Prompt]:
    """List the readable prompts with these labels that a mapping selects."""
    mapping = context.mapping
    return {
        Target(mapping.name, item.prompt.id, label): item.prompt
        for label in labels
        for item in context.promptlayer.list_prompts(label=None if label == LATEST else label)
        if item.prompt.id is not None
        and item.unreadable is None
        and mapping.selection.matches(item.prompt.name, item.prompt.tags, item.folder)
    }


def find_snippet_user_ids(promptlayer: PromptLayerClient) -> frozenset[int]:
    """The ids of all prompts that use a snippet. One request for each snippet."""
    return frozenset(
        user.id
        for snippet in promptlayer.list_prompts(is_snippet=True)
        if snippet.prompt.id is not None
        for user in promptlayer.find_snippet_users(snippet.prompt.id)
    )


def find_snippet_user_names(context: MappingContext, prompt: Prompt | None) -> tuple[str, ...]:
    """Find the names of prompts that use this one, for people to read: only a completion can be
    a snippet. Empty where PromptLayer does not answer."""
    if prompt is None or prompt.id is None or prompt.template.get("type") != "completion":
        return ()
    try:
        return tuple(user.name for user in context.promptlayer.find_snippet_users(prompt.id))
    except BridgeError as error:
        log.warning("who uses prompt %d is not told: %s", prompt.id, error)
        return ()


def choose_platform_reader(
    context: MappingContext, targets: Sequence[Target], known: Mapping[Target, Prompt]
) -> PlatformReader:
    """The cheaper way to read so many targets; ``known`` was read from list pages just now."""
    if len(targets) <= LIST_PAGES_FROM:
        return SinglePromptReader(context)
    if sum(target not in known for target in targets) > LIST_PAGES_FROM:
        known = list_tracked_prompts(context, sorted({target.label for target in targets}))
    try:
        return ListPageReader(context, known, find_snippet_user_ids(context.promptlayer))
    except (UnavailableError, NotFoundError, RequestRefusedError) as error:
        log.warning("who uses snippets is not told, so each prompt is asked for: %s", error)
        return SinglePromptReader(context)


@dataclass(frozen=True)
class BaseFiles:
    """The prompt files of the base branch (or any commit), found by what they say they are."""

    context: MappingContext
    snapshot: RepositorySnapshot
    commit: str
    index: PromptFileIndex
    entries: Mapping[str, TreeEntry]

    @classmethod
    def read_at_commit(
        cls,
        context: MappingContext,
        snapshot: RepositorySnapshot,
        commit: str,
        index: PromptFileIndex,
    ) -> BaseFiles:
        return cls(context, snapshot, commit, index, snapshot.list_entries(commit, context.folder))

    @cached_property
    def commits_by_message(self) -> CommitMessageIndex:
        return CommitMessageIndex(self.context, self.snapshot)

    def read_files_at(self, commit: str) -> BaseFiles:
        """Read the files of another commit."""
        return BaseFiles.read_at_commit(self.context, self.snapshot, commit, self.index)

    def find(
        self, wanted: Mapping[Target, str], names: Mapping[Target, str] = _NO_NAMES
    ) -> dict[Target, BaseBranchFile]:
        """Find the files of targets. ``wanted`` is the expected path of each; where the file is
        not there, the whole folder is searched for the id, and then for a file without an id
        that has the prompt's name (``names``)."""
        found = self._at_home(wanted)
        missing = {target for target in wanted if target not in found}
        if missing:
            found.update(self._elsewhere(missing))
            still = (missing - found.keys()) & names.keys()
            found.update(self._of_names({target: names[target] for target in still}))
        former = self._find_former({target for target in wanted if target not in found})
        entries = {path: self.entries[path] for path in found.values()} | dict(former.values())
        found.update({target: path for target, (path, _) in former.items()})
        files = read_files(self.snapshot, entries, found.values())
        return {target: files[path] for target, path in found.items()}

    def _find_former(self, missing: Collection[Target]) -> dict[Target, tuple[str, TreeEntry]]:
        """Find files outside of the folder, at the path of their last recorded agreement: the
        mapping's ``path`` was another one then."""
        if not missing or not self.context.folder:
            return {}
        recorded = AgreementRecord(self.context, self.snapshot).read(missing)
        places = {
            target: agreement.path
            for target, agreement in recorded.items()
            if agreement.path and not agreement.path.startswith(self.context.folder)
        }
        if not places:
            return {}
        entries = self.snapshot.list_entries(self.commit)
        here = {path: entries[path] for path in places.values() if path in entries}
        owned = self.find_target_by_path(here)
        return {t: (path, here[path]) for t, path in places.items() if owned.get(path) == t}

    def _at_home(self, wanted: Mapping[Target, str]) -> dict[Target, str]:
        here = {path: self.entries[path] for path in wanted.values() if path in self.entries}
        owners = self._find_owners(here)
        return {
            target: path
            for target, path in wanted.items()
            if (owner := owners.get(path)) is not None
            and owner.is_marked
            and owner.prompt_id in (target.prompt_id, None)
            and (owner.label in (target.label, None) or self._is_copied(path, target, owner))
        }

    def _is_copied(self, path: str, target: Target, owner: PromptFileOwner) -> bool:
        """Whether a file in a target's place is the copy of another label's file, which has its
        own place: whoever copied it there promoted it, and forgot the line with the label."""
        if owner.prompt_id is None or owner.label is None:
            return False
        other = replace(target, label=owner.label)
        return any(
            owned == other and at != path
            for at, owned in self.find_target_by_path(self.entries).items()
        )

    def _elsewhere(self, missing: set[Target]) -> dict[Target, str]:
        places = self.find_all_targets()
        found = {target: places[target] for target in missing if target in places}
        copies = self._find_copies() if len(found) < len(missing) else {}
        return {target: copies[target] for target in missing if target in copies} | found

    def _find_copies(self) -> dict[Target, str]:
        """The files that name another label than the one whose place they stand in, while that
        label has a file of its own, by the target in whose place they stand."""
        owned = self.find_target_by_path(self.entries)
        files_of = Counter(owned.values())
        copies: dict[Target, str] = {}
        for path, target in owned.items():
            label = self.context.find_label_of_path(path) if files_of[target] > 1 else None
            if label not in (None, target.label):
                copies.setdefault(replace(target, label=label), path)
        return copies

    def _of_names(self, names: Mapping[Target, str]) -> dict[Target, str]:
        """The files without an id that say these names; the first by path where two do."""
        if not names:
            return {}
        owners = self._find_owners(self.entries)
        nameless = {
            (owner.name, owner.label): path
            for path, owner in sorted(owners.items(), reverse=True)
            if owner.prompt_id is None and owner.is_marked
        }
        return {
            target: nameless[name, target.label]
            for target, name in names.items()
            if (name, target.label) in nameless
        }

    def _find_owners(self, entries: Mapping[str, TreeEntry]) -> dict[str, PromptFileOwner]:
        return self.context.place_owners(self.index.find_owners(self.snapshot, entries))

    def describe_problem(self, path: str) -> str:
        """Describe why the file at ``path`` cannot be read, as a part of a sentence; "" where it
        can."""
        entry = self.entries[path]
        if not entry.is_file:
            return ""
        problem = read_files(self.snapshot, self.entries, [path])[path].problem
        return f", as it cannot be read: {problem}" if problem else ""

    def find_all_targets(self) -> dict[Target, str]:
        """Every target that has a file here → its path."""
        return self.find_targets(self.entries)

    def find_targets(self, entries: Mapping[str, TreeEntry]) -> dict[Target, str]:
        """The targets these files say they belong to → path; the first by name where two say
        the same."""
        return {
            target: path for path, target in reversed(self.find_target_by_path(entries).items())
        }

    def find_target_by_path(self, entries: Mapping[str, TreeEntry]) -> dict[str, Target]:
        """Path → the target it belongs to, sorted by path, for those that are prompt files."""
        owners = self._find_owners(entries)
        return {
            path: Target(self.context.mapping.name, owner.prompt_id, owner.label)
            for path, owner in sorted(owners.items())
            if owner.prompt_id is not None and owner.label is not None
        }


def read_files(
    snapshot: RepositorySnapshot, entries: Mapping[str, TreeEntry], paths: Collection[str]
) -> dict[str, BaseBranchFile]:
    """Read and parse the files of ``entries`` at these paths: path → file, in the order of
    ``paths``. All texts are read by one process of git."""
    texts = snapshot.read_blobs({entries[path].object_id for path in paths})
    return {path: parse_base_file(path, texts[entries[path].object_id]) for path in paths}


def parse_base_file(path: str, text: bytes) -> BaseBranchFile:
    """Parse a prompt file; where that fails, the result has the problem, with path and line."""
    try:
        file = parse_prompt_file(text, path=path, format=format_of(path))
        return BaseBranchFile(path, text, file.prompt, label=file.label)
    except PromptFileError as error:
        return BaseBranchFile(path, text, None, str(error))


def with_matching_version(
    base: BaseBranchFile | None, agreed: Agreement | None
) -> BaseBranchFile | None:
    """Put the number of the agreed version into the file: after publishing, it still names the
    version that it was edited from."""
    if base is None or base.prompt is None or agreed is None:
        return base
    if agreed.platform != base.prompt.digest:
        return base
    return replace(base, prompt=replace(base.prompt, version=agreed.version))
