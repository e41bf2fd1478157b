"""How the bridge comes to look: a server that hears of everything, one that only sweeps, or CI that
runs ``publish`` and then ``sync``. What it remembers of itself may be thrown away in between.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.app import main
from bridge.cli.publish_command import EXIT_CONFLICT
from bridge.engine.repository_job_runner import RepositoryJobRunner
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.prompt import JsonObject
from bridge.prompts.target import Proposal
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import RegistryVersion
from tests.integration.lifecycle.bridge_environment import (
    BOT,
    KEY,
    AdvancingClock,
    BridgeEnvironment,
)

MAPPING = "support"
_ROUNDS = 10  # of webhooks that the bridge's own versions cause
_A_PERSONS = {
    ReconcileOutcomeKind.REPOSITORY_AHEAD,
    ReconcileOutcomeKind.CONFLICT,
    ReconcileOutcomeKind.PARKED,
}
_ENVIRONMENT = {"PROMPTLAYER_API_KEY": KEY, "PROMPTLAYER_WEBHOOK_SECRET": "whsec_model"}


class RunningClock(AdvancingClock):
    """Runs with the machine's, as git's dates do, and can be turned on."""

    def __init__(self) -> None:
        super().__init__()
        self._turned = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._turned

    def advance(self, seconds: float) -> None:
        self._turned += timedelta(seconds=seconds)


class DroppingRegistry(PromptRegistry):
    """A workspace that may keep no metadata but the model's."""

    drops = False

    def save_version(self, name: str, template: JsonObject, **more: Any) -> RegistryVersion:
        if self.drops and more.get("metadata"):
            kept = {key: more["metadata"][key] for key in ("model",) if key in more["metadata"]}
            more["metadata"] = kept or None
        return super().save_version(name, template, **more)


class LookKind(StrEnum):
    SERVER = "server"  # every webhook arrives
    SWEEP = "sweep"  # none does
    CI = "ci"


@dataclass(frozen=True)
class Look:
    kind: LookKind
    forgets: bool = False  # database and mirror are lost before


@dataclass
class Bridge:
    """The bridge as a test calls it."""

    environment: BridgeEnvironment
    folder: Path
    url: str
    asked: dict[str, str] = field(default_factory=dict)  # prompt or branch → what a person is told
    overtaken: dict[str, str] = field(default_factory=dict)  # branch → the reason that says so
    conflicts: bool = False  # CI ended with 3, which says that both sides changed something
    _head: str = ""  # of the base branch when the bridge looked last

    def __post_init__(self) -> None:
        self._configure()
        self._began = self.environment.clock()
        self._head = self.environment.repository.head("main")

    def look(self, look: Look) -> None:
        """Look until nothing is left to do."""
        self.asked.clear()
        self.overtaken.clear()
        self.conflicts = False
        self._began = self.environment.clock()
        if look.forgets:
            self._forget()
        {LookKind.SERVER: self._serve, LookKind.SWEEP: self._sweep, LookKind.CI: self._run_ci}[
            look.kind
        ]()
        self._head = self.environment.repository.head("main")

    def asks_of_person(self, id: int, label: str, name: str) -> str | None:
        """What a person is told to do about a target, if anything, by the look before."""
        return self.asked.get(self.environment.branch(id, label)) or self.asked.get(
            f"{name} {label}"
        )

    def name_overtaken(self, id: int, label: str, name: str) -> str:
        """The words in which the look before names versions that another one was put over: they
        are proposed no longer, and a person reads of them there alone."""
        overtaken = self.overtaken.get(self.environment.branch(id, label), "")
        asked = self.asked.get(f"{name} {label}", "")
        return f"{overtaken} {asked if asked.startswith('conflict') else ''}"

    def _forget(self) -> None:
        self.environment.forget_everything()
        shutil.rmtree(self.folder / "ci", ignore_errors=True)

    # A server

    def _serve(self) -> None:
        about = f"main {self._head}"
        job = RepositoryJob(MAPPING, RepositoryJobKind.PUSH, about)
        if self.environment.repository.head("main") != self._head:
            assert (
                RepositoryJobRunner(self.environment.controller, job, "").run(lambda _: None)
                is None
            )
        self._settle()

    def _sweep(self) -> None:
        """Again as long as a sweep made versions or moved labels, for nothing tells of those
        either."""
        for _ in range(_ROUNDS):
            self.environment.post.lose()
            before = list_platform_state(self.environment)
            self.environment.sweep()
            if list_platform_state(self.environment) == before:
                break
        self._note_asked()

    def _settle(self) -> None:
        for _ in range(_ROUNDS):
            self.environment.settle()
            if not self.environment.post.waiting:
                break
        self._note_asked()

    def _note_asked(self) -> None:
        for branch in self._branches():
            standing = self.environment.store.find_latest_outcome(Proposal(MAPPING, branch))
            if standing is None or standing.changed_at < self._began:
                continue
            if "overtaken" in standing.reason:
                self.overtaken[branch] = standing.reason
            if standing.kind in _A_PERSONS:
                self.asked[branch] = f"{standing.kind}: {standing.reason}"

    def _branches(self) -> Iterable[str]:
        for id in self.environment.registry.entries:
            yield from (
                self.environment.branch(id, label) for label in self.environment.settings[0].track
            )

    # CI

    def _run_ci(self) -> None:
        self.environment.post.lose()
        status, out = self._run("publish", "--json")
        assert out.startswith("{"), f"publish ended with {status}: {out}"
        self.conflicts = status == EXIT_CONFLICT
        for line in json.loads(out)["files"]:
            if line["action"] in ("conflict", "failed", "mistake", "skip"):
                label = "prod" if "/prod/" in line["path"] else "latest"
                self.asked[f"{line['prompt']} {label}"] = f"{line['action']}: {line['reason']}"
        self._run("sync")

    def _run(self, *words: str) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        config = ("--config", str(self.folder / "bridge.yaml"))
        with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
            for name, value in _ENVIRONMENT.items():
                patched.setenv(name, value)
            status = _status_of((*words, *config))
        return status, out.getvalue() or err.getvalue()

    def _configure(self) -> None:
        mapping = self.environment.settings[0].model_dump(mode="json", exclude_unset=True)
        config = {
            "promptlayer": {
                "api_key": "${PROMPTLAYER_API_KEY}",
                "base_url": self.url,
                "dashboard_url": "https://dashboard.example.com",
            },
            "forges": {"local": {"type": "local", "root": str(self.folder / "forge" / "forge")}},
            "mappings": [mapping],
            "identity": {"name": BOT.name, "email": BOT.email},
            "data": str(self.folder / "ci"),
        }
        text = json.dumps(config)  # JSON is YAML
        (self.folder / "bridge.yaml").write_text(text, encoding="utf-8")


def _status_of(words: Sequence[str]) -> int:
    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def count_versions(environment: BridgeEnvironment) -> int:
    return sum(len(entry.versions) for entry in environment.registry.entries.values())


def list_platform_state(environment: BridgeEnvironment) -> dict[int, tuple[int, dict[str, int]]]:
    """Prompt id → how many versions it has, and where its labels are."""
    return {
        id: (len(entry.versions), {name: at.version for name, at in entry.labels.items()})
        for id, entry in environment.registry.entries.items()
    }
