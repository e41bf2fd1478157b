"""Find the owner of each prompt file of a folder.

The id and the label are in the file, so it may be moved and renamed. Each content is parsed once,
since a git object never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from bridge.prompts.file_format.source_text import PromptFileFormat, format_of
from bridge.prompts.header import PromptFileOwner, read_owner
from bridge.prompts.paths import EXTENSIONS
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry

__all__ = ["PromptFileIndex", "PromptFileOwner"]

_Content = tuple[str, PromptFileFormat]  # a git object's name, and how it is written


@dataclass
class PromptFileIndex:
    """Caches the owners of the last ``max_entries`` files, by object name. Safe for threads."""

    max_entries: int = 500_000
    _owners: dict[_Content, PromptFileOwner | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find_owners(
        self, snapshot: RepositorySnapshot, entries: Mapping[str, TreeEntry]
    ) -> dict[str, PromptFileOwner]:
        """Path → owner, for those of ``entries`` that are prompt files."""
        files = {
            path: (entry.object_id, format_of(path))
            for path, entry in entries.items()
            if _may_be_prompt(path, entry)
        }
        wanted = set(files.values())
        with self._lock:
            known = {content: self._owners[content] for content in wanted & self._owners.keys()}
        unknown = wanted - known.keys()
        texts = snapshot.read_blobs(name for name, _ in unknown)
        learned = {content: read_owner(texts[content[0]], content[1]) for content in unknown}
        self._remember(learned)
        known |= learned
        found = {path: known[content] for path, content in files.items()}
        return {path: owner for path, owner in found.items() if owner is not None}

    @property
    def entry_count(self) -> int:
        """How many files."""
        with self._lock:
            return len(self._owners)

    def _remember(self, learned: Mapping[_Content, PromptFileOwner | None]) -> None:
        with self._lock:
            self._owners |= learned
            for content in list(islice(self._owners, max(0, len(self._owners) - self.max_entries))):
                del self._owners[content]


def _may_be_prompt(path: str, entry: TreeEntry) -> bool:
    return entry.mode.startswith("100") and path.endswith(EXTENSIONS)
