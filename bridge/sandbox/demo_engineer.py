"""An engineer of the demo, with a clone, an editor and git."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import RequestRefusedError
from bridge.forge.forge import PullRequest, PullRequestContent
from bridge.forge.local_forge import LocalForge

_NAME, _EMAIL = "Sam Rivera", "sam@example.com"
_BASE = "main"


@dataclass(frozen=True)
class DemoEngineer:
    """Edit files in ``clone``, which is recreated for each edit."""

    forge: LocalForge
    clone: Path

    def edit(self, path: str, old: str, new: str, *, why: str) -> PullRequest:
        """Replace ``old`` in a file, push the change as a branch and open a pull request titled
        ``why``."""
        branch = "sam/" + why.lower().replace(":", "").replace(" ", "-")
        folder = self.clone / branch.replace("/", "-")
        self._git("clone", "--quiet", self.forge.create_git_remote().url, str(folder))
        file = folder / path
        text = file.read_text(encoding="utf-8")
        if old not in text:
            raise RequestRefusedError(f"{path} does not say “{old}”, so there is nothing to edit.")
        file.write_text(text.replace(old, new), encoding="utf-8")
        self._git("-C", str(folder), "commit", "--quiet", "--all", f"--message={why}")
        self._git("-C", str(folder), "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return self.forge.create_pull_request(branch, _BASE, PullRequestContent(why, "By hand."))

    def merge(self, pull_request: PullRequest) -> PullRequest:
        return self.forge.merge(pull_request.number, "squash", author=f"{_NAME} <{_EMAIL}>")

    def _git(self, *words: str) -> None:
        """Run git without the configuration of this machine's user."""
        about = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", _NAME), ("EMAIL", _EMAIL))
        }
        plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        ended = subprocess.run(
            ["git", *words],
            env={**os.environ, **about, **plain},
            capture_output=True,
            check=False,
        )
        if ended.returncode != 0:
            raise RequestRefusedError(
                f"git {words[0]} did not work: {ended.stderr.decode(errors='replace')}"
            )
