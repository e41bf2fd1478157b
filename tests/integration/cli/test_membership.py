"""Being one of the processes that share a database: under a name of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.instance_registration import register_instance
from bridge.config.bridge_config import BridgeConfig, parse_config
from bridge.errors import ConfigError
from tests.standins.postgresql import PostgreSQL

AT_ONCE = 0.0  # seconds of patience


@pytest.fixture
def on_this_disk(tmp_path: Path) -> BridgeConfig:
    return config(f"data: {tmp_path}/data")


def config(more: str) -> BridgeConfig:
    text = (
        "promptlayer: {api_key: pl_key}\n"
        "forges: {local: {type: local, root: forge}}\n"
        'mappings: [{name: support, prompts: ["**"], repository: local:acme/bot}]\n'
    )
    return parse_config(text + more, "bridge.yaml", {})


def test_a_second_process_of_one_name_does_not_start(on_this_disk: BridgeConfig) -> None:
    with (
        register_instance(on_this_disk, None, "serve"),
        pytest.raises(ConfigError, match=r"Another serve of the same name works with .*--name"),
        register_instance(on_this_disk, None, "serve", overlap=AT_ONCE),
    ):
        pass


def test_others_start_and_so_does_the_same_one_once_it_has_ended(
    on_this_disk: BridgeConfig,
) -> None:
    with (
        register_instance(on_this_disk, None, "serve"),
        register_instance(on_this_disk, None, "work", overlap=AT_ONCE),
        register_instance(on_this_disk, "../two", "work", overlap=AT_ONCE) as two,
    ):
        assert two.id == "../two work"

    with register_instance(on_this_disk, None, "serve", overlap=AT_ONCE) as again:
        assert again.id == "here serve"


def test_processes_that_share_a_server_may_have_one_name(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    shared = config(f"data: {tmp_path}/data\ndatabase: {postgresql.new_schema()}")

    with (
        register_instance(shared, "one", "work"),
        register_instance(shared, "one", "work", overlap=AT_ONCE),
    ):
        assert not list(tmp_path.rglob("*.lock"))
