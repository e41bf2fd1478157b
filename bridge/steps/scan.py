"""Scan a mapping: which of its prompts are worth a look, from list pages and one fetch.

The scan asks nothing about a single prompt. A file that is byte for byte what the list page would
be written as is in step; whatever differs, for whatever reason, is looked at properly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bridge.errors import Refused, Rejected, Stale, UnsafePath
from bridge.prompts.compare import BaseFile
from bridge.prompts.coverage import CoverageGap, PromptSummary
from bridge.prompts.file import render
from bridge.prompts.prompt import LATEST, Prompt, PromptFile
from bridge.prompts.publication import NewPrompt
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex, Owner
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.branch import blob_name
from bridge.steps.coverage import find_coverage_gaps, summary_of
from bridge.steps.left_out import would_follow
from bridge.steps.newcomers import newcomers, second_file
from bridge.steps.observe import base_file
from bridge.steps.proposal_branches import proposal_branches
from bridge.steps.site import Site


@dataclass(frozen=True)
class Candidate:
    """A target that is worth a look, and the proposal it belongs to."""

    proposal: Proposal
    target: Target


@dataclass(frozen=True)
class Found:
    """A prompt's name, and the path of its file where it has one."""

    name: str
    path: str | None


@dataclass(frozen=True)
class UnlistedTarget:
    """A target that has a file or a branch, and that is on no list page of its mapping."""

    name: str = ""  # as its file has it
    path: str | None = None  # None: only a branch has it
    left_out_by: str | None = None  # the mapping's setting; None: PromptLayer does not list it
    fits: bool = False  # the mapping would follow what its file says


@dataclass(frozen=True)
class Scan:
    candidates: tuple[Candidate, ...]
    agreed: Mapping[Target, Found]  # whose file is as PromptLayer has it
    differing: Mapping[Target, Found]  # all others, but for those of branches only
    snapshot: Snapshot
    listed: Mapping[Target, Prompt]  # what the list pages hold for those that differ
    refusals: tuple[tuple[Target, str], ...] = ()  # targets that have no place
    new: tuple[NewPrompt, ...] = ()  # files without an id
    mistakes: tuple[str, ...] = ()  # in files, with path and line
    unreadable: frozenset[Target] = frozenset()  # whose file is among the mistakes
    unlisted: Mapping[Target, UnlistedTarget] = field(default_factory=dict)
    untracked: Mapping[Target, str] = field(default_factory=dict)  # files of other labels
    gaps: tuple[CoverageGap, ...] = ()  # settings that take nothing in

    @property
    def in_step(self) -> int:
        """How many files are as PromptLayer has them."""
        return len(self.agreed)


def scan(site: Site, index: FileIndex, at: str | None = None, *, age: float = 0.0) -> Scan:
    """Compare all that a mapping follows. Raises Refused when PromptLayer shows no prompt at all
    while the repository has some: that is more likely a wrong key than an empty workspace.
    ``at`` is another commit to look at, as if it were the base branch's newest; Rejected when the
    repository does not have it. The list pages may be of so many seconds ago (``age``)."""
    snapshot = site.mirror.fetch(site.forge.git_remote(), site.base, site.branches)
    if at is not None:
        snapshot = _at(site, snapshot, at)
    branches = list(proposal_branches(site, snapshot, index))
    entries = snapshot.entries(snapshot.commit, site.folder) | {
        path: entry for branch in branches for path, entry in branch.overlay.items()
    }
    present = {path: entry for path, entry in entries.items() if entry is not None}
    search = _Search(site, snapshot, index, present)
    for label in site.mapping.track:
        search.compare_listing(label, age)
    search.compare_rest()
    candidates = set(search.candidates())
    candidates.update(Candidate(b.proposal, target) for b in branches for target in b.targets)
    search.note_unlisted(target for branch in branches for target in branch.targets)
    return Scan(
        tuple(sorted(candidates, key=_order)),
        search.agreed,
        search.differing(),
        snapshot,
        search.listed,
        tuple(search.refusals),
        tuple(search.new),
        tuple(search.mistakes),
        frozenset(search.unreadable),
        search.unlisted,
        search.untracked,
        find_coverage_gaps(site, search.shown, age),
    )


def _at(site: Site, snapshot: Snapshot, commit: str) -> Snapshot:
    try:
        return replace(snapshot, commit=snapshot.commit_of(commit).object_name)
    except Stale:
        raise Rejected(
            f"There is no commit {commit} in {site.forge.repository}; expected its full name, of"
            " 40 or 64 digits."
        ) from None


def _order(candidate: Candidate) -> tuple[Proposal, Target]:
    return candidate.proposal, candidate.target


class _Search:
    """Walks list pages against files, and remembers what did not fit."""

    def __init__(
        self, site: Site, snapshot: Snapshot, index: FileIndex, entries: Mapping[str, Entry]
    ) -> None:
        self.site = site
        self.snapshot = snapshot
        self.index = index
        self.entries = entries
        self.found: dict[Target, str] = {}  # target → the prompt's name
        self.refusals: list[tuple[Target, str]] = []
        self.agreed: dict[Target, Found] = {}
        self.new: list[NewPrompt] = []
        self.mistakes: dict[str, None] = {}  # each once, in the order they were found
        self.unreadable: set[Target] = set()
        self.listed: dict[Target, Prompt] = {}  # and whose file is not letter for letter so
        self._known: dict[str, int] = {}  # the name of every prompt → its id
        self._homes: dict[Target, str] = {}  # where the files of those in ``listed`` belong
        self._left: set[Target] = set()
        self._claimed: dict[Target, str] = {}  # the files that are letter for letter so
        self.shown: dict[str, list[PromptSummary]] = {}  # all that carry each label
        self.unlisted: dict[Target, UnlistedTarget] = {}
        self.untracked: dict[Target, str] = {}
        self._selection = site.mapping.selection
        self._left_out: dict[Target, str] = {}  # by which setting

    def compare_listing(self, label: str, age: float) -> None:
        wanted = None if label == LATEST else label
        shown = self.shown.setdefault(label, [])
        for item in self.site.platform.prompts(label=wanted, age=age):
            prompt = item.prompt
            if prompt.id is None:
                continue
            shown.append(summary_of(item, prompt.id))
            self._known[prompt.name] = prompt.id
            target = Target(self.site.mapping.name, prompt.id, label)
            setting = self._selection.why_not(prompt.name, prompt.tags, item.folder)
            if setting is not None:
                self._left_out[target] = setting
            elif item.unreadable is not None:
                self._leave(target, item.unreadable)
            else:
                self._compare(target, prompt)

    def _leave(self, target: Target, reason: str) -> None:
        """No place, or no meaning: it is told, and whatever the repository has of it stays."""
        self.refusals.append((target, reason))
        self._left.add(target)

    def _compare(self, target: Target, prompt: Prompt) -> None:
        try:
            path = self.site.path(prompt, target.label)
        except UnsafePath as error:
            self._leave(target, str(error))
            return
        entry = self.entries.get(path)
        if entry is not None and entry.object_name == self._blob_name(prompt, target.label):
            self.agreed[target] = Found(prompt.name, path)
            self._claimed[target] = path
        else:
            self.listed[target] = prompt
            self._homes[target] = path

    def _blob_name(self, prompt: Prompt, label: str) -> str | None:
        """Of the file that the prompt would be written as."""
        text = render(PromptFile(prompt, label), self.site.mapping.format).encode()
        return blob_name(text, self.snapshot.commit)

    def compare_rest(self) -> None:
        """Files that differ in letters may still mean the same; files nobody claimed may belong
        to a prompt that is gone, or was moved."""
        claimed = set(self._claimed.values())
        rest = {path: entry for path, entry in self.entries.items() if path not in claimed}
        owners = self.index.owners(self.snapshot, rest)
        if owners and not self._shows_any_prompt():
            raise Refused(
                f"PromptLayer shows no prompt at all, and {self.site.forge.repository} has"
                f" {len(owners)} files of mapping {self.site.mapping.name}. Check that the API key"
                " belongs to the right workspace."
            )
        self._take_new(path for path, owner in sorted(owners.items()) if owner.prompt_id is None)
        places = self._places(owners)
        self._compare_meaning(places)
        unlisted = places.keys() - self.listed.keys() - self._left
        self._note_unlisted_files({target: places[target] for target in unlisted})
        self.untracked = self._untracked(owners)

    def _shows_any_prompt(self) -> bool:
        if any(self.shown.values()):
            return True
        labels_only = LATEST not in self.site.mapping.track
        return labels_only and next(self.site.platform.prompts(), None) is not None

    def _untracked(self, owners: Mapping[str, Owner]) -> dict[Target, str]:
        """Files of labels that are not tracked: of another mapping, or once this one's."""
        return {
            Target(self.site.mapping.name, owner.prompt_id, owner.label): path
            for path, owner in owners.items()
            if owner.prompt_id is not None
            and owner.label is not None
            and owner.label not in self.site.mapping.track
        }

    def note_unlisted(self, targets: Iterable[Target]) -> None:
        """Of targets that have a branch, note those that no list page shows."""
        for target in targets:
            shown = target in self.agreed or target in self.listed or target in self._left
            if not shown and target not in self.unlisted:
                self.unlisted[target] = UnlistedTarget(left_out_by=self._setting(target))

    def _setting(self, target: Target) -> str | None:
        """What leaves a target out that is on no list page of the mapping."""
        track = self.site.mapping.track
        if target.label not in track:
            return f"track: {', '.join(track)}"
        return self._left_out.get(target)

    def _places(self, owners: Mapping[str, Owner]) -> dict[Target, str]:
        """Target → its file: the one that stands where it belongs, or the first by name."""
        owned = (
            (Target(self.site.mapping.name, owner.prompt_id, owner.label), path)
            for path, owner in owners.items()
            if owner.prompt_id is not None and owner.label in self.site.mapping.track
        )
        places: dict[Target, str] = {}
        for target, path in sorted(owned, key=lambda each: (self._is_astray(*each), each[1])):
            first = self._claimed.get(target) or places.setdefault(target, path)
            if first != path:
                mistake = second_file(path, str(target.prompt_id), target.label, first)
                self.mistakes[mistake] = None
        return self._vague(owners) | places

    def _vague(self, owners: Mapping[str, Owner]) -> dict[Target, str]:
        """Files in the places of prompts, that do not say as well as they should whose they are."""
        return {
            target: path
            for target, path in self._homes.items()
            if (owner := owners.get(path)) is not None
            and owner.prompt_id in (target.prompt_id, None)
            and owner.label in (target.label, None)
        }

    def _is_astray(self, target: Target, path: str) -> bool:
        return self._homes.get(target) != path

    def _take_new(self, paths: Iterable[str]) -> None:
        names = {path: self.entries[path].object_name for path in paths}
        texts = self.snapshot.read(set(names.values()))
        files = (base_file(path, texts[name], self.site) for path, name in names.items())
        found = newcomers(self.site, files, self._known)
        self.new.extend(found.new)
        self.mistakes.update(dict.fromkeys(found.mistakes))

    def _note_unlisted_files(self, places: Mapping[Target, str]) -> None:
        """Note prompts which nobody lists. Their branches may bear the names that files give."""
        texts = self.snapshot.read({self.entries[path].object_name for path in places.values()})
        for target, path in places.items():
            held = base_file(path, texts[self.entries[path].object_name], self.site).prompt
            name = held.name if held else ""
            self.found[target] = name
            self.unlisted[target] = UnlistedTarget(
                name,
                path,
                self._setting(target),
                would_follow(self.site, held),
            )

    def _compare_meaning(self, places: Mapping[Target, str]) -> None:
        here = {target: places[target] for target in self.listed if target in places}
        texts = self.snapshot.read({self.entries[path].object_name for path in here.values()})
        for target, prompt in self.listed.items():
            if target in here:
                path = here[target]
                file = base_file(path, texts[self.entries[path].object_name], self.site)
                if _says(file, prompt):
                    self.agreed[target] = Found(prompt.name, path)
                    continue
                if file.problem is not None:
                    self.mistakes[file.problem] = None
                    self.unreadable.add(target)
            self.found[target] = prompt.name

    def differing(self) -> dict[Target, Found]:
        return {target: Found(name, self._homes.get(target)) for target, name in self.found.items()}

    def candidates(self) -> Iterator[Candidate]:
        for target, name in self.found.items():
            try:
                yield Candidate(self.site.proposal(name, target), target)
            except UnsafePath as error:
                self.refusals.append((target, str(error)))


def _says(file: BaseFile, prompt: Prompt) -> bool:
    held = file.prompt
    if held is None or held.id is None:
        return False
    return (held.digest, held.name) == (prompt.digest, prompt.name)
