"""Which git is installed, and whether it can do what is asked of it."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.errors import ConfigError
from bridge.repo.git_process import run_git

OLDEST = (2, 31)  # the first that takes settings, and so the credential, from its environment
_PATIENCE = 10.0  # seconds


def require_git() -> str:
    """Read the version of the installed git. Raises ConfigError where there is none, or one so
    old that it would silently ignore options."""
    answer = run_git(["version"], folder=Path.cwd(), timeout=_PATIENCE)
    said = answer.output.decode("utf-8", "replace").strip()
    return check_version(said)


def check_version(said: str) -> str:
    """Parse the output of ``git version``. Raises ConfigError for one that is too old."""
    found = re.search(r"git version (\d+)\.(\d+)[\w.-]*", said)
    if found is None:
        raise ConfigError(f"git does not tell its version, but “{said[:80]}”. Install git anew.")
    version = found[0].removeprefix("git version ")
    if (int(found[1]), int(found[2])) < OLDEST:
        raise ConfigError(
            f"git {version} is too old: before {OLDEST[0]}.{OLDEST[1]} it ignores settings and "
            "credentials in its environment, without a word. Install a newer one."
        )
    return version
