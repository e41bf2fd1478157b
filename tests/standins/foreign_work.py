"""What an open pull request would bring to its base that is not its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.standins.git_http import git

OURS = "promptlayer/"


def find_foreign_work(
    repository: Path, pull_requests: Iterable[tuple[int, str, str]]
) -> Iterator[str]:
    """For each pull request (number, head and base branch) whose diff against its base holds what
    neither the bridge nor a person on its branch wrote, in words: every commit between base and
    head that a branch of somebody else holds too, and the files that the diff shows."""
    listed = git(repository, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads")
    branches = set(listed.splitlines())
    others = sorted(name for name in branches if not name.startswith(OURS))
    for number, head, base in pull_requests:
        if not {head, base} <= branches:
            continue  # one of them is gone just now
        brought = git(repository, "rev-list", f"{base}..{head}").split()
        elsewhere = set(git(repository, "rev-list", *others).split())
        if foreign := [commit[:10] for commit in brought if commit in elsewhere]:
            span = f"{base}...{head}"
            shown = git(repository, "diff", "--no-renames", "--name-only", span).splitlines()
            yield f"#{number} to {base} brings {', '.join(foreign)}: {', '.join(shown)}"
