"""Planted secrets, and looking for them everywhere they must not be."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.standins.git_http import GIT_ENVIRONMENT

PAUSE = 0.02  # seconds between two looks at the running processes


@dataclass
class Planted:
    """Secrets by name; each is looked for as it is, and as HTTP's basic authentication has it."""

    secrets: Mapping[str, str]
    found: list[str] = field(default_factory=list)

    def search(self, place: str, text: bytes | str) -> None:
        content = text.encode() if isinstance(text, str) else text
        for name, secret in self.secrets.items():
            if any(form in content for form in _forms(secret)):
                self.found.append(f"{name} in {place}")

    def search_files(self, folder: Path, *, but: Iterable[Path] = ()) -> int:
        """Every file below ``folder``, and every object of the git repositories among them;
        returns how many files there were."""
        files = [path for path in folder.rglob("*") if path.is_file() and path not in set(but)]
        for path in files:
            self.search(str(path), path.read_bytes())
        for head in folder.rglob("HEAD"):
            if (head.parent / "objects").is_dir():
                self.search(f"the objects of {head.parent}", _objects(head.parent))
        return len(files)


def _forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    for user in ("x-access-token:", "git:", "oauth2:", ":", ""):
        yield base64.b64encode((user + secret).encode()).rstrip(b"=")[:-1]


def _objects(repository: Path) -> bytes:
    """Every object a repository holds, unpacked."""
    command = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(command, capture_output=True, env=GIT_ENVIRONMENT, check=True).stdout


@dataclass
class CommandLines:
    """The command lines of a process and everybody it starts, seen while it runs."""

    parent: int
    seen: set[bytes] = field(default_factory=set)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(PAUSE):
            for pid in _family(self.parent):
                with contextlib.suppress(OSError):
                    self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())


def _family(parent: int) -> list[int]:
    """A process and all that descend from it now."""
    family = [parent]
    for pid in family:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                family += map(int, (task / "children").read_text().split())
    return family
