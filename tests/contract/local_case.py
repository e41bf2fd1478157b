"""The contract suite's case for the local forge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.forge import local_webhooks
from bridge.forge.forge import GitRemote, PullRequestContent
from bridge.forge.forge_webhooks import ForgeWebhooks
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.sandbox.forge_announcer import LocalForgeWebhookSender
from tests.contract.forge_case import MergeMethod, Said
from tests.standins.branch_protection import GITHUB, protect
from tests.standins.git_http import git


class LocalCase:
    name = "local"
    calls = 0
    webhooks: ForgeWebhooks = local_webhooks

    def __init__(self, root: Path) -> None:
        self._root = root
        path = LocalForge.create_repository(root, "acme/support-bot", {"README.md": b"# Bot\n"})
        self.forge = LocalForge(root, "acme/support-bot", people={"alice", "bob", "sam"})
        self._git = BareRepository(path)

    @property
    def remote(self) -> GitRemote:
        return self.forge.create_git_remote()

    def seed_branch(self, branch: str, files: dict[str, bytes]) -> str:
        return self._git.commit_files(branch, self._git.list_branches()["main"], files)

    def merge(self, number: int, how: MergeMethod) -> None:
        self.forge.merge(number, how)

    def close(self, number: int) -> None:
        self.forge.close(number)

    def reopen(self, number: int) -> None:
        self.forge.reopen(number)

    def edit_body(self, number: int, body: str, by: str) -> None:
        self.forge.edit_body(number, body, by)

    def delete_branch(self, branch: str) -> None:
        self._git.delete_branch(branch)

    def set_default_branch(self, branch: str) -> None:
        git(self._git.path, "symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def rename_branch(self, old: str, new: str) -> None:
        """Nothing follows: pull requests to the old name stay as they are."""
        git(self._git.path, "branch", "-m", old, new)

    def open_from_fork(self, head: str) -> int:
        fork = self.seed_branch("of-the-fork", {"prompts/reply.yaml": b"text of a fork"})
        self._git.delete_branch("of-the-fork")
        return self.forge.open_from_fork("mallory", head, fork, "main", "From a fork")

    def protect(self, branch: str) -> None:
        protect(self._git.path, branch, GITHUB)

    def statuses(self, commit: str) -> dict[str, Said]:
        said = self.forge.read_statuses(commit)
        return {name: (str(each.state), each.text, each.url) for name, each in said.items()}

    def hook(self, url: str, secret: str) -> None:
        self._announcer = LocalForgeWebhookSender(
            self._root, "acme/support-bot", url=url, secret=secret
        )

    def tell(self) -> None:
        self._announcer.send_events()

    def many(self, n: int) -> None:
        for at in range(n):
            branch = f"many/{at}"
            self.seed_branch(branch, {"many.txt": b"%d\n" % at})
            self.forge.create_pull_request(branch, "main", PullRequestContent(f"Number {at}", ""))


@contextmanager
def local_case(tmp_path: Path) -> Iterator[LocalCase]:
    yield LocalCase(tmp_path / "forge")
