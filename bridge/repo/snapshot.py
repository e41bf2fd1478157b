"""A repository at one moment: its base branch, the bridge's branches, and their files."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from posixpath import commonpath

from bridge.errors import ConfigError, UnsafePathError
from bridge.forge.forge import GitRemote
from bridge.repo import push_branch
from bridge.repo.attributes import ATTRIBUTES_FILE, find_attributes_files, read_attributes
from bridge.repo.commit import (
    CommitDraft,
    GitCommit,
    build_commit_environment,
    build_fast_import_stream,
    encode_message,
    parse_commit,
)
from bridge.repo.git_environment import build_config_environment
from bridge.repo.merge_file import merge_file
from bridge.repo.mirror_store import IGNORE_SHALLOW_ENVIRONMENT, MirrorStore
from bridge.repo.tree_entries import (
    TreeEntry,
    TreeEntryChange,
    find_first_missing_folder,
    find_impossible_name_reason,
    find_obstacle,
    parse_diff_listing,
    parse_touched_paths,
    parse_tree_listing,
)

__all__ = ["RepositorySnapshot", "TreeEntry", "TreeEntryChange"]

_FEW_PATHS = 500  # fit into one command line
_EVERY_FILE = ("-r", "-z", "--no-renames")
_OBJECTS_AT_ONCE = 20_000  # in one request


@dataclass(frozen=True)
class RepositorySnapshot:
    """The state of the remote at one moment. Reading is safe from several threads at once; a
    damaged mirror raises UnavailableError, and the next fetch makes it anew."""

    base: str  # branch name
    commit: str  # the base branch's newest commit
    branches: Mapping[str, str]  # branch name → its newest commit, those under the prefix
    remote: GitRemote = field(compare=False)
    store: MirrorStore = field(repr=False, compare=False)

    def list_entries(self, commit: str, under: str = "") -> dict[str, TreeEntry]:
        """Every file, symlink and submodule below the folder ``under`` ("" is all), by its full
        path. A folder that is not there is empty. Costs nothing for the rest of the tree."""
        folder = under.strip("/")
        scope = ("--", f"{folder}/") if folder else ()
        found = dict(parse_tree_listing(self._listing("-r", commit, *scope)))
        found.pop(folder, None)  # git lists a file for the folder of the same name
        return found

    def find_changes(self, old: str, new: str, under: str = "") -> dict[str, TreeEntryChange]:
        """Find the differences of two commits below a folder: path → entries in the first and
        the second. Folders that are equal cost nothing."""
        folder = under.strip("/")
        scope = ("--", f"{folder}/") if folder else ()
        listing = self._about((old, new), "diff-tree", *_EVERY_FILE, old, new, *scope)
        found = dict(parse_diff_listing(listing))
        found.pop(folder, None)  # a file of the folder's name
        return found

    def find_touched_paths(self, line: Sequence[str], under: str = "") -> dict[str, frozenset[str]]:
        """Of each of these commits that has one after it in ``line``: in which files below the
        folder it differs from that one."""
        if len(line) < 2:
            return {}
        folder = under.strip("/")
        scope = ("--", f"{folder}/") if folder else ()
        pairs = "".join(f"{newer} {older}\n" for newer, older in pairwise(line)).encode()
        command = ("diff-tree", "--stdin", *_EVERY_FILE, "--name-only", *scope)
        listing = self._about(line, *command, stdin=pairs)
        return parse_touched_paths(listing, frozenset(line))

    def read_blobs(self, object_names: Iterable[str]) -> dict[str, bytes]:
        """The content of these files by object name; those the mirror lacks are fetched together
        in one request."""
        wanted = sorted(set(object_names))
        found = self._present(wanted)
        missing = [name for name in wanted if name not in found]
        for chunk in _chunks(missing, _OBJECTS_AT_ONCE):
            self.store.fetch_files(self.remote, chunk)
        return found | self._present(missing)

    def read_file(self, commit: str, path: str) -> bytes | None:
        """The content of one regular file, or None where there is none."""
        entry = self._places(commit, [path]).get(path)
        if entry is None or not entry.is_file:
            return None
        return self.read_blobs([entry.object_id])[entry.object_id]

    def find_obstacle(self, commit: str, path: str) -> str | None:
        """Find the reason why no file can be written at ``path`` (a symlink, submodule or file
        in the way, a folder of that name), or None."""
        return self.find_obstacles(commit, [path]).get(path)

    def find_obstacles(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """The ``find_obstacle`` of each of these paths that has one: for many at the price of one."""
        found = {path: why for path in paths if (why := find_impossible_name_reason(path))}
        possible = [path for path in paths if path not in found]
        places = self._surroundings(commit, possible)
        return found | {path: why for path in possible if (why := find_obstacle(path, places, ()))}

    def read_attributes(
        self, commit: str, paths: Sequence[str], names: Sequence[str]
    ) -> dict[tuple[str, str], str]:
        """(Path, attribute) → value, for the git attributes among ``names`` that a commit sets for
        files at ``paths``. Costs one listing where no ``.gitattributes`` names them."""
        places = self._places(commit, find_attributes_files(paths))
        files = {
            path: entry
            for path, entry in places.items()
            if entry.is_file and path.rpartition("/")[2] == ATTRIBUTES_FILE
        }
        texts = self.read_blobs(entry.object_id for entry in files.values())
        if not any(name.encode() in text for name in names for text in texts.values()):
            return {}
        return read_attributes(self.store, files, paths, names)

    def read_commit(self, commit: str) -> GitCommit:
        """The commit of this object name; fetched when the mirror lacks it. Raises StaleStateError
        when the remote has it no longer."""
        return self.read_commits([commit])[commit]

    def read_commits(self, object_names: Iterable[str]) -> dict[str, GitCommit]:
        """``read_commit`` each of these, for many at the price of one."""
        wanted = sorted(set(object_names))
        present = self._present(wanted)
        found = {name: parse_commit(name, content) for name, content in present.items()}
        for name in (name for name in wanted if name not in found):
            self._deepen(name, 1)
            found[name] = parse_commit(name, self.store.run_local("cat-file", "commit", name))
        return found

    def read_history(
        self, commit: str, until: Callable[[GitCommit], bool], limit: int = 50
    ) -> tuple[GitCommit, ...]:
        """``commit`` and those before it along first parents, newest first, up to and with the
        first one for which ``until`` holds; at most ``limit``. More history is fetched only
        where the mirror does not reach far enough."""
        found = self._line(commit, until, limit)
        if _complete(found, until, limit):
            return found
        self._deepen(commit, limit + 1)
        return self._line(commit, until, limit)

    def write_commit(self, draft: CommitDraft) -> str:
        """Write the commit into the mirror and return its object name; no ref is left. Nothing but
        the draft's paths differs from the parent; an existing file keeps its executable bit. Raises
        UnsafePathError when a path cannot hold a file, ConfigError when it cannot be signed."""
        places = self._checked(draft, draft.parent) if draft.parent else {}
        modes = {path: place.mode for path, place in places.items() if place.is_file}
        ref = f"refs/bridge/{uuid.uuid4().hex}"  # no two writers meet; it never outlives the import
        stream = b"".join(build_fast_import_stream(draft, ref, modes))
        written = self.store.run_local("fast-import", "--quiet", stdin=stream).decode().strip()
        return self._signed(draft, written) if draft.signing else written

    def push_branch(
        self, remote: GitRemote, branch: str, commit: str, expected: str | None
    ) -> None:
        """Move ``branch`` to ``commit`` if it still points to ``expected`` (None: if it does not
        exist). Nothing is sent when both are the same. Raises StaleStateError when somebody
        else moved it, RequestRefusedError with the server's text when a rule of the
        repository forbids it."""
        push_branch.push_branch(self.store, remote, branch, commit, expected)

    def check_push(self, remote: GitRemote, branch: str) -> None:
        """Whether a new branch could be pushed; nothing is sent. Raises as ``push`` does."""
        push_branch.check(self.store, remote, branch, self.commit)

    def delete_branch(self, remote: GitRemote, branch: str, expected: str) -> None:
        """Delete ``branch`` if it still points to ``expected``, else Stale. Gone is fine."""
        push_branch.delete_remote_branch(self.store, remote, branch, expected)

    @staticmethod
    def merge_file(ancestor: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        """The file with both sides' changes since ``ancestor``, or None where they conflict."""
        return merge_file(ancestor, ours, theirs)

    def _checked(self, draft: CommitDraft, parent: str) -> dict[str, TreeEntry]:
        leaving = {path for path, content in draft.changes.items() if content is None}
        possible = [path for path in draft.changes if not find_impossible_name_reason(path)]
        places = self._surroundings(parent, possible)
        for path in draft.changes:
            why = find_impossible_name_reason(path) or find_obstacle(path, places, leaving - {path})
            if why and not (path in leaving and path not in places):
                raise UnsafePathError(f"No file can be written at {path!r}: {why}.")
        return places

    def _surroundings(self, commit: str, paths: Sequence[str]) -> dict[str, TreeEntry]:
        """Read the entries at these paths and above them."""
        places = self._places(commit, paths)
        # A listing goes through folders only: whatever else is in the way has to be asked for.
        unseen = {folder for path in paths if (folder := find_first_missing_folder(path, places))}
        return places | self._places(commit, sorted(unseen))

    def _places(self, commit: str, paths: Sequence[str]) -> dict[str, TreeEntry]:
        """Read the entries at these paths, and the folders above them."""
        if not paths:
            return {}
        if len(paths) <= _FEW_PATHS:
            return dict(parse_tree_listing(self._listing("-t", commit, "--", *paths)))
        # Git holds every entry against every path it is told: many are found by reading the
        # whole folder that they are in.
        folder = commonpath(paths)
        scope = ("--", f"{folder}/") if folder else ()
        return dict(parse_tree_listing(self._listing("-rt", commit, *scope)))

    def _listing(self, depth: str, commit: str, *scope: str) -> bytes:
        """Read the output of ``git ls-tree`` for a commit."""
        return self._about((commit,), "ls-tree", depth, "-z", commit, *scope)

    def _about(self, commits: Sequence[str], *command: str, stdin: bytes = b"") -> bytes:
        """Run a git command about these commits, which are fetched when the mirror lacks them."""
        answer = self.store.try_local(*command, stdin=stdin)
        if answer.is_success:
            return answer.output
        self.read_commits(commits)
        return self.store.run_local(*command, stdin=stdin)

    def _present(self, object_names: Sequence[str]) -> dict[str, bytes]:
        """The objects among these that the mirror has."""
        if not object_names:
            return {}
        asked = "".join(f"{name}\n" for name in object_names).encode()
        return dict(_objects(self.store.run_local("cat-file", "--batch", stdin=asked)))

    def _line(
        self, commit: str, until: Callable[[GitCommit], bool], limit: int
    ) -> tuple[GitCommit, ...]:
        """Read as much of ``read_history`` as the mirror has. Commits at which git ends a
        shallow history may be present all the same, so its list of such ends is left out."""
        asked = "".join(f"{commit}~{step}\n" for step in range(limit)).encode()
        answer = self.store.try_local(
            "cat-file", "--batch", stdin=asked, variables=IGNORE_SHALLOW_ENVIRONMENT
        )
        if not answer.is_success:
            raise self.store.mark_damaged(answer)
        line: list[GitCommit] = []
        for name, content in _objects(answer.output):
            line.append(parse_commit(name, content))
            if until(line[-1]):
                break
        return tuple(line)

    def _deepen(self, commit: str, depth: int) -> None:
        """Fetch a commit and those before it, as many as ``depth`` together."""
        with self.store.lock_exclusively() as held:
            self.store.fetch(self.remote, [commit], depth=depth, held=held)

    def _signed(self, draft: CommitDraft, unsigned: str) -> str:
        assert draft.signing is not None
        variables_of_git = build_config_environment(
            (("gpg.format", draft.signing.format), ("user.signingkey", draft.signing.key))
        )
        answer = self.store.try_local(
            *("commit-tree", "-S", f"{unsigned}^{{tree}}"),
            *(("-p", draft.parent) if draft.parent else ()),
            *("-F", "-"),
            stdin=encode_message(draft.message),
            variables=variables_of_git | build_commit_environment(draft),
        )
        if not answer.is_success:
            raise ConfigError(
                f"The commit could not be signed with the {draft.signing.format} key "
                f"{draft.signing.key}: {' '.join(answer.error_output.split())}. Check the key."
            )
        return answer.output.decode().strip()


def _complete(line: Sequence[GitCommit], until: Callable[[GitCommit], bool], limit: int) -> bool:
    """Whether a line of commits goes as far back as it should, or as there are any."""
    return bool(line) and (len(line) >= limit or not line[-1].parents or until(line[-1]))


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _objects(output: bytes) -> Iterator[tuple[str, bytes]]:
    """Read what ``git cat-file --batch`` prints, leaving out what is missing."""
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        name, kind, *size = output[position:end].decode("ascii").split(" ")
        position = end + 1
        if kind != "missing":
            length = int(size[0])
            yield name, output[position : position + length]
            position += length + 1
