"""Describe entries of a commit's tree, and why a file cannot be written at a path. Pure: no
process, no disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bridge.repo.commit import EXECUTABLE_FILE_MODE, REGULAR_FILE_MODE, list_parent_folders

FOLDER_MODE, SYMLINK_MODE, SUBMODULE_MODE = "040000", "120000", "160000"
ABSENT_MODE = "000000"
_WORDS = {FOLDER_MODE: "a folder", SYMLINK_MODE: "a symlink", SUBMODULE_MODE: "a submodule"}


@dataclass(frozen=True)
class TreeEntry:
    """One entry of a git tree: a file, folder, symlink or submodule."""

    mode: str  # six digits, as git prints it
    object_id: str

    @property
    def is_file(self) -> bool:
        return self.mode in (REGULAR_FILE_MODE, EXECUTABLE_FILE_MODE)

    @property
    def is_folder(self) -> bool:
        return self.mode == FOLDER_MODE

    def __str__(self) -> str:
        return _WORDS.get(self.mode, "a file")


def parse_tree_listing(listing: bytes) -> Iterator[tuple[str, TreeEntry]]:
    """Read what ``git ls-tree -z`` prints, as (path, entry)."""
    for line in listing.split(b"\0"):
        if line:
            about, _, path = line.partition(b"\t")
            mode, _, object_name = about.decode("ascii").split(" ")
            yield path.decode("utf-8", "surrogateescape"), TreeEntry(mode, object_name)


TreeEntryChange = tuple[
    TreeEntry | None, TreeEntry | None
]  # what was there before, and what is there after


def parse_diff_listing(listing: bytes) -> Iterator[tuple[str, TreeEntryChange]]:
    """Read what ``git diff-tree -r -z`` prints of two commits, as (path, change)."""
    fields = listing.split(b"\0")
    for about, path in zip(fields[0::2], fields[1::2], strict=False):
        before, after, was, becomes, _ = about.decode("ascii").removeprefix(":").split(" ")
        name = path.decode("utf-8", "surrogateescape")
        yield name, (_entry(before, was), _entry(after, becomes))


def _entry(mode: str, object_name: str) -> TreeEntry | None:
    return None if mode == ABSENT_MODE else TreeEntry(mode, object_name)


def parse_touched_paths(listing: bytes, commits: Collection[str]) -> dict[str, frozenset[str]]:
    """Read what ``git diff-tree --stdin --name-only -z`` prints of several commits: each commit
    that changes something → the paths."""
    found: dict[str, set[str]] = {}
    paths: set[str] = set()
    for field in listing.decode("utf-8", "surrogateescape").split("\0"):
        if field in commits:
            paths = found.setdefault(field, set())
        elif field:
            paths.add(field)
    return {commit: frozenset(some) for commit, some in found.items()}


def find_impossible_name_reason(path: str) -> str | None:
    """Find the reason why git, or a checkout, cannot have a file of this name."""
    parts = path.split("/")
    if "\0" in path:
        return "its name has a NUL character in it"
    if any(part in ("", ".", "..") for part in parts):
        return "its path has an empty part, a “.” or a “..” in it"
    if any(part.lower().rstrip(". ") in (".git", "git~1") for part in parts):
        return "its path leads into git's own folder"
    return None


def find_first_missing_folder(path: str, places: Mapping[str, TreeEntry]) -> str | None:
    """The topmost folder above ``path`` that is not among ``places`` as one, if any."""
    return next((folder for folder in list_parent_folders(path) if folder not in places), None)


def find_obstacle(
    path: str, places: Mapping[str, TreeEntry], leaving: Collection[str]
) -> str | None:
    """Find the reason why no file can be written at ``path``, or None. ``places`` has every
    entry at the path or above it; the entries at the ``leaving`` paths are about to be
    removed."""
    for folder in list_parent_folders(path):
        above = places.get(folder)
        if above is None or (folder in leaving and above.is_file):
            return None
        if not above.is_folder:
            return f"{folder} is {above} there, not a folder"
    there = places.get(path)
    return None if there is None or there.is_file else f"{path} is {there} there"
