"""Find the commit of the base branch that brought a file to its present content: the one an
engineer's edit was merged with. It is stored in PromptLayer with the version that is made of
the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from bridge.promptlayer.publish_version import shorten_commit_message
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.commit import GitCommit
from bridge.repo.snapshot import RepositorySnapshot

_REACH = 50  # commits of the base branch that are walked back


def find_source_commits(
    context: MappingContext, snapshot: RepositorySnapshot, paths: Collection[str]
) -> dict[str, GitCommit]:
    """Path → the newest commit, along first parents, that changed it; the oldest that was walked
    where none of them did."""
    line = snapshot.read_history(snapshot.commit, lambda _: False, limit=_REACH)
    touched = snapshot.find_touched_paths([commit.object_id for commit in line], context.folder)
    found: dict[str, GitCommit] = {}
    for commit in line:
        for path in touched.get(commit.object_id, frozenset()) & frozenset(paths):
            found.setdefault(path, commit)
    return {path: found.get(path, line[-1]) for path in paths}


@dataclass(frozen=True)
class CommitMessageIndex:
    """Finds the commits of the base branch by the message that a version made of them has. The
    branch is read once, and only when somebody asks."""

    context: MappingContext
    snapshot: RepositorySnapshot

    def find_changes(self, message: str | None) -> Mapping[str, frozenset[str]]:
        """Commit → the paths that it changed in the mapping's folder."""
        return self._changes.get(message or "", {})

    @cached_property
    def _changes(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        line = self.snapshot.read_history(self.snapshot.commit, lambda _: False, limit=_REACH)
        names = [commit.object_id for commit in line]
        touched = self.snapshot.find_touched_paths(names, self.context.folder)
        found: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for commit in line:
            paths = touched.get(commit.object_id, frozenset())
            found[shorten_commit_message(commit.message)][commit.object_id] = paths
        return found
