"""Lanes: what parts the work of a repository, so that nothing has two writers. Pure."""

from __future__ import annotations

import zlib

LANES = 4  # for each repository


def lane(repository: str, branch: str) -> str:
    """The lane of a branch: always the same, one of few for each repository."""
    return f"{repository} {zlib.crc32(branch.encode()) % LANES}"


def lane_of_files(repository: str) -> str:
    """The lane of whatever makes prompts of files that have none yet, sweeps and errands: two that
    find the same file at once would both make one of it."""
    return f"{repository} files"
