"""Scan a mapping: which of its prompts are worth a look, from list pages and one fetch.

The scan asks nothing about a single prompt. A file that is byte for byte what the list page would
be written as is in step; whatever differs, for whatever reason, is looked at properly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bridge.config.mapping import Group
from bridge.errors import Refused, Rejected, Stale, UnsafePath
from bridge.prompts.agreement import Agreement
from bridge.prompts.compare import BaseFile
from bridge.prompts.file import render
from bridge.prompts.prompt import LATEST, Prompt, PromptFile
from bridge.prompts.publication import NewPrompt
from bridge.prompts.target import Proposal, Target
from bridge.prompts.text import mapping_of, trailers
from bridge.repo.index import FileIndex, Owner
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.branch import Tip, blob_name, carried, tip_of
from bridge.steps.newcomers import newcomers, second_file
from bridge.steps.observe import BaseFiles, base_file
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
    agreements: Mapping[Target, Agreement] = field(default_factory=dict)  # of those in step

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
    branches = list(_branches(site, snapshot, index))
    proposed = {path: entry for branch in branches for path, entry in branch.overlay.items()}
    entries = snapshot.entries(snapshot.commit, site.folder) | proposed
    present = {path: entry for path, entry in entries.items() if entry is not None}
    search = _Search(site, snapshot, index, present, frozenset(proposed))
    for label in site.mapping.track:
        search.compare_listing(label, age)
    search.compare_rest()
    candidates = set(search.candidates())
    candidates.update(Candidate(b.proposal, target) for b in branches for target in b.targets)
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
        search.agreements,
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


@dataclass(frozen=True)
class _Branch:
    """A branch of the mapping: targets that are always looked at there, and files that stand for
    the base's while it is proposed."""

    proposal: Proposal
    targets: frozenset[Target]
    overlay: Mapping[str, Entry | None]


def _branches(site: Site, snapshot: Snapshot, index: FileIndex) -> Iterator[_Branch]:
    rolling = site.mapping.pull_request.group is Group.MAPPING
    tips = snapshot.commits(snapshot.branches.values())
    for name in snapshot.branches:
        tip = tip_of(site, snapshot, name, tips)
        if tip is None or tip.written is None:
            continue
        if mapping_of(tip.written.message) != site.mapping.name:
            continue
        proposal = Proposal(site.mapping.name, name)
        if rolling:
            yield _rolling(site, snapshot, index, proposal, tip)
        else:
            yield _Branch(proposal, _trailed(site, tip.written.message), {})


def _trailed(site: Site, message: str) -> frozenset[Target]:
    return frozenset(
        Target(site.mapping.name, found.prompt_id, found.label) for found in trailers(message)
    )


def _rolling(
    site: Site, snapshot: Snapshot, index: FileIndex, proposal: Proposal, tip: Tip
) -> _Branch:
    """One look at the mapping's one branch makes sure of its pull request; its files stand for
    the base's, so that what is proposed already is not looked at prompt by prompt."""
    files = BaseFiles.at(site, snapshot, snapshot.commit, index)
    overlay = {path: after for path, (_, after) in carried(site, snapshot, tip).items()}
    owned = sorted(files.owned({path: entry for path, entry in overlay.items() if entry}).values())
    some = owned[:1] or sorted(_trailed(site, tip.commit.message))[:1]
    return _Branch(proposal, frozenset(some), overlay)


class _Search:
    """Walks list pages against files, and remembers what did not fit."""

    def __init__(
        self,
        site: Site,
        snapshot: Snapshot,
        index: FileIndex,
        entries: Mapping[str, Entry],
        proposed: frozenset[str],
    ) -> None:
        self.site = site
        self.snapshot = snapshot
        self.index = index
        self.entries = entries
        self._proposed = proposed  # paths of files that the base branch has otherwise
        self.found: dict[Target, str] = {}  # target → the prompt's name
        self.refusals: list[tuple[Target, str]] = []
        self.agreed: dict[Target, Found] = {}
        self.agreements: dict[Target, Agreement] = {}
        self.new: list[NewPrompt] = []
        self.mistakes: dict[str, None] = {}  # each once, in the order they were found
        self.unreadable: set[Target] = set()
        self.listed: dict[Target, Prompt] = {}  # and whose file is not letter for letter so
        self._known: dict[str, int] = {}  # the name of every prompt → its id
        self._homes: dict[Target, str] = {}  # where the files of those in ``listed`` belong
        self._left: set[Target] = set()
        self._claimed: dict[Target, str] = {}  # the files that are letter for letter so
        self._seen = 0

    def compare_listing(self, label: str, age: float) -> None:
        wanted = None if label == LATEST else label
        for item in self.site.platform.prompts(label=wanted, age=age):
            self._seen += 1
            prompt = item.prompt
            if prompt.id is not None:
                self._known[prompt.name] = prompt.id
            if prompt.id is None or not self.site.mapping.selection.holds(
                prompt.name, prompt.tags, item.folder
            ):
                continue
            target = Target(self.site.mapping.name, prompt.id, label)
            if item.unreadable is not None:
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
            self._agree(target, prompt, path)
            self._claimed[target] = path
        else:
            self.listed[target] = prompt
            self._homes[target] = path

    def _agree(self, target: Target, prompt: Prompt, path: str) -> None:
        self.agreed[target] = Found(prompt.name, path)
        commit = self.snapshot.commit
        if path in self._proposed:
            return
        self.agreements[target] = Agreement(prompt.digest, prompt.digest, prompt.version, commit)

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
        if owners and not self._seen:
            raise Refused(
                f"PromptLayer shows no prompt at all, and {self.site.forge.repository} has"
                f" {len(owners)} files of mapping {self.site.mapping.name}. Check that the API key"
                " belongs to the right workspace."
            )
        self._take_new(path for path, owner in sorted(owners.items()) if owner.prompt_id is None)
        places = self._places(owners)
        self._compare_meaning(places)
        unlisted = places.keys() - self.listed.keys() - self._left
        self.found.update(self._names({target: places[target] for target in unlisted}))

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
            if first == path:
                continue
            other = self._copied(target, path)
            if other is not None and other not in self._claimed:
                places[other] = path
            else:
                mistake = second_file(path, str(target.prompt_id), target.label, first)
                self.mistakes[mistake] = None
        return self._vague(owners) | places

    def _copied(self, target: Target, path: str) -> Target | None:
        """The target in whose place another label's file was copied: it is that target's then."""
        names = (name for name, id in self._known.items() if id == target.prompt_id)
        prompt = Prompt(next(names, ""), {}, id=target.prompt_id)
        label = self.site.label_at(prompt, path)
        return replace(target, label=label) if label not in (None, target.label) else None

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
        followed = self.listed.keys() | self.agreed.keys() | self._left
        self.found |= {t: name for t, name in found.known.items() if t not in followed}

    def _names(self, places: Mapping[Target, str]) -> dict[Target, str]:
        """The names that files give prompts which nobody lists; their branches may bear them."""
        texts = self.snapshot.read({self.entries[path].object_name for path in places.values()})
        files = {
            target: base_file(path, texts[self.entries[path].object_name], self.site).prompt
            for target, path in places.items()
        }
        return {target: file.name if file else "" for target, file in files.items()}

    def _compare_meaning(self, places: Mapping[Target, str]) -> None:
        here = {target: places[target] for target in self.listed if target in places}
        texts = self.snapshot.read({self.entries[path].object_name for path in here.values()})
        for target, prompt in self.listed.items():
            if target in here:
                path = here[target]
                file = base_file(path, texts[self.entries[path].object_name], self.site)
                if _says(file, prompt) and file.label in (target.label, None):
                    self._agree(target, prompt, path)
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
