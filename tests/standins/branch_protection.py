"""Protected branches: a push to one is declined in the server's own words, by git's own hooks."""

from __future__ import annotations

from pathlib import Path

GITHUB = (
    "error: GH006: Protected branch update failed for refs/heads/{branch}.",
    "error: Changes must be made through a pull request.",
)
GITHUB_COMMIT_RULE = (
    "error: GH013: Repository rule violations found for this push.",
    "- Commit message must match a given regex pattern: {subject}",
)
GITLAB_COMMIT_RULE = ("GitLab: Commit message does not follow the pattern, {subject}",)
GITLAB = ("GitLab: You are not allowed to push code to protected branches on this project.",)


def require_commit_subject(repository: Path, pattern: str, words: tuple[str, ...]) -> None:
    """Decline every push that brings a commit whose subject does not fit ``pattern``, an extended
    regular expression of grep's; ``{subject}`` in ``words`` is that subject."""
    path = repository / "hooks" / "pre-receive"
    path.parent.mkdir(exist_ok=True)
    said = "\n".join(f'    echo "{line.format(subject="$subject")}" >&2' for line in words)
    path.write_text(
        "#!/bin/sh\nwhile read old new ref; do\n"
        '  [ "$new" = 0000000000000000000000000000000000000000 ] && continue\n'
        '  git log --format=%s "$new" --not --all | while read -r subject; do\n'
        f"    printf '%s' \"$subject\" | grep -qE '{pattern}' && continue\n{said}\n    exit 1\n"
        "  done || exit 1\ndone\n"
    )
    path.chmod(0o755)


def protect(repository: Path, branch: str, words: tuple[str, ...], hook: str = "update") -> None:
    """Decline every push to ``branch`` from now on. What the forge does by itself (a merge) is no
    push. ``hook`` is the one that declines: ``update`` or ``pre-receive``."""
    path = repository / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    said = "\n".join(f"  echo '{line.format(branch=branch)}' >&2" for line in words)
    refs = 'echo "$2 $3 $1"' if hook == "update" else "cat"
    path.write_text(
        f"#!/bin/sh\n{refs} | while read old new ref; do\n"
        f'  [ "$ref" = "refs/heads/{branch}" ] || continue\n{said}\n  exit 1\ndone\n'
    )
    path.chmod(0o755)
