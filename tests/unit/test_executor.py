"""What the queues know a process by, and where they are."""

from __future__ import annotations

import socket

import pytest

from bridge.cli.instance_registration import build_executor_id
from bridge.config.bridge_config import BridgeConfig, parse_config
from bridge.wiring import build_database_url, build_queue_database_url

ON_THIS_DISK, SHARED = "", "database: postgresql://bridge@db/bridge\n"


def config(database: str) -> BridgeConfig:
    text = (
        "promptlayer: {api_key: pl_key}\n"
        "forges: {local: {type: local, root: forge}}\n"
        'mappings: [{name: support, prompts: ["**"], repository: local:acme/bot}]\n'
    )
    return parse_config(text + database, "bridge.yaml", {})


def test_a_container_that_is_made_anew_takes_up_what_the_old_one_left() -> None:
    first = build_executor_id(config(ON_THIS_DISK), None, "serve")

    assert socket.gethostname() not in first
    assert build_executor_id(config(ON_THIS_DISK), None, "serve") == first


def test_no_two_processes_that_share_a_server_run_each_others_work() -> None:
    first = build_executor_id(config(SHARED), "one", "work")

    assert first.startswith("one work")
    assert build_executor_id(config(SHARED), "one", "work") != first


@pytest.mark.parametrize("database", [ON_THIS_DISK, SHARED])
def test_processes_of_one_machine_are_told_apart(database: str) -> None:
    told = config(database)

    assert build_executor_id(told, None, "serve") != build_executor_id(told, None, "work")
    assert build_executor_id(told, "one", "work") != build_executor_id(told, "two", "work")


@pytest.mark.parametrize("address", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_address_of_a_postgresql_names_no_driver_or_the_one_there_is(address: str) -> None:
    told = config(f"database: {address}://bridge@db/bridge")

    assert build_database_url(told) == "postgresql+psycopg://bridge@db/bridge"
    assert build_queue_database_url(told) == build_database_url(told)
