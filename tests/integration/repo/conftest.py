"""A repository to work on, over file:// and over HTTP, and a mirror of it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.forge.forge import GitRemote
from bridge.repo.mirror import RepositoryMirror
from bridge.repo.snapshot import RepositorySnapshot
from tests.integration.repo.sample_commits import TOKEN
from tests.standins.fault_injection import Faults, RecordedRequest, WithFaults
from tests.standins.git_http import GitHttp, basic_credential, create_repository
from tests.standins.serve_app import serve

PREFIX = "promptlayer/support/"
FILES = {
    "README.md": b"# Acme\n",
    "prompts/reply.yaml": b"name: reply\n",
    "prompts/deep/er/greet.yaml": b"name: greet\n",
    "src/main.py": b"print()\n",
}


@dataclass
class Repository:
    """A repository somewhere, and the mirror we have of it."""

    path: Path
    remote: GitRemote
    mirror: RepositoryMirror
    mirror_path: Path
    faults: Faults = field(default_factory=Faults)

    def look(self) -> RepositorySnapshot:
        return self.mirror.fetch(self.remote, "main", PREFIX)

    def fetches(self) -> int:
        """How many times git asked for objects, over HTTP."""
        return sum(b"command=fetch" in _body(request) for request in self.faults.requests)

    def with_timeout(self, seconds: float) -> Repository:
        mirror = RepositoryMirror(self.mirror_path, timeout=seconds)
        return Repository(self.path, self.remote, mirror, self.mirror_path, self.faults)


def _body(request: RecordedRequest) -> bytes:
    compressed = request.headers.get("content-encoding") == "gzip"
    return gzip.decompress(request.body) if compressed else bytes(request.body)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Reached by file://."""
    path = create_repository(tmp_path / "forge", "acme/support", FILES)
    mirror_path = tmp_path / "mirrors" / "support.git"
    return Repository(path, GitRemote(path.as_uri()), RepositoryMirror(mirror_path), mirror_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Repository]:
    """Reached by HTTP, with a token."""
    root = tmp_path / "forge"
    path = create_repository(root, "acme/support", FILES)
    faults = Faults()
    app = GitHttp(root, lambda headers: basic_credential(headers) == ("bridge", TOKEN))
    with serve(WithFaults(app, faults)) as url:
        remote = GitRemote(f"{url}/acme/support.git", "bridge", TOKEN)
        mirror_path = tmp_path / "mirrors" / "support.git"
        yield Repository(path, remote, RepositoryMirror(mirror_path), mirror_path, faults)
