"""What the local forge's sender tells."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from bridge.forge.local_forge import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.sandbox.forge_announcer import LocalForgeWebhookSender


def test_what_nobody_heard_is_told_again(tmp_path: Path) -> None:
    path = LocalForge.create_repository(tmp_path, "acme/bot", {"a.txt": b"one"})
    git = BareRepository(path)
    announcer = LocalForgeWebhookSender(tmp_path, "acme/bot", url="http://127.0.0.1:1/", secret="s")
    git.commit_files("main", git.list_branches()["main"], {"a.txt": b"two"})

    for _ in range(2):  # the second time because of the first
        with pytest.raises(httpx2.ConnectError):
            announcer.send_events()


def test_a_merged_pull_request_of_a_fork_keeps_its_own_commit(tmp_path: Path) -> None:
    path = LocalForge.create_repository(tmp_path, "acme/bot", {"a.txt": b"one"})
    git = BareRepository(path)
    commit = git.commit_files("theirs", git.list_branches()["main"], {"a.txt": b"two"})
    git.delete_branch("theirs")
    forge = LocalForge(tmp_path, "acme/bot")

    number = forge.open_from_fork("mallory", "main", commit, "main", "Mine")

    assert forge.read_pull_request(number).head_commit == commit
    merged = forge.merge(number)
    assert (merged.head_commit, merged.is_from_fork) == (commit, True)
    assert merged.merge_commit == git.list_branches()["main"]
