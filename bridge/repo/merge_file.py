"""Merging one file three ways."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bridge.errors import UnavailableError
from bridge.repo.git_process import run_git


def merge_file(
    ancestor: bytes, ours: bytes, theirs: bytes, *, timeout: float = 30.0
) -> bytes | None:
    """The file with both sides' changes since ``ancestor``, or None where they conflict or are
    not text."""
    with tempfile.TemporaryDirectory(prefix="bridge-merge.") as name:
        folder = Path(name)
        (folder / "ours").write_bytes(ours)
        (folder / "ancestor").write_bytes(ancestor)
        (folder / "theirs").write_bytes(theirs)
        command = ("merge-file", "-p", "--quiet", "ours", "ancestor", "theirs")
        answer = run_git(command, folder=folder, timeout=timeout)
    if answer.is_success:
        return answer.output
    # Conflicts and binary files are an exit status without a complaint, or with this one.
    if not answer.error_output or "binary" in answer.error_output:
        return None
    raise UnavailableError(f"git merge-file failed: {answer.error_output.strip()}.")
