"""A person's clone of the repository, where real git does what people do to a branch."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.standins.git_http import GIT_ENVIRONMENT

# What a forge's button and a person's editor do without being asked for words.
_QUIET = {"GIT_EDITOR": "true", "GIT_SEQUENCE_EDITOR": "true"}


@dataclass
class Clone:
    """Each deed begins with what the repository has now and ends with a push, forced where the
    branch was rewritten."""

    repository: Path  # bare
    folder: Path
    name: str = "Sam Person"
    email: str = "sam@example.com"

    def __post_init__(self) -> None:
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self._git("clone", "--quiet", str(self.repository), ".")

    def commit(self, branch: str, files: Mapping[str, str | None], message: str = "Mend") -> None:
        self._take(branch)
        self._write(files)
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        self._push(branch)

    def amend(
        self, branch: str, files: Mapping[str, str | None], message: str | None = None
    ) -> None:
        """Change the newest commit; its message stays unless there is another."""
        self._take(branch)
        self._write(files)
        words = ("--no-edit",) if message is None else ("-m", message)
        self._git("commit", "--quiet", "--amend", "--allow-empty", *words)
        self._push(branch)

    def squash(self, branch: str, onto: str, message: str | None = None) -> None:
        """Make one commit of all that a branch adds, with the words of its first, or others."""
        self._take(branch)
        fork = self._git("merge-base", "HEAD", f"origin/{onto}")
        first = self._git("rev-list", "--reverse", f"{fork}..HEAD").split()[0]
        self._git("reset", "--quiet", "--soft", fork)
        words = ("-C", first) if message is None else ("-m", message)
        self._git("commit", "--quiet", "--allow-empty", *words)
        self._push(branch)

    def rebase(self, branch: str, onto: str) -> bool:
        """Whether it could be done without a conflict."""
        self._take(branch)
        if not self._try("rebase", "--quiet", f"origin/{onto}"):
            self._git("rebase", "--abort")
            return False
        self._push(branch)
        return True

    def merge(self, branch: str, other: str) -> bool:
        """Merge another branch in; whether it could be done without a conflict."""
        self._take(branch)
        if not self._try("merge", "--quiet", "--no-edit", f"origin/{other}"):
            self._git("merge", "--abort")
            return False
        self._push(branch)
        return True

    def move(self, branch: str, path: str, to: str) -> None:
        self._take(branch)
        (self.folder / to).parent.mkdir(parents=True, exist_ok=True)
        self._git("mv", path, to)
        self._git("commit", "--quiet", "-m", "Move")
        self._push(branch)

    def revert(self, branch: str) -> bool:
        """Take the newest commit of a branch back; whether there was one that could be."""
        self._take(branch)
        if not self._try("revert", "--no-edit", "HEAD"):
            self._try("revert", "--abort")
            return False
        self._push(branch)
        return True

    def can_merge(self, branch: str, onto: str) -> bool:
        """Whether a forge's button could."""
        self._git("fetch", "--quiet", "--prune", "origin")
        return self._try("merge-tree", "--write-tree", f"origin/{onto}", f"origin/{branch}")

    def _take(self, branch: str) -> None:
        self._git("fetch", "--quiet", "--prune", "origin")
        self._git("checkout", "--quiet", "--force", "-B", branch, f"origin/{branch}")
        self._git("clean", "--quiet", "-fd")

    def _write(self, files: Mapping[str, str | None]) -> None:
        for path, text in files.items():
            file = self.folder / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        self._git("add", "--all")

    def _push(self, branch: str) -> None:
        self._git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")

    def _try(self, *command: str) -> bool:
        return self._run(*command).returncode == 0

    def _git(self, *command: str) -> str:
        done = self._run(*command)
        if done.returncode:
            raise RuntimeError(f"git {' '.join(command)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def _run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        who = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", self.name), ("EMAIL", self.email))
        }
        return subprocess.run(
            ["git", "-c", "gc.auto=0", *command],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env=GIT_ENVIRONMENT | _QUIET | who,
        )
