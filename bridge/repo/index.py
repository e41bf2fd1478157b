"""Which file of a folder belongs to which prompt.

A file says so itself: its id and its label stand in it, so it may be moved and renamed. A file is
read once in its life, since a git object never changes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    """Remembers the owner of every file it has seen, by object name. Safe for threads."""

    _owners: dict[str, Owner | None] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def owners(self, snapshot: Snapshot, entries: Mapping[str, Entry]) -> dict[str, Owner]:
        """Path → owner, for those of ``entries`` that are prompt files."""
        files = {path: entry for path, entry in entries.items() if _may_be_prompt(path, entry)}
        with self._lock:
            unknown = {e.object_name for e in files.values()} - self._owners.keys()
        self._learn(snapshot, unknown)
        with self._lock:
            found = {path: self._owners[entry.object_name] for path, entry in files.items()}
        return {path: owner for path, owner in found.items() if owner is not None}

    def _learn(self, snapshot: Snapshot, object_names: Iterable[str]) -> None:
        texts = snapshot.read(object_names)
        with self._lock:
            for name, text in texts.items():
                self._owners[name] = glance(text)


def _may_be_prompt(path: str, entry: Entry) -> bool:
    return entry.mode.startswith("100") and path.endswith(_SUFFIXES)
