"""Who runs the steps has to be the same after a restart."""

from __future__ import annotations

import socket

import pytest

from bridge.cli.running import _executor
from bridge.config import Config, parse

ON_THIS_DISK, SHARED = "", "database: postgresql://bridge@db/bridge\n"


def config(database: str) -> Config:
    text = (
        "promptlayer: {api_key: pl_key}\n"
        "forges: {local: {type: local, root: forge}}\n"
        'mappings: [{name: support, prompts: ["**"], repository: local:acme/bot}]\n'
    )
    return parse(text + database, "bridge.yaml", {})


def test_a_container_that_is_made_anew_takes_up_what_the_old_one_left() -> None:
    assert socket.gethostname() not in _executor(config(ON_THIS_DISK), None, "serve")


def test_machines_that_share_a_database_are_told_apart() -> None:
    assert socket.gethostname() in _executor(config(SHARED), None, "work")


@pytest.mark.parametrize("database", [ON_THIS_DISK, SHARED])
def test_processes_of_one_machine_are_told_apart(database: str) -> None:
    told = config(database)

    assert _executor(told, None, "serve") != _executor(told, None, "work")
    assert _executor(told, "one", "work") != _executor(told, "two", "work")
