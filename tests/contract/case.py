"""What the contract suite needs of an adapter's surroundings: the hands of the other people."""

from __future__ import annotations

from typing import Literal, Protocol

from bridge.forge.base import Forge, GitRemote
from bridge.forge.local import MergeHow

__all__ = ["Failure", "ForgeCase", "MergeHow"]

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

    def merge(self, number: int, how: MergeHow) -> None: ...

    def close(self, number: int) -> None: ...

    def reopen(self, number: int) -> None: ...

    def delete_branch(self, branch: str) -> None: ...

    def many(self, n: int) -> None:
        """Open ``n`` pull requests quickly, each from a branch of its own."""


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
