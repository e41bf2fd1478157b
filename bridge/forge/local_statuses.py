"""Store the statuses of the local forge's commits: one JSON file for each commit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bridge.forge.forge import StatusState


@dataclass(frozen=True)
class LocalCommitStatus:
    """How one check stands on one commit."""

    state: StatusState
    text: str
    url: str | None = None


class CommitStatusFiles:
    """The statuses of one repository: ``folder/<commit>.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, commit: str) -> dict[str, LocalCommitStatus]:
        """Read the statuses of a commit: check → status; empty where there are none."""
        try:
            found: Mapping[str, Mapping[str, str]] = json.loads(
                self._path(commit).read_text("utf-8")
            )
        except FileNotFoundError:
            return {}
        return {
            name: LocalCommitStatus(StatusState(said["state"]), said["text"], said["url"])
            for name, said in found.items()
        }

    def write(self, commit: str, name: str, status: LocalCommitStatus) -> None:
        """Whole or not at all, for those who read meanwhile. One writer at a time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        all_ = self.read(commit) | {name: status}
        draft = self._path(commit).with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({name: asdict(said) for name, said in all_.items()}), "utf-8")
        draft.replace(self._path(commit))

    def _path(self, commit: str) -> Path:
        return self._folder / f"{commit}.json"
