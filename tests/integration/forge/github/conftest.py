"""A GitHub with one repository, and an adapter in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.forge.github import GitHubForge, GitHubToken
from tests.integration.forge.github.setting import APP, Clock, connected, private_key
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standin(tmp_path: Path, clock: Clock) -> Iterator[GitHubStandIn]:
    with GitHubStandIn(tmp_path, page_cap=20, now=clock.as_datetime).serving() as standin:
        standin.register_app(APP, private_key()[1])
        yield standin


@pytest.fixture
def site(standin: GitHubStandIn) -> Repository:
    return standin.repository("acme/support-bot", {"README.md": b"Hello\n"})


@pytest.fixture
def forge(standin: GitHubStandIn, site: Repository, clock: Clock) -> GitHubForge:
    return connected(standin, GitHubToken(standin.token("bot")), clock)
