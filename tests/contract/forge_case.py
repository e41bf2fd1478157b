"""What the contract suite needs of an adapter's surroundings: the hands of the other people."""

from __future__ import annotations

from typing import Literal, Protocol

from bridge.forge.forge import Forge, GitRemote
from bridge.forge.forge_webhooks import ForgeWebhooks
from bridge.forge.local_forge import MergeMethod

__all__ = ["Failure", "ForgeCase", "HostedCase", "MergeMethod", "Said"]

Failure = Literal[
    "401",
    "403",
    "secondary",
    "404",
    "409",
    "422",
    "429",
    "429-retry-after",
    "500",
    "502",
    "timeout",
    "cut",
    "slow",
]


Said = tuple[str, str | None, str | None]  # state in the forge's word, text, url


class ForgeCase(Protocol):
    """One adapter with the forge behind it. The repository has a branch ``main`` with a file."""

    name: str

    @property
    def forge(self) -> Forge: ...

    @property
    def remote(self) -> GitRemote:
        """What ``forge.git_remote()`` says."""

    @property
    def calls(self) -> int:
        """How many REST requests came in so far."""

    def seed_branch(self, branch: str, files: dict[str, bytes]) -> str:
        """One commit of ``files`` on top of ``main``, as branch ``branch``: its id."""

    def merge(self, number: int, how: MergeMethod) -> None: ...

    def close(self, number: int) -> None: ...

    def reopen(self, number: int) -> None: ...

    def edit_body(self, number: int, body: str, by: str) -> None:
        """Let the login ``by`` write another body; “sam” may push, “mallory” may not."""

    def delete_branch(self, branch: str) -> None: ...

    def set_default_branch(self, branch: str) -> None: ...

    def rename_branch(self, old: str, new: str) -> None:
        """Rename a branch as this forge does, the default one too."""

    def many(self, n: int) -> None:
        """Open ``n`` pull requests quickly, each from a branch of its own."""

    def open_from_fork(self, head: str) -> int:
        """Open a pull request from branch ``head`` of mallory's fork to main: its number."""

    def protect(self, branch: str) -> None:
        """Decline every push to a branch from now on."""

    def statuses(self, commit: str) -> dict[str, Said]:
        """What was last said on a commit, by the name of the check."""

    @property
    def webhooks(self) -> ForgeWebhooks: ...

    def hook(self, url: str, secret: str) -> None:
        """Have the forge tell ``url`` what happens from now on."""

    def tell(self) -> None:
        """Let the forge send what it has to tell now."""


class HostedCase(ForgeCase, Protocol):
    """A forge that is reached by requests, with a credential."""

    @property
    def short_timeout_forge(self) -> Forge:
        """The same repository, given up on within about a second."""

    @property
    def read_only_forge(self) -> Forge:
        """The same repository with a credential that may look and not write."""

    def fail_next(self, kind: Failure) -> None:
        """Let the next REST request fail so."""

    def fail_nth(self, number: int, kind: Failure) -> None:
        """Let the ``number``-th REST request from now on fail so."""

    def stop_failing(self) -> None:
        """Forget the failures that have not happened yet."""
