"""Which commit of the base branch brought a file to what it is: the one an engineer's edit was
merged with. Told to PromptLayer with the version that is made of it."""

from __future__ import annotations

from collections.abc import Collection

from bridge.repo.commit import Commit
from bridge.repo.snapshot import Snapshot
from bridge.steps.site import Site

_REACH = 50  # commits of the base branch that are walked back


def origins(site: Site, snapshot: Snapshot, paths: Collection[str]) -> dict[str, Commit]:
    """Path → the newest commit, along first parents, that changed it; the oldest that was walked
    where none of them did."""
    line = snapshot.history(snapshot.commit, lambda _: False, limit=_REACH)
    touched = snapshot.touched([commit.object_name for commit in line], site.folder)
    found: dict[str, Commit] = {}
    for commit in line:
        for path in touched.get(commit.object_name, frozenset()) & frozenset(paths):
            found.setdefault(path, commit)
    return {path: found.get(path, line[-1]) for path in paths}
