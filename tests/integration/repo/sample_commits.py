"""What the tests of this folder write."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bridge.repo.commit import CommitDraft, CommitSigning, GitIdentity

TOKEN = "token-nobody-may-see"
ANN = GitIdentity("Ann Editor", "ann@example.com")
BRIDGE = GitIdentity("PromptLayer Bridge", "bridge@example.com")
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def draft(
    parent: str, changes: Mapping[str, bytes | None], *, signing: CommitSigning | None = None
) -> CommitDraft:
    return CommitDraft(parent, changes, "Update reply\n\nWhy not.", ANN, BRIDGE, NOON, signing)


def eventually(holds: Callable[[], bool], within: float = 15.0) -> None:
    """Wait until a condition holds; fail when it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        threading.Event().wait(0.01)
