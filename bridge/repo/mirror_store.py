"""The bare repository on this disk: it is made, repaired, locked, and asked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import UnavailableError
from bridge.forge.forge import GitRemote
from bridge.network.trust import write_ca_bundle
from bridge.repo.file_lock import FileLock
from bridge.repo.git_environment import (
    REMOTE_NAME,
    build_config_environment,
    build_remote_environment,
)
from bridge.repo.git_errors import translate_git_error
from bridge.repo.git_process import GitResult, run_git

# The remote keeps what we leave out. This is told for single commands instead of being written
# into the mirror: all others then fail at once on a missing object, where git would otherwise go
# and fetch it alone, one request for each.
PARTIAL_CLONE_SETTINGS = (
    (f"remote.{REMOTE_NAME}.promisor", "true"),
    (f"remote.{REMOTE_NAME}.partialclonefilter", "blob:none"),
)

IGNORE_SHALLOW_ENVIRONMENT = {"GIT_SHALLOW_FILE": ""}  # git knows of no history that was cut off

_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
_BEGUN = "????????"  # what ``mkdtemp`` adds: a mirror that was begun, and the disk was full
_UNFINISHED = ("*.lock", "refs/**/*.lock", "objects/*.lock", "gc.pid")


class DamagedMirrorError(UnavailableError):
    """The mirror on this disk is damaged; the next fetch makes it anew."""


class MirrorStore:
    """A bare repository that may be thrown away at any time: the remote has everything."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path.absolute()
        self._timeout = timeout
        self._lock = FileLock(self.path.with_name(f"{path.name}.lock"))
        self._broken = self.path.with_name(f"{path.name}.broken")

    @contextmanager
    def lock_exclusively(self) -> Iterator[int]:
        """Alone with the store, which is then there, whole and free of what a killed git left.
        Gives the file descriptor that ``fetch`` passes on."""
        self._make_place()
        with self._lock.hold(self._timeout) as held:
            if self._broken.exists() or not self.path.exists():
                self.recreate()
            self._sweep_unfinished()
            yield held

    def _make_place(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"No mirror can be kept at {self.path}: {error.strerror}. "
                "Check the disk and its permissions."
            ) from None

    def recreate(self) -> None:
        """Start again with an empty repository. Only while ``lock_exclusively``."""
        for left in self.path.parent.glob(f"{self.path.name}.{_BEGUN}"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{self.path.name}.", dir=self.path.parent))
        made = ["init", "--bare", "--quiet", "--template=", str(fresh)]
        answer = run_git(made, folder=fresh, timeout=self._timeout)
        if not answer.is_success:
            raise UnavailableError(
                f"No mirror could be made at {self.path}: {answer.error_output.strip()}. "
                "Check the disk and its permissions."
            )
        if self.path.exists():
            shutil.rmtree(self.path)
        fresh.rename(self.path)
        self._broken.unlink(missing_ok=True)

    def run_local(
        self, *arguments: str, stdin: bytes = b"", settings: Sequence[tuple[str, str]] = ()
    ) -> bytes:
        """The output of a git command that needs no network. Raises DamagedMirrorError when it
        fails."""
        answer = self.try_local(
            *arguments, stdin=stdin, variables=build_config_environment(settings)
        )
        if not answer.is_success:
            raise self.mark_damaged(answer)
        return answer.output

    def try_local(
        self, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
    ) -> GitResult:
        """A git command without network that may fail."""
        return self._run(arguments, stdin, variables or {})

    def run_remote(
        self,
        remote: GitRemote,
        *arguments: str,
        settings: Sequence[tuple[str, str]] = (),
        variables: Mapping[str, str] | None = None,
    ) -> GitResult:
        """A git command that talks to ``remote``, known to it as ``REMOTE_NAME``; it may fail."""
        return self._run(arguments, b"", {**self._told(remote, settings), **(variables or {})})

    def fetch(self, remote: GitRemote, wanted: Sequence[str], *, depth: int, held: int) -> None:
        """Fetch these commits (or refspecs) and those before them, ``depth`` together, in one
        request. Refs of a refspec that the remote has no longer are removed. Only while
        ``lock_exclusively``, whose descriptor is ``held``: git keeps the lock if we die."""
        options = (f"--depth={depth}", "--prune")
        self._fetch(remote, wanted, options, PARTIAL_CLONE_SETTINGS, inherited=(held,))

    def fetch_files(self, remote: GitRemote, object_names: Sequence[str]) -> None:
        """Fetch the content of these files in one request."""
        # Without naming present commits: the server would assume that all their files are here.
        silent = ("fetch.negotiationAlgorithm", "noop")
        self._fetch(remote, object_names, (), (*PARTIAL_CLONE_SETTINGS, silent))

    def _fetch(
        self,
        remote: GitRemote,
        objects: Sequence[str],
        options: Sequence[str],
        settings: Sequence[tuple[str, str]],
        inherited: Sequence[int] = (),
    ) -> None:
        answer = self._run(
            (*_FETCH, *options, REMOTE_NAME, "--stdin"),
            "".join(f"{name}\n" for name in objects).encode(),
            self._told(remote, settings),
            inherited,
        )
        if not answer.is_success:
            raise translate_git_error(answer.error_output, remote) or self.mark_damaged(answer)

    def _told(self, remote: GitRemote, settings: Sequence[tuple[str, str]]) -> dict[str, str]:
        """The environment in which git reaches ``remote``."""
        try:
            trusted = write_ca_bundle(remote.authorities, self.path.parent)
        except OSError as error:
            raise UnavailableError(
                f"The certificates that git trusts cannot be written to {self.path.parent}: "
                f"{error.strerror}. Check the disk and its permissions."
            ) from None
        return build_remote_environment(
            remote, settings=settings, patience=self._timeout, ca_bundle=trusted
        )

    def _received(self) -> int:
        """How many bytes of packs that are not complete yet have come."""
        sizes = 0
        for part in self.path.glob("objects/pack/tmp_*"):
            with suppress(OSError):  # it is complete now
                sizes += part.stat().st_size
        return sizes

    def mark_damaged(self, answer: GitResult) -> DamagedMirrorError:
        """Record that the store is damaged; the error names the cause."""
        self._broken.touch()
        said = answer.error_output.strip().splitlines()
        return DamagedMirrorError(
            f"The mirror {self.path.name} on this disk is damaged "
            f"({said[-1][:300] if said else 'git gave no reason'}). The next attempt makes it anew."
        )

    def _run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        variables: Mapping[str, str],
        inherited: Sequence[int] = (),
    ) -> GitResult:
        return run_git(
            arguments,
            folder=self.path,
            stdin=stdin,
            environment={"GIT_DIR": str(self.path), **variables},
            timeout=self._timeout,
            inherited=inherited,
            progress=self._received,
        )

    def _sweep_unfinished(self) -> None:
        for pattern in _UNFINISHED:
            for left in self.path.glob(pattern):
                left.unlink(missing_ok=True)
