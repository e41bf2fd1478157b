"""The documented example payloads, where the folder with them is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.prompts.prompt import Json

FACTS = Path(__file__).parents[4] / "shared" / "promptlayer"


def fact(path: str) -> Json:
    file = FACTS / path
    if not file.exists():
        pytest.skip(f"{path} of the PromptLayer facts is not at hand")
    return json.loads(file.read_text(encoding="utf-8"))


def event_files() -> list[str]:
    """Every example payload, relative to the events folder; empty without the folder."""
    events = FACTS / "events"
    files = (path.relative_to(events).as_posix() for path in events.glob("**/*.json"))
    return sorted(file for file in files if file != "signatures.json")
