"""Observe: what PromptLayer, the base branch and the proposal's branch hold, for some targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bridge.errors import PromptFileError
from bridge.promptlayer.client import PromptLayer
from bridge.prompts.agreement import Agreement
from bridge.prompts.compare import BaseFile
from bridge.prompts.file import parse
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target
from bridge.repo.index import FileIndex, Owner
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.site import Site

GONE = "deleted in PromptLayer"
MANY = 50  # more prompts than this are read from the list pages, not one by one


@dataclass(frozen=True)
class Held:
    """What the platform holds for a target: a prompt, or why there is none."""

    prompt: Prompt | None
    absent: str | None = None
    unlabelled: Prompt | None = None  # the newest version, where it is the label that is absent


class PlatformReading(Protocol):
    """Reads what the platform holds for targets, one way or the other."""

    def held(self, target: Target) -> Held:
        """What the tracked label holds now."""

    def newest(self, prompt_id: int) -> Prompt | None:
        """The newest version, whatever its labels."""


@dataclass(frozen=True)
class OneByOne:
    """Asks PromptLayer for each prompt."""

    site: Site

    def held(self, target: Target) -> Held:
        label = None if target.label == LATEST else target.label
        prompt = self.site.platform.prompt(target.prompt_id, label=label)
        if prompt is None:
            return self._absent(target)
        if not self._selected(prompt):
            return Held(None, f"no longer matches mapping {self.site.mapping.name}")
        return Held(prompt)

    def newest(self, prompt_id: int) -> Prompt | None:
        return self.site.platform.prompt(prompt_id)

    def _absent(self, target: Target) -> Held:
        newest = self.newest(target.prompt_id) if target.label != LATEST else None
        if newest is None:
            return Held(None, GONE)
        unlabelled = newest if self._selected(newest) else None
        return Held(None, f"label {target.label} was removed", unlabelled)

    def _selected(self, prompt: Prompt) -> bool:
        selection = self.site.mapping.selection
        folder = _folder(self.site.platform, prompt) if selection.folder is not None else None
        return selection.holds(prompt.name, prompt.tags, folder)


def _folder(platform: PromptLayer, prompt: Prompt) -> str | None:
    """Only the list tells a prompt's folder."""
    listed = platform.prompts(name=prompt.name)
    return next((item.folder for item in listed if item.prompt.id == prompt.id), None)


@dataclass
class Listed:
    """Reads from list pages: for many targets at once. What the pages cannot tell for certain is
    asked one by one: prompts that use snippets (nothing says that lists keep the references), and
    prompts that are on no page."""

    site: Site
    prompts: Mapping[Target, Prompt]
    with_snippets: frozenset[int]
    single: OneByOne = field(init=False)

    def __post_init__(self) -> None:
        self.single = OneByOne(self.site)

    def held(self, target: Target) -> Held:
        prompt = self.prompts.get(target)
        if prompt is None or target.prompt_id in self.with_snippets:
            return self.single.held(target)
        return Held(prompt)

    def newest(self, prompt_id: int) -> Prompt | None:
        return self.single.newest(prompt_id)


def listed(site: Site, labels: Iterable[str]) -> dict[Target, Prompt]:
    """What the list pages hold for these labels of a mapping, as far as it can be understood."""
    mapping = site.mapping
    return {
        Target(mapping.name, item.prompt.id, label): item.prompt
        for label in labels
        for item in site.platform.prompts(label=None if label == LATEST else label)
        if item.prompt.id is not None
        and item.unreadable is None
        and mapping.selection.holds(item.prompt.name, item.prompt.tags, item.folder)
    }


def snippet_users(platform: PromptLayer) -> frozenset[int]:
    """The ids of all prompts that use a snippet. One request for each snippet."""
    return frozenset(
        user.id
        for snippet in platform.prompts(is_snippet=True)
        if snippet.prompt.id is not None
        for user in platform.snippet_users(snippet.prompt.id)
    )


def reading(
    site: Site, targets: Sequence[Target], known: Mapping[Target, Prompt]
) -> PlatformReading:
    """The cheaper way to read so many targets; ``known`` was read from list pages just now."""
    if len(targets) <= MANY:
        return OneByOne(site)
    if sum(target not in known for target in targets) > MANY:
        known = listed(site, sorted({target.label for target in targets}))
    return Listed(site, known, snippet_users(site.platform))


@dataclass(frozen=True)
class BaseFiles:
    """The prompt files of the base branch (or any commit), found by what they say they are."""

    site: Site
    snapshot: Snapshot
    commit: str
    index: FileIndex
    entries: Mapping[str, Entry]

    @classmethod
    def at(cls, site: Site, snapshot: Snapshot, commit: str, index: FileIndex) -> BaseFiles:
        return cls(site, snapshot, commit, index, snapshot.entries(commit, site.folder))

    def at_commit(self, commit: str) -> BaseFiles:
        """The files of another commit."""
        return BaseFiles.at(self.site, self.snapshot, commit, self.index)

    def find(self, wanted: Mapping[Target, str]) -> dict[Target, BaseFile]:
        """The files that belong to targets. ``wanted`` says where each should be: it is looked
        there first, and everywhere in the folder only for those that are not there."""
        found = self._at_home(wanted)
        missing = {target for target in wanted if target not in found}
        if missing:
            found.update(self._elsewhere(missing))
        texts = self.snapshot.read({self.entries[path].object_name for path in found.values()})
        return {
            target: base_file(path, texts[self.entries[path].object_name], self.site)
            for target, path in found.items()
        }

    def _at_home(self, wanted: Mapping[Target, str]) -> dict[Target, str]:
        here = {path: self.entries[path] for path in wanted.values() if path in self.entries}
        owners = self.index.owners(self.snapshot, here)
        return {
            target: path
            for target, path in wanted.items()
            if (owner := owners.get(path)) is not None
            and owner.prompt_id in (target.prompt_id, None)
            and (owner.label in (target.label, None) or self._is_copied(path, target, owner))
        }

    def _is_copied(self, path: str, target: Target, owner: Owner) -> bool:
        """Whether a file in a target's place is the copy of another label's file, which has its
        own place: whoever copied it there promoted it, and forgot the line with the label."""
        if owner.prompt_id is None or owner.label is None:
            return False
        other = replace(target, label=owner.label)
        return any(owned == other and at != path for at, owned in self.owned(self.entries).items())

    def _elsewhere(self, missing: set[Target]) -> dict[Target, str]:
        places = self.all()
        return {target: places[target] for target in missing if target in places}

    def all(self) -> dict[Target, str]:
        """Every target that has a file here → its path."""
        return self.targets_of(self.entries)

    def targets_of(self, entries: Mapping[str, Entry]) -> dict[Target, str]:
        """The targets these files say they belong to → path; the first by name where two say
        the same."""
        return {target: path for path, target in reversed(self.owned(entries).items())}

    def owned(self, entries: Mapping[str, Entry]) -> dict[str, Target]:
        """Path → the target it belongs to, sorted by path, for those that are prompt files."""
        owners = self.index.owners(self.snapshot, entries)
        return {
            path: Target(self.site.mapping.name, owner.prompt_id, owner.label)
            for path, owner in sorted(owners.items())
            if owner.prompt_id is not None and owner.label is not None
        }


def base_file(path: str, text: bytes, site: Site) -> BaseFile:
    """A file's text with the prompt in it, or with what is wrong in it."""
    try:
        file = parse(text, path=path, format=site.mapping.format)
        return BaseFile(path, text, file.prompt, label=file.label)
    except PromptFileError as error:
        return BaseFile(path, text, None, str(error))


def known_as(base: BaseFile | None, agreed: Agreement | None) -> BaseFile | None:
    """The file, naming the version it says the same as: once it was published, it still names the
    one that it was edited from."""
    if base is None or base.prompt is None or agreed is None:
        return base
    if agreed.platform != base.prompt.digest:
        return base
    return replace(base, prompt=replace(base.prompt, version=agreed.version))
