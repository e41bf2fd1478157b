"""The bare repository on this disk: it is made, repaired, locked, and asked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import Unavailable
from bridge.forge.base import GitRemote
from bridge.network.trust import write_ca_bundle
from bridge.repo.complaint import understood
from bridge.repo.credentials import REMOTE, configured, environment
from bridge.repo.lock import FileLock
from bridge.repo.process import Answer, run

# The remote keeps what we leave out. This is told for single commands instead of being written
# into the mirror: all others then fail at once on a missing object, where git would otherwise go
# and fetch it alone, one request for each.
PROMISED = (
    (f"remote.{REMOTE}.promisor", "true"),
    (f"remote.{REMOTE}.partialclonefilter", "blob:none"),
)

NOT_SHALLOW = {"GIT_SHALLOW_FILE": ""}  # git knows of no history that was cut off

_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
_BEGUN = "????????"  # what ``mkdtemp`` adds: a mirror that was begun, and the disk was full
_UNFINISHED = ("*.lock", "refs/**/*.lock", "objects/*.lock", "gc.pid")


class Broken(Unavailable):
    """The mirror on this disk is damaged; the next fetch makes it anew."""


class Store:
    """A bare repository that may be thrown away at any time: the remote has everything."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path.absolute()
        self._timeout = timeout
        self._lock = FileLock(self.path.with_name(f"{path.name}.lock"))
        self._broken = self.path.with_name(f"{path.name}.broken")

    @contextmanager
    def exclusive(self) -> Iterator[int]:
        """Alone with the store, which is then there, whole and free of what a killed git left.
        Gives the file descriptor that ``fetch`` passes on."""
        self._make_place()
        with self._lock.held(self._timeout) as held:
            if self._broken.exists() or not self.path.exists():
                self.remake()
            self._sweep_unfinished()
            yield held

    def _make_place(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"No mirror can be kept at {self.path}: {error.strerror}. "
                "Check the disk and its permissions."
            ) from None

    def remake(self) -> None:
        """Start again with an empty repository. Only while ``exclusive``."""
        for left in self.path.parent.glob(f"{self.path.name}.{_BEGUN}"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{self.path.name}.", dir=self.path.parent))
        made = ["init", "--bare", "--quiet", "--template=", str(fresh)]
        answer = run(made, folder=fresh, timeout=self._timeout)
        if not answer.ok:
            raise Unavailable(
                f"No mirror could be made at {self.path}: {answer.complaint.strip()}. "
                "Check the disk and its permissions."
            )
        if self.path.exists():
            shutil.rmtree(self.path)
        fresh.rename(self.path)
        self._broken.unlink(missing_ok=True)

    def local(
        self, *arguments: str, stdin: bytes = b"", settings: Sequence[tuple[str, str]] = ()
    ) -> bytes:
        """The output of a git command that needs no network. Raises Broken when it fails."""
        answer = self.attempt(*arguments, stdin=stdin, variables=configured(settings))
        if not answer.ok:
            raise self.broken(answer)
        return answer.output

    def attempt(
        self, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
    ) -> Answer:
        """A git command without network that may fail."""
        return self._run(arguments, stdin, variables or {})

    def ask(
        self,
        remote: GitRemote,
        *arguments: str,
        settings: Sequence[tuple[str, str]] = (),
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """A git command that talks to ``remote``, known to it as ``REMOTE``; it may fail."""
        return self._run(arguments, b"", {**self._told(remote, settings), **(variables or {})})

    def fetch(self, remote: GitRemote, wanted: Sequence[str], *, depth: int, held: int) -> None:
        """Fetch these commits (or refspecs) and those before them, ``depth`` together, in one
        request. Refs of a refspec that the remote has no longer are removed. Only while
        ``exclusive``, whose descriptor is ``held``: git keeps the lock if we die."""
        options = (f"--depth={depth}", "--prune")
        self._fetch(remote, wanted, options, PROMISED, inherited=(held,))

    def fetch_files(self, remote: GitRemote, object_names: Sequence[str]) -> None:
        """Fetch the content of these files in one request."""
        # Without a word of what we have: the other side would take us to have all files of it.
        silent = ("fetch.negotiationAlgorithm", "noop")
        self._fetch(remote, object_names, (), (*PROMISED, silent))

    def _fetch(
        self,
        remote: GitRemote,
        objects: Sequence[str],
        options: Sequence[str],
        settings: Sequence[tuple[str, str]],
        inherited: Sequence[int] = (),
    ) -> None:
        answer = self._run(
            (*_FETCH, *options, REMOTE, "--stdin"),
            "".join(f"{name}\n" for name in objects).encode(),
            self._told(remote, settings),
            inherited,
        )
        if not answer.ok:
            raise understood(answer.complaint, remote) or self.broken(answer)

    def _told(self, remote: GitRemote, settings: Sequence[tuple[str, str]]) -> dict[str, str]:
        """The environment in which git reaches ``remote``."""
        try:
            trusted = write_ca_bundle(remote.authorities, self.path.parent)
        except OSError as error:
            raise Unavailable(
                f"The certificates that git trusts cannot be written to {self.path.parent}: "
                f"{error.strerror}. Check the disk and its permissions."
            ) from None
        return environment(remote, settings=settings, patience=self._timeout, ca_bundle=trusted)

    def _received(self) -> int:
        """How many bytes of packs that are not complete yet have come."""
        sizes = 0
        for part in self.path.glob("objects/pack/tmp_*"):
            with suppress(OSError):  # it is complete now
                sizes += part.stat().st_size
        return sizes

    def broken(self, answer: Answer) -> Broken:
        """Remember that the store is damaged; the error says so."""
        self._broken.touch()
        said = answer.complaint.strip().splitlines()
        return Broken(
            f"The mirror {self.path.name} on this disk is damaged "
            f"({said[-1][:300] if said else 'git gave no reason'}). It is made anew at the next try."
        )

    def _run(
        self,
        arguments: Sequence[str],
        stdin: bytes,
        variables: Mapping[str, str],
        inherited: Sequence[int] = (),
    ) -> Answer:
        return run(
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
