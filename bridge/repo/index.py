"""Which file of a folder belongs to which prompt.

A file says so itself: its id and its label stand in it, so it may be moved and renamed. A file is
read once in its life, since a git object never changes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

from bridge.repo.snapshot import Entry, Snapshot

_KIND = re.compile(rb'^(?:  )?"?kind"?:\s*"?prompt/v1"?', re.MULTILINE)
_ID = re.compile(rb'^(?:  )?"?id"?:\s*(\d+)', re.MULTILINE)
_LABEL = re.compile(rb'^(?:  )?"?label"?:[ \t]*(.*?)[ \t,]*\r?$', re.MULTILINE)
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Owner:
    """What a prompt file says it is about, as far as a glance tells."""

    prompt_id: int | None
    label: str | None


def glance(text: bytes) -> Owner | None:
    """Who a file belongs to, without parsing it; None when it is no prompt file. Top-level keys
    only: they stand at the line's start (YAML) or two blanks in (JSON as the bridge writes it)."""
    text = text.removeprefix(codecs.BOM_UTF8)
    if not _KIND.search(text):
        return None
    found_id = _ID.search(text)
    found_label = _LABEL.search(text)
    label = found_label[1].decode("utf-8", "replace").strip("\"'") if found_label else None
    return Owner(int(found_id[1]) if found_id else None, label)


@dataclass
class FileIndex:
    """Remembers the owners of the files it has seen last, by object name; of ``most``, as a bridge
    that runs for years sees ever more. Safe for threads."""

    most: int = 500_000
    _owners: dict[str, Owner | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def owners(self, snapshot: Snapshot, entries: Mapping[str, Entry]) -> dict[str, Owner]:
        """Path → owner, for those of ``entries`` that are prompt files."""
        files = {path: entry for path, entry in entries.items() if _may_be_prompt(path, entry)}
        names = {entry.object_name for entry in files.values()}
        with self._lock:
            known = {name: self._owners[name] for name in names & self._owners.keys()}
        unknown = snapshot.read(names - known.keys())
        learned = {name: glance(text) for name, text in unknown.items()}
        self._remember(learned)
        known |= learned
        found = {path: known[entry.object_name] for path, entry in files.items()}
        return {path: owner for path, owner in found.items() if owner is not None}

    @property
    def remembered(self) -> int:
        """How many files."""
        with self._lock:
            return len(self._owners)

    def _remember(self, learned: Mapping[str, Owner | None]) -> None:
        with self._lock:
            self._owners |= learned
            for name in list(islice(self._owners, max(0, len(self._owners) - self.most))):
                del self._owners[name]


def _may_be_prompt(path: str, entry: Entry) -> bool:
    return entry.mode.startswith("100") and path.endswith(_SUFFIXES)
