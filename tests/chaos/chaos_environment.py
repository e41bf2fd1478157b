"""The whole product and everything around it: stand-ins, PostgreSQL, the post, wires, machines."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bridge.prompts.prompt import LATEST
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH
from tests.chaos.bridge_processes import SupervisedBridgeProcess
from tests.chaos.tcp_relay import TcpRelay
from tests.chaos.unreliable_webhook_relay import UnreliableWebhookRelay
from tests.e2e.product_environment import (
    REPOSITORY,
    SECRET,
    ProductEnvironment,
    mapping,
    start_product_environment,
)
from tests.standins.github_state import Pull
from tests.standins.postgresql import PostgreSQL, running_postgresql
from tests.standins.serve_app import serve

MappingSpec = Mapping[str, Any]

LABEL = "prod"
FORGE_SECRET = "a-forge-secret-that-must-stay-secret"
APPLICATION_TOKEN = "a-token-that-must-stay-secret"
SERVE = {
    "applications": [{"name": "bot", "tokens": [APPLICATION_TOKEN], "labels": [LATEST, LABEL]}]
}
ROOM = {"limit": 200}
MAPPINGS = (
    mapping(
        "support",
        f"github:{REPOSITORY}",
        path="prompts/latest/{prompt}.yaml",
        publish=True,
        serve="merged",
        pull_request=ROOM,
    ),
    mapping(
        "live",
        f"github:{REPOSITORY}",
        path="prompts/live/{prompt}.yaml",
        track=[LABEL],
        serve="merged",
        pull_request=ROOM,
    ),
)
_KEEPING = 0.2  # seconds between two looks at who has ended


@dataclass
class ChaosEnvironment:
    environment: ProductEnvironment
    postgresql: PostgreSQL
    database: str  # its URL, past the wire
    office: UnreliableWebhookRelay
    wires: dict[str, TcpRelay]  # by what is behind them
    machines: list[SupervisedBridgeProcess]
    configure: Callable[[Sequence[MappingSpec]], None]  # write bridge.yaml with these mappings

    @property
    def trunk(self) -> str:
        """The default branch, whatever it is called now."""
        return self.environment.repository.default_branch

    def change_base(self, base: str | None) -> None:
        """Write another ``base`` into the mappings; who runs takes it up."""
        self.configure([{**each, "base": base} if base else each for each in MAPPINGS])

    def mistype(self) -> None:
        """The pattern of every mapping has a typo."""
        self.configure([{**each, "prompts": ["supprt/**"]} for each in MAPPINGS])

    def correct(self) -> None:
        self.configure(MAPPINGS)

    def open_pulls(self) -> list[Pull]:
        with self.environment.repository.lock:
            return [pull for pull in self.environment.pulls() if pull.state == "open"]

    @property
    def logs(self) -> str:
        return "\n".join(machine.said for machine in self.machines)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Whoever has ended is started again; in the end nobody is left."""
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(over,), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            for machine in self.machines:
                machine.kill(0)

    def _keep(self, over: threading.Event) -> None:
        while not over.wait(_KEEPING):
            for machine in self.machines:
                machine.keep()


@contextmanager
def start_chaos_environment(
    folder: Path, draw: random.Random, *, sweep: str
) -> Iterator[ChaosEnvironment]:
    """Everything but the machines runs; these do while the house is ``kept``."""
    with ExitStack() as stack:
        server = stack.enter_context(running_postgresql(durable=True))
        environment = stack.enter_context(start_product_environment(folder))
        database = server.new_database()
        wires = {
            name: stack.enter_context(TcpRelay(port).laid())
            for name, port in (
                ("database", server.port),
                ("platform", _port(environment.platform_url)),
                ("forge", _port(environment.github.url)),
            )
        }
        office = UnreliableWebhookRelay(environment.address, draw)
        stack.callback(office.close)
        office.start()
        post = stack.enter_context(serve(office))
        environment.webhooks.receivers.clear()
        environment.webhooks.add(f"{post}{PROMPTLAYER_WEBHOOK_PATH}", SECRET)
        environment.github.hooks.register(f"{post}/webhooks/github", FORGE_SECRET)
        behind_wire = database.replace(f":{server.port}/", f":{wires['database'].port}/")
        configure = partial(_configure, environment, wires, behind_wire, sweep)
        configure(MAPPINGS)
        yield ChaosEnvironment(
            environment, server, database, office, wires, _machines(environment), configure
        )


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _configure(
    environment: ProductEnvironment,
    wires: dict[str, TcpRelay],
    database: str,
    sweep: str,
    mappings: Sequence[MappingSpec],
) -> None:
    environment.configure(
        *mappings,
        promptlayer={"base_url": wires["platform"].address},
        forges={
            "github": {
                "type": "github",
                "url": wires["forge"].address,
                "token": "${GITHUB_TOKEN}",
                "webhook_secret": FORGE_SECRET,
                "timeout": "5s",
            }
        },
        data="${BRIDGE_DATA}",
        database=database,
        sweep=sweep,
        quiet="300ms",
        log={"format": "json"},
        serve=SERVE,
    )


def _machines(environment: ProductEnvironment) -> list[SupervisedBridgeProcess]:
    config = ("--config", str(environment.config))
    serving = ("serve", "--port", str(environment.port), "--workers", "0", *config)
    folder = environment.folder / "machines"
    folder.mkdir()
    return [
        SupervisedBridgeProcess("web", serving, environment.environment, folder),
        SupervisedBridgeProcess(
            "one",
            ("work", "--name", "one", "--workers", "8", *config),
            environment.environment,
            folder,
        ),
        SupervisedBridgeProcess(
            "two",
            ("work", "--name", "two", "--workers", "8", *config),
            environment.environment,
            folder,
        ),
    ]
