"""Pull requests of the local forge as files: one JSON file each, shared by several processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.errors import NotFoundError
from bridge.forge.forge import PullRequest, PullRequestState


@dataclass(frozen=True)
class PullRequestRecord:
    """One pull request as its file holds it. Which commit its head is, git knows."""

    number: int
    state: PullRequestState
    head: str
    base: str
    title: str
    body: str
    draft: bool
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)  # marker → body
    merged_from: str | None = None  # the commit where the head had left the base
    merged_onto: str | None = None  # the base's commit right before the merge
    merge_commit: str | None = None  # and right after
    fork: str | None = None  # who owns the repository of the head, where it is not this one
    author: str = ""
    decided_at: str | None = None  # ISO 8601: when it was merged or closed
    closed_by: str | None = None  # login
    edited_by: str | None = None  # login of the person who edited the body last

    @classmethod
    def parse(cls, text: str) -> PullRequestRecord:
        fields: dict[str, Any] = json.loads(text)
        lists = {name: tuple(fields[name]) for name in ("labels", "assignees", "reviewers")}
        return cls(**(fields | lists | {"state": PullRequestState(fields["state"])}))

    def render(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def is_open(self) -> bool:
        return self.state is PullRequestState.OPEN

    def build_pull_request(self, url: str, head_commit: str) -> PullRequest:
        """Build the PullRequest of this file; ``url`` is its page."""
        return PullRequest(
            number=self.number,
            url=url,
            state=self.state,
            head_branch=self.head,
            base_branch=self.base,
            head_commit=head_commit,
            title=self.title,
            body=self.body,
            is_draft=self.draft,
            labels=frozenset(self.labels),
            assignees=frozenset(self.assignees),
            reviewers=frozenset(self.reviewers),
            is_from_fork=self.fork is not None,
            author=self.author,
            merge_commit=self.merge_commit,
            decided_at=datetime.fromisoformat(self.decided_at) if self.decided_at else None,
            closed_by=self.closed_by,
        )


_Version = tuple[int, int, int]  # a file is never written into, only replaced


class PullRequestRecords:
    """The pull requests of one repository: ``folder/<number>.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[int, tuple[_Version, PullRequestRecord]] = {}  # as each file was last

    def build_path(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def read_all(self) -> list[PullRequestRecord]:
        """Newest (highest number) first."""
        return [self.read(number) for number in sorted(self._numbers(), reverse=True)]

    def find_newest_number(self) -> int:
        """The highest number so far, 0 when there is none."""
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self._folder.glob("*.json")]

    def read(self, number: int) -> PullRequestRecord:
        """Raises NotFoundError."""
        try:
            with self.build_path(number).open(encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                version = (status.st_ino, status.st_mtime_ns, status.st_size)
                known = self._read.get(number)
                if known is None or known[0] != version:
                    known = (version, PullRequestRecord.parse(file.read()))
                    self._read[number] = known
                return known[1]
        except FileNotFoundError:
            raise NotFoundError(f"There is no pull request {number} in {self._folder}.") from None

    def write(self, pull: PullRequestRecord) -> None:
        """Whole or not at all, for those who read meanwhile. Only under ``lock_for_writing``."""
        draft = self.build_path(pull.number).with_suffix(f".{os.getpid()}")
        draft.write_text(pull.render(), "utf-8")
        draft.replace(self.build_path(pull.number))

    @contextmanager
    def lock_for_writing(self) -> Iterator[None]:
        """One writer at a time, over all threads and processes. Not to be nested."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
