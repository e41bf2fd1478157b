"""A newcomer's desk: a folder with a ``bridge.yaml``, PromptLayer's stand-in and a local forge behind
it, and the command line in front."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.app import main
from bridge.forge.local_forge import LocalForge
from bridge.promptlayer.webhook_events import parse_event
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox
from bridge.wiring import get_current_time

KEY = "pl_0123456789abcdef"
SECRET = "whsec_desk"
NOBODY = "http://127.0.0.1:9"  # the port where everything is discarded: nobody listens

CONFIG = """\
promptlayer:
  api_key: ${{PROMPTLAYER_API_KEY}}
  webhook_secret: ${{PROMPTLAYER_WEBHOOK_SECRET}}
  base_url: {platform}
forges:
  local: {{type: local, root: forge, page_url: "http://forge.example.com"}}
mappings:
  - name: support
    prompts: ["support/*"]
    repository: local:acme/support-bot
"""


@dataclass(frozen=True)
class CommandResult:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class CliWorkspace:
    folder: Path
    platform: str  # address
    registry: PromptRegistry
    capture: pytest.CaptureFixture[str]
    forge: LocalForge
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "PROMPTLAYER_API_KEY": KEY,
            "PROMPTLAYER_WEBHOOK_SECRET": SECRET,
            "COLUMNS": "200",
        }
    )
    posted: list[JsonObject] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "bridge.yaml"

    def configure(self, text: str = CONFIG, **more: str) -> None:
        """Write bridge.yaml; its addresses are those of the stand-ins unless others are given."""
        addresses = {"platform": self.platform, **more}
        self.config.write_text(text.format(**addresses), encoding="utf-8")

    def run(self, *words: str) -> CommandResult:
        """Call the command line as a shell in the desk's folder would."""
        here, before = Path.cwd(), dict(os.environ)
        os.chdir(self.folder)
        os.environ.pop("COLUMNS", None)  # how wide is up to the desk
        os.environ.update(self.environment)
        self.capture.readouterr()
        try:
            status = _status_of(words)
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)
        printed = self.capture.readouterr()
        return CommandResult(status, printed.out, printed.err)

    def start(self, *words: str, **environment: str) -> CommandResult:
        """The same as a process of its own, its output in pipes."""
        finished = subprocess.run(
            [sys.executable, "-m", "bridge", *words],
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return CommandResult(finished.returncode, finished.stdout, finished.stderr)

    def save(self, name: str, text: str = "Be kind.", **more: Any) -> int:
        """Save a prompt in PromptLayer; its id."""
        return self.registry.save_version(
            name, build_chat_template(("system", text)), **more
        ).prompt_id

    def deliver(self, payload: JsonObject | None = None) -> str:
        """Put a delivery into the inbox as the front door does, the last event by default; its
        id."""
        payload = self.posted[-1] if payload is None else payload
        database = Database(f"sqlite:///{self.folder}/bridge-data/bridge.sqlite")
        inbox = DeliveryInbox(database, get_current_time)
        try:
            return inbox.put(
                Delivery.from_event(parse_event(payload), payload, get_current_time())
            ).id
        finally:
            inbox.close()
            database.close()


def _status_of(words: tuple[str, ...]) -> int:
    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def columns(line: str) -> list[str]:
    """The cells of a table's line: two blanks part them."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def rows(table: str) -> list[dict[str, str]]:
    """A printed table without empty cells, each row by its headings; it ends at an empty line."""
    heading, *lines = takewhile(str.strip, table.splitlines())
    starts = _starts(heading)
    return [
        {name: line[start:end].strip() for name, (start, end) in starts.items()} for line in lines
    ]


def _starts(heading: str) -> Mapping[str, tuple[int, int | None]]:
    names = columns(heading)
    places = [heading.index(name) for name in names]
    return dict(zip(names, zip(places, [*places[1:], None], strict=True), strict=True))
