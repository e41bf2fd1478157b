"""One bare, shallow, blobless mirror of one repository, reused between events."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.errors import NotFoundError, RequestRefusedError
from bridge.forge.forge import GitRemote
from bridge.repo.git_environment import REMOTE_NAME, mask_url_credentials
from bridge.repo.git_errors import translate_git_error
from bridge.repo.mirror_store import PARTIAL_CLONE_SETTINGS, DamagedMirrorError, MirrorStore
from bridge.repo.snapshot import RepositorySnapshot
from bridge.repo.state_ref import STATE_REFSPEC

_SHA256 = 64  # characters of an object name
_HEADS = "refs/heads/"
_KEPT = (
    f"refs/remotes/{REMOTE_NAME}/"  # keeps what we fetched, so that the next fetch is a small one
)


@dataclass(frozen=True)
class _FinishedFetch:
    """A finished fetch, for those who began to wait before it began."""

    started: float
    snapshot: RepositorySnapshot


class RepositoryMirror:
    """The mirror at ``path``: made on first use, made anew when it is damaged. Safe for several
    threads and processes. ``timeout`` is in seconds, for each run of git and for waiting."""

    def __init__(self, path: Path, *, timeout: float = 120.0) -> None:
        self._store = MirrorStore(path, timeout)
        self._looks: dict[tuple[str, str, str], _FinishedFetch] = {}
        self._refused: set[str] = set()

    def fetch(self, remote: GitRemote, base: str, prefix: str) -> RepositorySnapshot:
        """Fetch the branch ``base`` and the branches whose names start with ``prefix``. Lists
        the branches, and fetches once if any of them moved; callers that waited while a fetch
        began and ended share its result. Raises NotFoundError when the repository is empty or
        has no such base, and the errors of the remote."""
        asked = time.monotonic()
        key = (remote.url, base, prefix)
        with self._store.lock_exclusively() as held:
            latest = self._looks.get(key)
            if latest is None or latest.started <= asked:
                latest = _FinishedFetch(time.monotonic(), self._look(remote, base, prefix, held))
                self._looks[key] = latest
        return replace(latest.snapshot, remote=remote)

    def record_refusal(self, namespace: str) -> bool:
        """Record that the remote takes no refs of this namespace; returns whether that is new."""
        is_new = namespace not in self._refused
        self._refused.add(namespace)
        return is_new

    def is_refused(self, namespace: str) -> bool:
        """Whether the remote took no refs of this namespace since this process began."""
        return namespace in self._refused

    def collect_garbage(self) -> None:
        """Pack what has gathered, if it is worth it (``git gc --auto``); others wait meanwhile.
        A mirror that cannot be packed, because it never had all that a forgotten commit of ours
        names, is begun anew."""
        with self._store.lock_exclusively():
            try:
                self._store.run_local(
                    "gc",
                    "--auto",
                    "--quiet",
                    settings=(*PARTIAL_CLONE_SETTINGS, ("gc.autoDetach", "false")),
                )
            except DamagedMirrorError:
                self._store.recreate()

    def _look(self, remote: GitRemote, base: str, prefix: str, held: int) -> RepositorySnapshot:
        try:
            return self._seen(remote, base, prefix, held)
        except DamagedMirrorError:
            self._store.recreate()
            return self._seen(remote, base, prefix, held)

    def _seen(self, remote: GitRemote, base: str, prefix: str, held: int) -> RepositorySnapshot:
        tips = self._tips(remote, base, prefix)
        self._take(remote, tips, prefix, held)
        branches = {name: tip for name, tip in tips.items() if name.startswith(prefix)}
        return RepositorySnapshot(base, tips[base], branches, remote, self._store)

    def _tips(self, remote: GitRemote, base: str, prefix: str) -> dict[str, str]:
        """List the newest commits of the base and of the bridge's branches on the remote."""
        answer = self._store.run_remote(remote, "ls-remote", "--quiet", "--heads", REMOTE_NAME)
        if not answer.is_success:
            raise translate_git_error(answer.error_output, remote) or self._store.mark_damaged(
                answer
            )
        heads = dict(_parse_refs(answer.output.decode("utf-8", "surrogateescape"), _HEADS))
        if any(len(tip) == _SHA256 for tip in heads.values()):
            raise RequestRefusedError(
                f"{mask_url_credentials(remote.url)} names its objects by SHA-256, and the bridge works with SHA-1"
                " repositories only. Name another repository in the mapping."
            )
        if base not in heads:
            raise _no_base(remote, base, empty=not heads)
        return {name: tip for name, tip in heads.items() if name == base or name.startswith(prefix)}

    def _take(self, remote: GitRemote, tips: Mapping[str, str], prefix: str, held: int) -> None:
        """Make the mirror hold these commits, and no branch of ours that is gone."""
        kept = self._kept()
        moved = {name: tip for name, tip in tips.items() if kept.get(name) != tip}
        missing = self._missing(sorted(set(moved.values())))
        if missing:
            self._store.fetch(remote, [*missing, STATE_REFSPEC], depth=1, held=held)
        gone = [name for name in kept if name.startswith(prefix) and name not in tips]
        # Two transactions: a branch may give way to others below its name.
        self._update_refs(f"delete {_KEPT}{name}" for name in gone)
        self._update_refs(f"update {_KEPT}{name} {tip}" for name, tip in moved.items())

    def _kept(self) -> dict[str, str]:
        listing = self._store.run_local("for-each-ref", "--format=%(objectname)\t%(refname)", _KEPT)
        return dict(_parse_refs(listing.decode("utf-8", "surrogateescape"), _KEPT))

    def _missing(self, object_names: list[str]) -> list[str]:
        if not object_names:
            return []
        asked = "".join(f"{name}\n" for name in object_names).encode()
        found = self._store.run_local("cat-file", "--batch-check", stdin=asked).decode("ascii")
        return [line.split(" ")[0] for line in found.splitlines() if line.endswith(" missing")]

    def _update_refs(self, commands: Iterable[str]) -> None:
        transaction = "".join(f"{command}\n" for command in commands)
        if transaction:
            self._store.run_local(
                "update-ref", "--stdin", stdin=transaction.encode("utf-8", "surrogateescape")
            )


def _parse_refs(listing: str, namespace: str) -> Iterable[tuple[str, str]]:
    """(name below ``namespace``, commit) of lines of object name, tab and full ref name."""
    for line in listing.split("\n"):
        object_name, _, ref = line.partition("\t")
        if ref.startswith(namespace):
            yield ref.removeprefix(namespace), object_name


def _no_base(remote: GitRemote, base: str, *, empty: bool) -> NotFoundError:
    url = mask_url_credentials(remote.url)
    if empty:
        return NotFoundError(
            f"The repository {url} is empty: it has no branch {base}. Push a first commit to it."
        )
    return NotFoundError(
        f"The repository {url} has no branch {base}. Create it, or name another base in the mapping."
    )
