"""What the queues know a process by, and where they are."""

from __future__ import annotations

import socket

import pytest

from bridge.cli.membership import executor_id
from bridge.config.whole import Config, parse
from bridge.wiring import database_url, queue_database_url

ON_THIS_DISK, SHARED = "", "database: postgresql://bridge@db/bridge\n"


def config(database: str) -> Config:
    text = (
        "promptlayer: {api_key: pl_key}\n"
        "forges: {local: {type: local, root: forge}}\n"
        'mappings: [{name: support, prompts: ["**"], repository: local:acme/bot}]\n'
    )
    return parse(text + database, "bridge.yaml", {})


def test_a_container_that_is_made_anew_takes_up_what_the_old_one_left() -> None:
    first = executor_id(config(ON_THIS_DISK), None, "serve")

    assert socket.gethostname() not in first
    assert executor_id(config(ON_THIS_DISK), None, "serve") == first


def test_no_two_processes_that_share_a_server_run_each_others_work() -> None:
    first = executor_id(config(SHARED), "one", "work")

    assert first.startswith("one work")
    assert executor_id(config(SHARED), "one", "work") != first


@pytest.mark.parametrize("database", [ON_THIS_DISK, SHARED])
def test_processes_of_one_machine_are_told_apart(database: str) -> None:
    told = config(database)

    assert executor_id(told, None, "serve") != executor_id(told, None, "work")
    assert executor_id(told, "one", "work") != executor_id(told, "two", "work")


@pytest.mark.parametrize("address", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_address_of_a_postgresql_names_no_driver_or_the_one_there_is(address: str) -> None:
    told = config(f"database: {address}://bridge@db/bridge")

    assert database_url(told) == "postgresql+psycopg://bridge@db/bridge"
    assert queue_database_url(told) == database_url(told)
