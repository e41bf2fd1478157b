"""Scan a mapping: which of its prompts are worth a look, from list pages and one fetch.

The scan asks nothing about a single prompt. A file that is byte for byte what the list page would
be written as is in step; whatever differs, for whatever reason, is looked at properly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bridge.config.mapping import Group
from bridge.errors import Refused, Rejected, Stale, UnsafePath
from bridge.prompts.compare import BaseFile
from bridge.prompts.file import render
from bridge.prompts.prompt import LATEST, Prompt, PromptFile
from bridge.prompts.publication import NewPrompt, unpublished_fields
from bridge.prompts.target import Proposal, Target
from bridge.prompts.text import mapping_of, trailers
from bridge.repo.index import FileIndex, Owner
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.branch import Tip, blob_name, carried, tip_of
from bridge.steps.file_owners import assign_files, prompt_files
from bridge.steps.newcomers import OrphanFile
from bridge.steps.observe import BaseFiles, base_file
from bridge.steps.site import Site
from bridge.steps.stored_files import find_filtered_files
from bridge.steps.unpublished import find_unpublished_edits


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
    orphans: tuple[OrphanFile, ...] = ()
    unreadable: frozenset[Target] = frozenset()  # whose file is among the mistakes

    @property
    def in_step(self) -> int:
        """How many files are as PromptLayer has them."""
        return len(self.agreed)


def scan(site: Site, index: FileIndex, at: str | None = None, *, age: float = 0.0) -> Scan:
    """Compare all that a mapping follows. Raises Refused when PromptLayer shows no prompt at all
    while files carry ids: that is more likely a wrong key than an empty workspace.
    ``at`` is another commit to look at, as if it were the base branch's newest; Rejected when the
    repository does not have it. The list pages may be of so many seconds ago (``age``). The
    forge's default branch is read anew."""
    site.read_default_branch()
    snapshot = site.fetch()
    if at is not None:
        snapshot = _at(site, snapshot, at)
    branches = list(_branches(site, snapshot, index))
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
    return Scan(
        tuple(sorted(candidates, key=_order)),
        search.agreed,
        search.differing(),
        snapshot,
        search.listed,
        tuple(search.refusals),
        tuple(search.new),
        tuple(search.mistakes),
        tuple(sorted(search.orphans, key=lambda orphan: orphan.path)),
        frozenset(search.unreadable),
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
        if tip is None:
            continue
        proposal = Proposal(site.mapping.name, name)
        if tip.told is None:
            if reworded := _find_reworded(site, snapshot, index, name, tip):
                yield _Branch(proposal, reworded, {})
            continue
        if mapping_of(tip.told.message) != site.mapping.name:
            continue
        if rolling:
            yield _rolling(site, snapshot, index, proposal, tip)
        else:
            yield _Branch(proposal, _trailed(site, tip.told.message), {})


def _find_reworded(
    site: Site, snapshot: Snapshot, index: FileIndex, branch: str, tip: Tip
) -> frozenset[Target]:
    """The targets of a branch whose commits do not say any more what they propose: those of its
    files whose proposal it is."""
    if tip.onto is None:
        return frozenset()
    try:
        changes = snapshot.changes(tip.onto, tip.commit.object_name, site.folder)
    except Stale:  # the base was rewritten and the server forgot what the branch stood on
        return frozenset()
    left = {path: entry for path, (_, entry) in changes.items() if entry}
    files = BaseFiles.at(site, snapshot, tip.commit.object_name, index)
    found = files.find({target: path for path, target in files.owned(left).items()})
    return frozenset(
        target
        for target, file in found.items()
        if file.prompt and _is_branch_of(site, file.prompt.name, target, branch)
    )


def _is_branch_of(site: Site, name: str, target: Target, branch: str) -> bool:
    try:
        return site.proposal(name, target).branch == branch
    except UnsafePath:
        return False


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
        self.orphans: list[OrphanFile] = []
        self.mistakes: dict[str, None] = {}  # each once, in the order they were found
        self.unreadable: set[Target] = set()
        self.listed: dict[Target, Prompt] = {}  # and whose file is not letter for letter so
        self._known: dict[str, int] = {}  # the name of every prompt → its id
        self._homes: dict[Target, str] = {}  # where the files of those in ``listed`` belong
        self._left: set[Target] = set()
        self._claimed: dict[Target, str] = {}  # the files that are letter for letter so
        self._seen = 0
        self._of_one_meaning: dict[str, tuple[Prompt, Prompt]] = {}  # as file and PromptLayer say

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
        owners = prompt_files(self.site, self.snapshot, self.index, rest, self._homes)
        self._require_own_workspace(owners)
        found = assign_files(
            self.site, self.snapshot, rest, owners, self._homes, self._claimed, self._known
        )
        self.new.extend(found.new)
        self.orphans.extend(found.orphans)
        self.mistakes.update(dict.fromkeys(found.mistakes))
        places = {*self._claimed.values(), *self._homes.values(), *owners}
        self.mistakes.update(dict.fromkeys(find_filtered_files(self.site, self.snapshot, places)))
        self._compare_meaning(found.places)
        self._note_unpublished()
        unlisted = found.places.keys() - self.listed.keys() - self._left
        self.found.update(self._names({target: found.places[target] for target in unlisted}))

    def _require_own_workspace(self, owners: Mapping[str, Owner]) -> None:
        """Raise Refused where files carry ids and PromptLayer shows not one prompt of these ids."""
        if self._seen:
            return
        ids = {path: o.prompt_id for path, o in sorted(owners.items()) if o.prompt_id is not None}
        for item in self.site.platform.prompts() if ids else ():
            if item.prompt.id is not None:
                self._known[item.prompt.name] = item.prompt.id
        if not ids or set(ids.values()) & set(self._known.values()):
            return  # the repository comes first, or no prompt carries a tracked label any more
        path, id = next(iter(ids.items()))
        raise Refused(
            f"PromptLayer shows none of the prompts whose ids {len(ids)} files of mapping"
            f" {self.site.mapping.name} in {self.site.forge.repository} carry, such as {path}"
            f" (id {id}). Check that the API key belongs to the right workspace. To make these"
            " prompts anew there, take the ids out of the files."
        )

    def _note_unpublished(self) -> None:
        """Edits of names and tags alone: PromptLayer and the file mean the same otherwise."""
        differing = {
            path: both for path, both in self._of_one_meaning.items() if unpublished_fields(*both)
        }
        told = find_unpublished_edits(self.site, self.snapshot, differing)
        self.mistakes.update(dict.fromkeys(told))

    def _names(self, places: Mapping[Target, str]) -> dict[Target, str]:
        """The names that files give prompts which nobody lists; their branches may bear them."""
        names = {}
        for target, file in self._read(places).items():
            names[target] = file.prompt.name if file.prompt else ""
            if file.problem is not None:
                self._note_unreadable(target, file.problem)
        return names

    def _read(self, places: Mapping[Target, str]) -> dict[Target, BaseFile]:
        texts = self.snapshot.read({self.entries[path].object_name for path in places.values()})
        return {
            target: base_file(path, texts[self.entries[path].object_name], self.site)
            for target, path in places.items()
        }

    def _note_unreadable(self, target: Target, problem: str) -> None:
        self.mistakes[problem] = None
        self.unreadable.add(target)

    def _compare_meaning(self, places: Mapping[Target, str]) -> None:
        here = self._read({t: places[t] for t in self.listed if t in places})
        for target, prompt in self.listed.items():
            file = here.get(target)
            if file is not None and file.prompt and file.prompt.digest == prompt.digest:
                self._of_one_meaning[file.path] = (file.prompt, prompt)
            if file is not None and _says(file, prompt):
                self.agreed[target] = Found(prompt.name, file.path)
                continue
            if file is not None and file.problem is not None:
                self._note_unreadable(target, file.problem)
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
