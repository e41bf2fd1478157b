"""One run of git: started, fed, awaited, and ended with all its children when it takes too long."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from git import Git
from git.exc import GitCommandNotFound

from bridge.errors import ConfigError, UnavailableError
from bridge.repo.git_environment import NON_INTERACTIVE_ENVIRONMENT
from bridge.telemetry.log_context import span

Progress = Callable[[], object]  # returns a value that changes while a run makes progress


@dataclass(frozen=True)
class GitResult:
    """The output of a git command and its exit code."""

    is_success: bool
    output: bytes
    error_output: str  # standard error


def run_git(
    arguments: Sequence[str],
    *,
    folder: Path,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout: float,
    inherited: Sequence[int] = (),
    progress: Progress = lambda: None,
) -> GitResult:
    """Run git in ``folder``. A run that is not done after ``timeout`` seconds is killed with its
    children and raises UnavailableError, unless the value of ``progress`` has changed
    meanwhile: then it has the same time again. A failure of git is a ``GitResult`` too. The
    file descriptors in ``inherited`` stay open in the child."""
    with span(f"git {arguments[0]}"):
        process = _start(
            arguments, folder, {**NON_INTERACTIVE_ENVIRONMENT, **(environment or {})}, inherited
        )
        output, complaint = _finished(process, arguments[0], stdin, timeout, progress)
    return GitResult(process.returncode == 0, output, complaint.decode("utf-8", "replace"))


def _finished(
    process: Git.AutoInterrupt, command: str, stdin: bytes, timeout: float, progress: Progress
) -> tuple[bytes, bytes]:
    """Standard output and standard error, once it has ended by itself."""
    fed: bytes | None = stdin
    try:
        while True:
            before = progress()
            try:
                output, complaint = process.communicate(fed, timeout=timeout)
            except subprocess.TimeoutExpired as late:
                fed = None  # it goes on with what it was given
                if progress() == before:
                    raise UnavailableError(
                        f"git {command} was not done after {timeout:g} seconds without any progress"
                        " and was ended; the setting git.timeout says how long that may take."
                    ) from late
            else:
                return output, complaint
    except BaseException:
        _end(process)
        raise


def _start(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], inherited: Sequence[int]
) -> Git.AutoInterrupt:
    try:
        return Git(folder).execute(
            ["git", *arguments],
            istream=subprocess.PIPE,
            as_process=True,
            env=environment,
            start_new_session=True,  # a process group of its own, so that all of it can be ended
            pass_fds=tuple(inherited),
        )
    except GitCommandNotFound as missing:
        raise ConfigError(
            "The command git was not found on this machine. Install git 2.31 or newer."
        ) from missing


def _end(process: Git.AutoInterrupt) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself in this moment
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
