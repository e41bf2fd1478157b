"""Read the history of targets' files on the base branch, commit by commit, across renames."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from bridge.errors import BridgeError
from bridge.prompts.agreement import FileState
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.prompt import Prompt
from bridge.prompts.pull_request.commit_message import parse_mapping_name, parse_trailers
from bridge.prompts.target import Target
from bridge.reconcile.read_sources import BaseFiles, parse_base_file
from bridge.repo.commit import GitCommit
from bridge.repo.snapshot import TreeEntry

_REACH = 100  # commits of the base branch that are walked back
_MERGED_REACH = 10  # commits of a merged branch that are walked back


@dataclass(frozen=True)
class FileLine:
    """The history of one target's file: its states, the oldest first and the present last."""

    states: tuple[FileState, ...]
    paths: frozenset[str]  # where the file stood
    texts: Mapping[str, Prompt]  # digest → the prompt that a state held


@dataclass
class FileHistory:
    """The first-parent line of the base branch back to all of the commits ``since``, or as far
    as the bridge walks. It is read once, and only when somebody asks."""

    base_files: BaseFiles
    since: Collection[str]
    _entries: dict[str, Mapping[str, TreeEntry]] = field(default_factory=dict)
    _blobs: dict[str, bytes] = field(default_factory=dict)
    _branches: dict[str, tuple[GitCommit, ...]] = field(default_factory=dict)  # by their tips

    @cached_property
    def line(self) -> tuple[GitCommit, ...]:
        """The newest first."""
        ahead: set[str] = set()

        def reached(commit: GitCommit) -> bool:
            if commit.object_id == self.base_files.commit:  # git may be asked twice
                ahead.update(self.since)
            ahead.discard(commit.object_id)
            return bool(self.since) and not ahead

        return self.base_files.snapshot.read_history(self.base_files.commit, reached, limit=_REACH)

    @cached_property
    def _touched(self) -> Mapping[str, frozenset[str]]:
        names = [commit.object_id for commit in self.line]
        return self.base_files.snapshot.find_touched_paths(names, self.base_files.context.folder)

    def place(self, commit: str | None) -> int | None:
        """The index of a commit on the line, the oldest is 0; None where it is not on it."""
        names = [each.object_id for each in reversed(self.line)]
        return names.index(commit) if commit in names else None

    def is_elsewhere(self, commit: str | None) -> bool:
        """Whether a commit is certainly not on the line: the line is known to its root."""
        if commit is None or self.place(commit) is not None:
            return False
        return not self.line or not self.line[-1].parents

    def is_absent(self, commits: Collection[str], paths: Collection[str]) -> bool:
        """Whether there was no file at any of these paths at any of these commits."""
        return not any(self._entries_at(commit).keys() & set(paths) for commit in commits)

    def prepare(self, paths: Collection[str]) -> None:
        """Read the earlier texts of many files with one call of git."""
        wanted = set()
        for newer, older in zip(self.line, self.line[1:], strict=False):
            for path in self._touched.get(newer.object_id, frozenset()) & set(paths):
                entry = self._entries_at(older.object_id).get(path)
                if entry is not None:
                    wanted.add(entry.object_id)
        self._blobs |= self.base_files.snapshot.read_blobs(wanted - self._blobs.keys())

    def read_line(self, target: Target, file: BaseBranchFile, since: str | None) -> FileLine:
        """Read the states of a target's file since a commit; with None, as far back as the bridge
        walks."""
        walk = _HistoryWalk(self, target, file.path)
        walk.begin(file.prompt, self.base_files.commit)
        for newer, older in zip(self.line, self.line[1:], strict=False):
            if newer.object_id == since:
                break
            walk.walk_back(newer, older, self._touched.get(newer.object_id, frozenset()))
        return walk.build_line(self.place(since) or 0)

    def _entries_at(self, commit: str) -> Mapping[str, TreeEntry]:
        if commit == self.base_files.commit:
            return self.base_files.entries
        if commit not in self._entries:
            self._entries[commit] = self.base_files.snapshot.list_entries(
                commit, self.base_files.context.folder
            )
        return self._entries[commit]

    def read_at(self, commit: str, path: str, target: Target) -> Prompt | None:
        """Read the target's prompt at a commit and path; None where the file is not there."""
        entry = self._entries_at(commit).get(path)
        if entry is None or not entry.is_file:
            return None
        name = entry.object_id
        if name not in self._blobs:
            self._blobs |= self.base_files.snapshot.read_blobs([name])
        file = parse_base_file(path, self._blobs[name])
        held = file.prompt
        return held if held is not None and held.id in (target.prompt_id, None) else None

    def find_at(self, commit: str, paths: Collection[str], target: Target) -> str | None:
        """Find the path of the target's file at a commit, among ``paths``."""
        there = self._entries_at(commit)
        some = {path: there[path] for path in paths if path in there}
        owned = self.base_files.find_target_by_path(some) if some else {}
        return next((path for path, owner in owned.items() if owner == target), None)

    def find_proposed_versions(self, commit: GitCommit, target: Target) -> tuple[int, ...]:
        """Find the version of the target that was merged with a commit of the base's line: the
        trailers of the bridge's commits name it, in a squash or a rebase here, else on the branch.
        At most one."""
        messages = [commit.message]
        if len(commit.parents) > 1:
            messages += [each.message for each in self._merged(commit.parents[1])]
        mapping = target.mapping
        return tuple(
            trailer.version
            for message in messages
            if parse_mapping_name(message) == mapping
            for trailer in parse_trailers(message)
            if (trailer.prompt_id, trailer.label) == (target.prompt_id, target.label)
            and trailer.version
        )[:1]

    def _merged(self, tip: str) -> tuple[GitCommit, ...]:
        if tip not in self._branches:
            self._branches[tip] = self._read_branch(tip)
        return self._branches[tip]

    def _read_branch(self, tip: str) -> tuple[GitCommit, ...]:
        known = {commit.object_id for commit in self.line}

        def ends(commit: GitCommit) -> bool:
            return parse_mapping_name(commit.message) is not None or commit.object_id in known

        try:
            return self.base_files.snapshot.read_history(tip, ends, limit=_MERGED_REACH)
        except BridgeError:  # the server has it no longer
            return ()


@dataclass
class _Run:
    """Commits during which the file meant the same, the newest first."""

    held: Prompt | None
    commits: list[str] = field(default_factory=list)
    brought: GitCommit | None = None  # the commit that began it; None: before what is walked
    proposed: list[int] = field(default_factory=list)

    @property
    def digest(self) -> str | None:
        return self.held.digest if self.held else None


class _HistoryWalk:
    """Walks back along the line with one file."""

    def __init__(self, history: FileHistory, target: Target, path: str) -> None:
        self._history = history
        self._target = target
        self._path: str | None = path
        self._paths = {path}
        self._runs: list[_Run] = []

    def begin(self, held: Prompt | None, commit: str) -> None:
        self._runs.append(_Run(held, [commit]))

    def walk_back(self, newer: GitCommit, older: GitCommit, touched: frozenset[str]) -> None:
        """Go one commit back; a commit that does not touch the file changes nothing."""
        if self._path is not None and self._path not in touched:
            return
        name, run = older.object_id, self._runs[-1]
        held = self._history.read_at(name, self._path, self._target) if self._path else None
        if held is None:
            moved = self._history.find_at(name, sorted(touched), self._target)
            held = self._history.read_at(name, moved, self._target) if moved else None
            if moved is not None:
                self._path = moved
                self._paths.add(moved)
        run.commits.append(newer.object_id)
        run.proposed += self._history.find_proposed_versions(newer, self._target)
        if (held.digest if held else None) != run.digest:
            run.brought = newer
            self._runs.append(_Run(held, [name]))

    def build_line(self, start: int) -> FileLine:
        """Build the history; ``start`` is the place where the walk ended."""
        states = tuple(self._state(run, start) for run in reversed(self._runs))
        texts = {run.held.digest: run.held for run in self._runs if run.held is not None}
        return FileLine(states, frozenset(self._paths), texts)

    def _state(self, run: _Run, start: int) -> FileState:
        place = self._history.place(run.brought.object_id) if run.brought else start
        return FileState(
            commits=tuple(dict.fromkeys(reversed(run.commits))),
            digest=run.digest,
            at=datetime.fromisoformat(run.brought.committed_at) if run.brought else None,
            proposed=tuple(run.proposed),
            place=place or 0,
        )


def build_present_line(file: BaseBranchFile, commit: str) -> FileLine:
    """Build the history of a file that has not moved."""
    held = file.prompt
    texts = {held.digest: held} if held else {}
    return FileLine((FileState((commit,), held.digest if held else None),), frozenset(), texts)
