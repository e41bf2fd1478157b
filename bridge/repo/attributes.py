"""Read the git attributes of files in a commit with git itself:
https://git-scm.com/docs/gitattributes.

``git check-attr --source`` came with git 2.40; in older versions an index of the ``.gitattributes``
files alone gives the same result.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bridge.repo.mirror_store import MirrorStore
from bridge.repo.tree_entries import TreeEntry

ATTRIBUTES_FILE = ".gitattributes"
_NO_VALUE = ("unspecified", "unset")


def find_attributes_files(paths: Iterable[str]) -> list[str]:
    """List the paths at which attributes of these files may be set: beside them, and in every
    folder above."""
    folders = {""}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return sorted(f"{folder}/{ATTRIBUTES_FILE}".lstrip("/") for folder in folders)


def read_attributes(
    store: MirrorStore, files: Mapping[str, TreeEntry], paths: Sequence[str], names: Sequence[str]
) -> dict[tuple[str, str], str]:
    """(Path, attribute) → value, for the attributes among ``names`` that are set for ``paths``;
    ``files`` are the ``.gitattributes`` of the commit, which the store has to hold."""
    listing = "".join(f"{e.mode} {e.object_id}\t{path}\0" for path, e in files.items())
    asked = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory(prefix="promptlayer-bridge-") as folder:
        variables = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        commands = (
            (("update-index", "-z", "--index-info"), listing.encode()),
            (("check-attr", "--cached", "-z", "--stdin", *names), asked),
        )
        for command, stdin in commands:
            answer = store.try_local(*command, stdin=stdin, variables=variables)
            if not answer.is_success:
                raise store.mark_damaged(answer)
    fields = answer.output.decode("utf-8", "surrogateescape").split("\0")
    found = zip(fields[0::3], fields[1::3], fields[2::3], strict=False)
    return {(path, name): value for path, name, value in found if value not in _NO_VALUE}
