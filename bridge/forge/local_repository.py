"""One bare git repository on this disk, and merges in it without a working tree. The git part of
the local forge. Commands are plumbing only, so git settings of the machine do not change
them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from git import Git

from bridge.errors import AlreadyExistsError, NotFoundError, RequestRefusedError, StaleStateError

MIN_GIT_VERSION = (2, 38)  # the first with `git merge-tree --write-tree`


@dataclass(frozen=True)
class CommitPerson:
    """Who wrote or committed something, and when (git's ``<seconds> <zone>``, None is now)."""

    name: str
    email: str
    date: str | None = None

    def build_git_environment(self, role: str) -> dict[str, str]:
        """Build the variables that name the person for git; ``role`` is AUTHOR or COMMITTER."""
        known = {"NAME": self.name, "EMAIL": self.email}
        if self.date is not None:
            known["DATE"] = self.date
        return {f"GIT_{role}_{key}": value for key, value in known.items()}


FORGE_PERSON = CommitPerson("Local forge", "forge@localhost")


@dataclass(frozen=True)
class LocalCommit:
    """One commit as people read it."""

    id: str
    author: CommitPerson
    message: str

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


class BareRepository:
    """A bare repository at ``path``. Every method raises NotFoundError when there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._between: dict[tuple[str, str], frozenset[str]] = {}

    @classmethod
    def create(cls, path: Path, files: Mapping[str, bytes], default_branch: str) -> BareRepository:
        """Make the repository with one commit of ``files``. Raises AlreadyExistsError."""
        if path.exists():
            raise AlreadyExistsError(
                f"There is a repository at {path} already; choose another name."
            )
        path.mkdir(parents=True)
        new = cls(path)
        new._git("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}")
        # The bridge's mirrors are blobless and shallow: they ask for single objects.
        for setting in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            new._git("config", setting, "true")
        stream = b"".join(_first_commit(default_branch, files))
        new._git("fast-import", "--quiet", "--date-format=now", stdin=stream)
        return new

    def find_default_branch(self) -> str:
        return self._git("symbolic-ref", "--short", "HEAD").strip()

    def list_refs(self) -> dict[str, str]:
        """Every ref by its full name, and its commit."""
        listing = self._git("for-each-ref", "--format=%(objectname) %(refname)")
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {ref: commit for commit, ref in pairs}

    def list_branches(self) -> dict[str, str]:
        """Every branch and its commit."""
        heads = "refs/heads/"
        refs = self.list_refs().items()
        return {ref.removeprefix(heads): commit for ref, commit in refs if ref.startswith(heads)}

    def find_fork_point(self, base: str, head: str) -> str:
        """The newest commit that both have. Raises RequestRefusedError when they share none."""
        status, found, _ = self._try("merge-base", base, head)
        if status != 0:
            raise RequestRefusedError(
                f"{head[:10]} shares no history with {base[:10]} in {self.path}: start the branch "
                "from the base."
            )
        return found.strip()

    def list_commits(self, old: str, new: str) -> tuple[LocalCommit, ...]:
        """List the commits of ``new`` that ``old`` has not, oldest first, without merges."""
        layout = "%H%x00%an%x00%ae%x00%ad%x00%B%x00"
        log = self._git(
            "rev-list", "--reverse", "--topo-order", "--no-merges", "--no-commit-header",
            "--date=raw", f"--format={layout}", f"{old}..{new}",
        )  # fmt: skip
        fields = log.split("\0")[:-1]
        return tuple(_commit(fields[at : at + 5]) for at in range(0, len(fields), 5))

    def find_commits_between(self, old: str, new: str) -> frozenset[str]:
        """The ids of all commits that ``new`` has and ``old`` has not; both are ids."""
        known = self._between.get((old, new))
        if known is None:
            known = frozenset(self._git("rev-list", f"{old}..{new}").split())
            self._between[old, new] = known
        return known

    def find_refs_containing(self, commit: str) -> frozenset[str]:
        """The commits that refs point at and that have this one in their history, or are it."""
        command = ("for-each-ref", f"--contains={commit}", "--format=%(objectname)")
        status, found, _ = self._try(*command)
        return frozenset(found.split()) if status == 0 else frozenset()

    def has_commit(self, name: str) -> bool:
        """Whether the full object name is that of a commit here."""
        return self._try("cat-file", "-e", f"{name}^{{commit}}")[0] == 0

    def diff(self, old: str, new: str) -> str:
        """The difference as ``git diff`` shows it."""
        return self._git(
            "-c", "core.quotePath=false", "diff-tree", "-p", "-r", "-M", "--no-color",
            "--no-ext-diff", "--no-textconv", old, new,
        )  # fmt: skip

    def set_ref(self, ref: str, new: str, old: str | None = None) -> None:
        """Point ``ref`` at ``new``; with ``old``, only if it is there now (else Stale)."""
        expected = () if old is None else (old,)
        status, _, _ = self._try("update-ref", ref, new, *expected)
        if status != 0:
            raise StaleStateError(f"{ref} in {self.path} moved meanwhile; look again.")

    def delete_branch(self, branch: str) -> None:
        self._git("update-ref", "-d", f"refs/heads/{branch}")

    def commit_files(self, branch: str, parent: str, files: Mapping[str, bytes]) -> str:
        """Put one commit of ``files`` on top of ``parent`` and point ``branch`` at it."""
        stream = b"".join(_commit_stream(branch, "Change files", files, parent=parent))
        self._git("fast-import", "--quiet", "--force", "--date-format=now", stdin=stream)
        return self.list_branches()[branch]

    # Merging. Each returns the commit that the base branch should point at.

    def create_merge_commit(self, base: str, head: str, message: str, by: CommitPerson) -> str:
        """A merge commit of ``head`` into ``base``. Raises RequestRefusedError on a conflict."""
        return self._commit_tree(self._merge_trees(base, head), (base, head), message, by, by)

    def create_squash_commit(self, base: str, head: str, message: str, by: CommitPerson) -> str:
        """Create one commit on ``base`` with all changes of ``head``. Raises RequestRefusedError
        on a conflict."""
        return self._commit_tree(self._merge_trees(base, head), (base,), message, by, by)

    def rebase_commits(self, base: str, head: str, by: CommitPerson) -> str:
        """Each commit of ``head`` again on top of ``base``, empty ones left out."""
        tip = base
        for commit in self.list_commits(self.find_fork_point(base, head), head):
            tree = self._replayed(commit.id, tip)
            if tree != self._tree(tip):
                tip = self._commit_tree(tree, (tip,), commit.message, commit.author, by)
        return tip

    def _replayed(self, commit: str, onto: str) -> str:
        """Apply ``commit``'s change to the tree of ``onto``. Three helper commits are made,
        because `merge-tree` takes a merge base only since git 2.40.
        https://git-scm.com/docs/git-merge-tree"""
        before, ours, theirs = (self._tree(name) for name in (f"{commit}^", onto, commit))
        root = self._commit_tree(before, (), "before", FORGE_PERSON, FORGE_PERSON)
        sides = [
            self._commit_tree(tree, (root,), "side", FORGE_PERSON, FORGE_PERSON)
            for tree in (ours, theirs)
        ]
        return self._merge_trees(*sides)

    def _merge_trees(self, ours: str, theirs: str) -> str:
        _require_merge_tree()
        status, out, _ = self._try("merge-tree", "--write-tree", "--name-only", ours, theirs)
        lines = out.splitlines()
        if status == 0:
            return lines[0]
        conflicts = lines[1 : lines.index("")] if "" in lines else lines[1:]
        raise RequestRefusedError(
            f"The branch conflicts with its base in {', '.join(conflicts) or 'some files'}: bring "
            "it up to date first."
        )

    def _tree(self, commit: str) -> str:
        return self._git("rev-parse", "--verify", f"{commit}^{{tree}}").strip()

    def _commit_tree(
        self,
        tree: str,
        parents: Iterable[str],
        message: str,
        author: CommitPerson,
        committer: CommitPerson,
    ) -> str:
        arguments = [part for parent in parents for part in ("-p", parent)]
        return self._git(
            "commit-tree", tree, *arguments, "-F", "-",
            stdin=message.encode("utf-8", "replace"),
            environment=author.build_git_environment("AUTHOR") | committer.build_git_environment("COMMITTER"),
        ).strip()  # fmt: skip

    def _git(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> str:
        status, out, complaint = self._try(*arguments, stdin=stdin, environment=environment)
        if status != 0:
            raise RequestRefusedError(
                f"git could not work in {self.path}, look there: {complaint.strip()}"
            )
        return out

    def _try(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        if not self.path.is_dir():
            raise NotFoundError(f"There is no repository at {self.path}: create it first.")
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            status, out, complaint = Git(self.path).execute(
                ["git", f"--git-dir={self.path}", *arguments],
                istream=source,
                env=dict(environment or {}),
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
        return int(status), _text(out), _text(complaint)


def parse_person(spelled: str) -> CommitPerson:
    """``Name <mail>`` as a person. Raises RequestRefusedError."""
    found = re.fullmatch(r"([^<>\n]+?) *<([^<>\s]+)>", spelled)
    if found is None:
        raise RequestRefusedError(f"{spelled!r} is not a person: write Name <mail@example.com>.")
    return CommitPerson(found[1], found[2])


def _text(out: str | bytes) -> str:
    return out if isinstance(out, str) else out.decode("utf-8", "replace")


def _commit(fields: list[str]) -> LocalCommit:
    commit, name, email, date, message = fields
    return LocalCommit(commit.strip(), CommitPerson(name, email, date), message.strip() + "\n")


def _require_merge_tree() -> None:
    if Git().version_info[:2] < MIN_GIT_VERSION:
        here = ".".join(map(str, Git().version_info))
        wanted = ".".join(map(str, MIN_GIT_VERSION))
        raise RequestRefusedError(
            f"Merging on the local forge needs git {wanted} or newer and this is {here}: "
            "install a newer git."
        )


def _first_commit(branch: str, files: Mapping[str, bytes]) -> Iterable[bytes]:
    return _commit_stream(branch, "Start", files, parent=None)


def _commit_stream(
    branch: str, message: str, files: Mapping[str, bytes], *, parent: str | None
) -> Iterable[bytes]:
    """One commit in the language of `git fast-import`."""
    text = message.encode()
    yield f"commit refs/heads/{branch}\n".encode()
    yield f"committer {FORGE_PERSON.name} <{FORGE_PERSON.email}> now\n".encode()
    yield b"data %d\n%s\n" % (len(text), text)
    if parent is not None:
        yield f"from {parent}\n".encode()
    for path, content in files.items():
        yield b"M 100644 inline %s\n" % _quoted(path)
        yield b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode()
