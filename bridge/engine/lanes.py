"""Lanes: what parts the work of a repository, so that no branch has two writers. Pure."""

from __future__ import annotations

import zlib

LANES = 4  # for each repository


def lane(repository: str, branch: str) -> str:
    """The lane of a branch: always the same, one of few for each repository."""
    return f"{repository} {zlib.crc32(branch.encode()) % LANES}"
