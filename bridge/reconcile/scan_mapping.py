"""Scan a mapping for targets to reconcile, from list pages and one fetch.

The scan requests no single prompt. A file that equals, byte for byte, the rendered prompt of the
list page is in step; every other file is reconciled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote

from bridge.errors import InvalidInputError, RequestRefusedError, StaleStateError, UnsafePathError
from bridge.prompts.agreement import Agreement
from bridge.prompts.coverage import CoverageGap, PromptSummary
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.modeline import FORMER_MODELINE
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.publication import NewPromptFile, describe_unpublished_fields
from bridge.prompts.prompt import LATEST, Prompt, PromptFile
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.coverage import build_summary, find_coverage_gaps
from bridge.reconcile.file_owners import assign_files, find_prompt_files
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.mapping_exclusions import is_followed_by_mapping
from bridge.reconcile.new_files import OrphanFile
from bridge.reconcile.proposal_branch import compute_blob_id
from bridge.reconcile.proposal_branches import find_proposal_branches
from bridge.reconcile.read_sources import read_files
from bridge.reconcile.stored_files import find_filtered_files
from bridge.reconcile.unpublished import find_unpublished_edits
from bridge.repo.prompt_file_index import PromptFileIndex, PromptFileOwner
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry

# https://git-scm.com/docs/hash-function-transition: 40 digits are SHA-1, 64 are SHA-256.
_OBJECT_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class ReconcileCandidate:
    """A target to reconcile, and the proposal it belongs to."""

    proposal: Proposal
    target: Target


@dataclass(frozen=True)
class ScannedTarget:
    """A prompt's name, and the path of its file where it has one."""

    name: str
    path: str | None
    workspace_id: int | None = None  # where PromptLayer names it


@dataclass(frozen=True)
class UnlistedTarget:
    """A target that has a file or a branch, and that is on no list page of its mapping."""

    name: str = ""  # as its file has it
    path: str | None = None  # None: only a branch has it
    left_out_by: str | None = None  # the mapping's setting; None: PromptLayer does not list it
    fits: bool = False  # the mapping would follow what its file says


@dataclass(frozen=True)
class UntrackedFile:
    """A file of a label that the mapping does not track: of another mapping, or once this one's."""

    path: str
    name: str | None  # the prompt's; None: no record says that the mapping followed it


@dataclass(frozen=True)
class MappingScan:
    candidates: tuple[ReconcileCandidate, ...]
    targets_in_step: Mapping[Target, ScannedTarget]  # whose file is as PromptLayer has it
    differing_targets: Mapping[Target, ScannedTarget]  # all others, but for those of branches only
    snapshot: RepositorySnapshot
    listed_prompts: Mapping[Target, Prompt]  # what the list pages hold for those that differ
    refusals: tuple[tuple[Target, str], ...] = ()  # targets that have no place
    new_prompts: tuple[NewPromptFile, ...] = ()  # files without an id
    mistakes: tuple[str, ...] = ()  # in files, with path and line
    orphans: tuple[OrphanFile, ...] = ()
    unreadable_targets: frozenset[Target] = frozenset()  # whose file is among the mistakes
    unlisted: Mapping[Target, UnlistedTarget] = field(default_factory=dict)
    untracked: Mapping[Target, UntrackedFile] = field(default_factory=dict)
    gaps: tuple[CoverageGap, ...] = ()  # settings that take nothing in
    agreements: Mapping[Target, Agreement] = field(default_factory=dict)  # of those in step

    @property
    def in_step_count(self) -> int:
        """How many files are as PromptLayer has them."""
        return len(self.targets_in_step)


def scan_mapping(
    context: MappingContext,
    index: PromptFileIndex,
    at: str | None = None,
    *,
    age: float = 0.0,
    may_be_empty: bool = False,
) -> MappingScan:
    """Compare all prompts and files of a mapping. Raises RequestRefusedError when PromptLayer
    lists no prompt at all while files carry ids, unless it ``may_be_empty``: that is more
    likely a wrong key than an empty workspace. ``at`` is another commit to scan as if it were
    the base branch's newest; InvalidInputError when the repository does not have it. The list
    pages may be ``age`` seconds old. The forge's default branch is read anew."""
    context.read_default_branch()
    snapshot = context.fetch()
    if at is not None:
        snapshot = _at(context, snapshot, at)
    branches = list(find_proposal_branches(context, snapshot, index))
    proposed = {path: entry for branch in branches for path, entry in branch.overlay.items()}
    entries = snapshot.list_entries(snapshot.commit, context.folder) | proposed
    present = {path: entry for path, entry in entries.items() if entry is not None}
    search = _MappingScanner(context, snapshot, index, present, frozenset(proposed))
    for label in context.mapping.track:
        search.compare_listing(label, age)
    search.compare_rest(may_be_empty=may_be_empty)
    candidates = set(search.find_candidates())
    candidates.update(
        ReconcileCandidate(b.proposal, target) for b in branches for target in b.targets
    )
    search.note_unlisted(target for branch in branches for target in branch.targets)
    return MappingScan(
        tuple(sorted(candidates, key=_order)),
        search.agreed,
        search.find_differing(),
        snapshot,
        search.listed,
        tuple(search.refusals),
        tuple(search.new),
        tuple(search.mistakes),
        tuple(sorted(search.orphans, key=lambda orphan: orphan.path)),
        frozenset(search.unreadable),
        search.unlisted,
        search.untracked,
        find_coverage_gaps(context, search.shown, age),
        search.agreements,
    )


def _at(context: MappingContext, snapshot: RepositorySnapshot, commit: str) -> RepositorySnapshot:
    if not _OBJECT_NAME.fullmatch(commit):
        raise InvalidInputError(
            f"--at takes a commit's full name, of 40 or 64 digits, and not {commit!r}:"
            f" `git rev-parse {quote(commit)}` prints it."
        )
    try:
        return replace(snapshot, commit=snapshot.read_commit(commit).object_id)
    except StaleStateError:
        raise InvalidInputError(
            f"There is no commit {commit} in {context.forge.repository}: push it first, or name"
            " another one."
        ) from None


def _order(candidate: ReconcileCandidate) -> tuple[Proposal, Target]:
    return candidate.proposal, candidate.target


class _MappingScanner:
    """Compares list pages with files, and collects the differences."""

    def __init__(
        self,
        context: MappingContext,
        snapshot: RepositorySnapshot,
        index: PromptFileIndex,
        entries: Mapping[str, TreeEntry],
        proposed: frozenset[str],
    ) -> None:
        self.context = context
        self.snapshot = snapshot
        self.index = index
        self.entries = entries
        self._proposed = proposed  # paths of files that the base branch has otherwise
        self.found: dict[Target, str] = {}  # target → the prompt's name
        self.refusals: list[tuple[Target, str]] = []
        self.agreed: dict[Target, ScannedTarget] = {}
        self.agreements: dict[Target, Agreement] = {}
        self.new: list[NewPromptFile] = []
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
        self.untracked: dict[Target, UntrackedFile] = {}
        self._selection = context.mapping.selection
        self._left_out: dict[Target, str] = {}  # by which setting

    def compare_listing(self, label: str, age: float) -> None:
        wanted = None if label == LATEST else label
        shown = self.shown.setdefault(label, [])
        for item in self.context.promptlayer.list_prompts(label=wanted, age=age):
            prompt = item.prompt
            if prompt.id is None:
                continue
            shown.append(build_summary(item, prompt.id))
            self._known[prompt.name] = prompt.id
            target = Target(self.context.mapping.name, prompt.id, label)
            setting = self._selection.find_excluding_setting(prompt.name, prompt.tags, item.folder)
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
            path = self.context.build_file_path(prompt, target.label)
        except UnsafePathError as error:
            self._leave(target, str(error))
            return
        entry = self.entries.get(path)
        if entry is not None and entry.object_id in self._blob_names(prompt, target.label, path):
            self._agree(target, prompt, path)
            self._claimed[target] = path
        else:
            self.listed[target] = prompt
            self._homes[target] = path

    def _agree(self, target: Target, prompt: Prompt, path: str) -> None:
        self.agreed[target] = ScannedTarget(prompt.name, path, prompt.workspace_id)
        commit = self.snapshot.commit
        if path in self._proposed:
            return
        sides = prompt.digest, prompt.digest, prompt.version, commit
        self.agreements[target] = Agreement(*sides, path=path)

    def _blob_names(self, prompt: Prompt, label: str, path: str) -> Iterator[str | None]:
        """Of the file that the prompt would be written as, or was before ``schema_url`` was set,
        or by a bridge that did not have it."""
        text = render_prompt_file(PromptFile(prompt, label), self.context.mapping.format)
        for line in dict.fromkeys((self.context.build_modeline(path), "", FORMER_MODELINE)):
            yield compute_blob_id((line + text).encode(), self.snapshot.commit)

    def compare_rest(self, *, may_be_empty: bool) -> None:
        """Files that differ in letters may still mean the same; files nobody claimed may belong
        to a prompt that is gone, or was moved."""
        claimed = set(self._claimed.values())
        rest = {path: entry for path, entry in self.entries.items() if path not in claimed}
        owners = find_prompt_files(self.context, self.snapshot, self.index, rest, self._homes)
        if not may_be_empty:
            self._require_own_workspace(owners)
        found = assign_files(
            self.context, self.snapshot, rest, owners, self._homes, self._claimed, self._known
        )
        self.new.extend(found.new)
        self.orphans.extend(found.orphans)
        self.mistakes.update(dict.fromkeys(found.mistakes))
        places = {*self._claimed.values(), *self._homes.values(), *owners}
        self.mistakes.update(
            dict.fromkeys(find_filtered_files(self.context, self.snapshot, places))
        )
        self._compare_meaning(found.places)
        self._note_unpublished()
        unlisted = found.places.keys() - self.listed.keys() - self._left
        self._note_unlisted_files({target: found.places[target] for target in unlisted})
        self.untracked = self._find_untracked(owners)

    def _find_untracked(self, owners: Mapping[str, PromptFileOwner]) -> dict[Target, UntrackedFile]:
        """The record in the repository says which of these files the mapping followed once, also
        after a lost database."""
        paths = {
            Target(self.context.mapping.name, owner.prompt_id, owner.label): path
            for path, owner in owners.items()
            if owner.prompt_id is not None
            and owner.label is not None
            and owner.label not in self.context.mapping.track
        }
        recorded = AgreementRecord(self.context, self.snapshot).read(paths) if paths else {}
        files = self._read({target: paths[target] for target in recorded})
        names = {t: file.prompt.name if file.prompt else "" for t, file in files.items()}
        return {target: UntrackedFile(path, names.get(target)) for target, path in paths.items()}

    def note_unlisted(self, targets: Iterable[Target]) -> None:
        """Of targets that have a branch, note those that no list page shows."""
        for target in targets:
            shown = target in self.agreed or target in self.listed or target in self._left
            if not shown and target not in self.unlisted:
                self.unlisted[target] = UnlistedTarget(left_out_by=self._setting(target))

    def _setting(self, target: Target) -> str | None:
        """What leaves a target out that is on no list page of the mapping."""
        track = self.context.mapping.track
        if target.label not in track:
            return f"track: {', '.join(track)}"
        return self._left_out.get(target)

    def _require_own_workspace(self, owners: Mapping[str, PromptFileOwner]) -> None:
        """Raise RequestRefusedError where files carry ids and PromptLayer shows not one prompt of
        these ids."""
        if any(self.shown.values()):
            return
        ids = {path: o.prompt_id for path, o in sorted(owners.items()) if o.prompt_id is not None}
        for item in self.context.promptlayer.list_prompts() if ids else ():
            if item.prompt.id is not None:
                self._known[item.prompt.name] = item.prompt.id
        if not ids or set(ids.values()) & set(self._known.values()):
            return  # the repository comes first, or no prompt carries a tracked label any more
        path, id = next(iter(ids.items()))
        raise RequestRefusedError(
            f"PromptLayer shows none of the prompts whose ids {len(ids)} files of mapping"
            f" {self.context.mapping.name} in {self.context.forge.repository} carry, such as {path}"
            f" (id {id}). Check that the API key belongs to the right workspace. To make these"
            " prompts anew there, take the ids out of the files. If they were deleted on purpose,"
            f" `promptlayer-bridge prune {self.context.mapping.name}` proposes to remove the files."
        )

    def _note_unpublished(self) -> None:
        """Edits of names and tags alone: PromptLayer and the file mean the same otherwise."""
        differing = {
            path: both
            for path, both in self._of_one_meaning.items()
            if describe_unpublished_fields(*both)
        }
        sentences = find_unpublished_edits(self.context, self.snapshot, differing)
        self.mistakes.update(dict.fromkeys(sentences))

    def _note_unlisted_files(self, places: Mapping[Target, str]) -> None:
        """Note prompts which nobody lists. Their branches may bear the names that files give."""
        for target, file in self._read(places).items():
            name = file.prompt.name if file.prompt else ""
            if file.problem is not None:
                self._note_unreadable(target, file.problem)
            self.found[target] = name
            self.unlisted[target] = UnlistedTarget(
                name,
                file.path,
                self._setting(target),
                is_followed_by_mapping(self.context, file.prompt),
            )

    def _read(self, places: Mapping[Target, str]) -> dict[Target, BaseBranchFile]:
        files = read_files(self.snapshot, self.entries, places.values())
        return {target: files[path] for target, path in places.items()}

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
            if file is not None and said and self.context.explain_misplacement(file.path) is None:
                self._agree(target, prompt, file.path)
                continue
            if file is not None and file.problem is not None:
                self._note_unreadable(target, file.problem)
            self.found[target] = prompt.name

    def find_differing(self) -> dict[Target, ScannedTarget]:
        return {
            target: ScannedTarget(name, self._homes.get(target))
            for target, name in self.found.items()
        }

    def find_candidates(self) -> Iterator[ReconcileCandidate]:
        for target, name in self.found.items():
            try:
                yield ReconcileCandidate(self.context.build_proposal(name, target), target)
            except UnsafePathError as error:
                self.refusals.append((target, str(error)))


def _says(file: BaseBranchFile, prompt: Prompt) -> bool:
    held = file.prompt
    if held is None or held.id is None:
        return False
    return (held.digest, held.name) == (prompt.digest, prompt.name)
