"""Which file of a folder belongs to which prompt.

A file says so itself: its id and its label stand in it, so it may be moved and renamed. A file is
read once in its life, since a git object never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from bridge.prompts.header import Owner, read_owner
from bridge.prompts.source import Format, format_of
from bridge.repo.snapshot import Entry, Snapshot

__all__ = ["FileIndex", "Owner"]

_Content = tuple[str, Format]  # a git object's name, and how it is written
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass
class FileIndex:
    """Remembers the owners of the files it has seen last, by object name; of ``most``, as a bridge
    that runs for years sees ever more. Safe for threads."""

    most: int = 500_000
    _owners: dict[_Content, Owner | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def owners(self, snapshot: Snapshot, entries: Mapping[str, Entry]) -> dict[str, Owner]:
        """Path → owner, for those of ``entries`` that are prompt files."""
        files = {
            path: (entry.object_name, format_of(path))
            for path, entry in entries.items()
            if _may_be_prompt(path, entry)
        }
        wanted = set(files.values())
        with self._lock:
            known = {content: self._owners[content] for content in wanted & self._owners.keys()}
        unknown = wanted - known.keys()
        texts = snapshot.read(name for name, _ in unknown)
        learned = {content: read_owner(texts[content[0]], content[1]) for content in unknown}
        self._remember(learned)
        known |= learned
        found = {path: known[content] for path, content in files.items()}
        return {path: owner for path, owner in found.items() if owner is not None}

    @property
    def remembered(self) -> int:
        """How many files."""
        with self._lock:
            return len(self._owners)

    def _remember(self, learned: Mapping[_Content, Owner | None]) -> None:
        with self._lock:
            self._owners |= learned
            for content in list(islice(self._owners, max(0, len(self._owners) - self.most))):
                del self._owners[content]


def _may_be_prompt(path: str, entry: Entry) -> bool:
    return entry.mode.startswith("100") and path.endswith(_SUFFIXES)
