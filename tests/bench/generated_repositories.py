"""Repositories of any size, made in seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.standins.git_http import GIT_ENVIRONMENT, MAIN, find_commit

_PER_FOLDER = 100
_FOLDERS_PER_PACKAGE = 50


def grow(repository: Path, files: int) -> None:
    """Add so many files of about a kilobyte to main, in packages and folders like source code."""
    command = ["git", "-C", str(repository), "fast-import", "--quiet", "--done"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=GIT_ENVIRONMENT)
    assert process.stdin is not None
    process.stdin.writelines(_commit(files, find_commit(repository, MAIN)))
    process.stdin.close()
    if process.wait():
        raise RuntimeError(f"git fast-import could not make {files} files in {repository}")


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _commit(files: int, parent: str | None) -> Iterator[bytes]:
    yield f"commit refs/heads/{MAIN}\ncommitter Sam <sam@example.com> 1700000000 +0000\n".encode()
    yield b"data 5\nGrow\n\n"
    if parent:
        yield f"from {parent}\n".encode()
    random = Random(files)
    for number in range(files):
        content = random.randbytes(500).hex().encode()  # packs to about half, as source does
        yield b"M 100644 inline %s\ndata %d\n%s\n" % (_path(number), len(content), content)
    yield b"done\n"


def _path(number: int) -> bytes:
    folder = number // _PER_FOLDER
    package = folder // _FOLDERS_PER_PACKAGE
    return b"src/package%d/folder%d/file%d.py" % (package, folder, number)
