"""Scan a mapping: which of its prompts are worth a look, from list pages and one fetch.

The scan asks nothing about a single prompt. A file that is byte for byte what the list page would
be written as is in step; whatever differs, for whatever reason, is looked at properly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bridge.errors import Refused, Rejected, Stale, UnsafePath
from bridge.prompts.agreement import Agreement
from bridge.prompts.compare import BaseFile
from bridge.prompts.coverage import CoverageGap, PromptSummary
from bridge.prompts.file import render
from bridge.prompts.modeline import FORMER_MODELINE
from bridge.prompts.prompt import LATEST, Prompt, PromptFile
from bridge.prompts.publication import NewPrompt, unpublished_fields
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex, Owner
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.branch import blob_name
from bridge.steps.coverage import find_coverage_gaps, summary_of
from bridge.steps.file_owners import assign_files, prompt_files
from bridge.steps.left_out import would_follow
from bridge.steps.newcomers import OrphanFile
from bridge.steps.observe import base_file
from bridge.steps.proposal_branches import proposal_branches
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
    orphans: tuple[OrphanFile, ...] = ()
    unreadable: frozenset[Target] = frozenset()  # whose file is among the mistakes
    unlisted: Mapping[Target, UnlistedTarget] = field(default_factory=dict)
    untracked: Mapping[Target, str] = field(default_factory=dict)  # files of other labels
    gaps: tuple[CoverageGap, ...] = ()  # settings that take nothing in
    agreements: Mapping[Target, Agreement] = field(default_factory=dict)  # of those in step

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
    branches = list(proposal_branches(site, snapshot, index))
    proposed = {path: entry for branch in branches for path, entry in branch.overlay.items()}
    entries = snapshot.entries(snapshot.commit, site.folder) | proposed
    present = {path: entry for path, entry in entries.items() if entry is not None}
    search = _Search(site, snapshot, index, present, frozenset(proposed))
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
        tuple(sorted(search.orphans, key=lambda orphan: orphan.path)),
        frozenset(search.unreadable),
        search.unlisted,
        search.untracked,
        find_coverage_gaps(site, search.shown, age),
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
        self.orphans: list[OrphanFile] = []
        self.mistakes: dict[str, None] = {}  # each once, in the order they were found
        self.unreadable: set[Target] = set()
        self.listed: dict[Target, Prompt] = {}  # and whose file is not letter for letter so
        self._known: dict[str, int] = {}  # the name of every prompt → its id
        self._homes: dict[Target, str] = {}  # where the files of those in ``listed`` belong
        self._left: set[Target] = set()
        self._claimed: dict[Target, str] = {}  # the files that are letter for letter so
        self._of_one_meaning: dict[str, tuple[Prompt, Prompt]] = {}  # as file and PromptLayer say
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
        if entry is not None and entry.object_name in self._blob_names(prompt, target.label, path):
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
        sides = prompt.digest, prompt.digest, prompt.version, commit
        self.agreements[target] = Agreement(*sides, path=path)

    def _blob_names(self, prompt: Prompt, label: str, path: str) -> Iterator[str | None]:
        """Of the file that the prompt would be written as, or was before ``schema_url`` was set,
        or by a bridge that did not have it."""
        text = render(PromptFile(prompt, label), self.site.mapping.format)
        for line in dict.fromkeys((self.site.modeline(path), "", FORMER_MODELINE)):
            yield blob_name((line + text).encode(), self.snapshot.commit)

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
        self._note_unlisted_files({target: found.places[target] for target in unlisted})
        self.untracked = self._untracked(owners)

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

    def _require_own_workspace(self, owners: Mapping[str, Owner]) -> None:
        """Raise Refused where files carry ids and PromptLayer shows not one prompt of these ids."""
        if any(self.shown.values()):
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

    def _note_unlisted_files(self, places: Mapping[Target, str]) -> None:
        """Note prompts which nobody lists. Their branches may bear the names that files give."""
        for target, file in self._read(places).items():
            name = file.prompt.name if file.prompt else ""
            if file.problem is not None:
                self._note_unreadable(target, file.problem)
            self.found[target] = name
            self.unlisted[target] = UnlistedTarget(
                name, file.path, self._setting(target), would_follow(self.site, file.prompt)
            )

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
            said = file is not None and _says(file, prompt) and file.label in (target.label, None)
            if file is not None and said and self.site.why_misplaced(file.path) is None:
                self._agree(target, prompt, file.path)
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
