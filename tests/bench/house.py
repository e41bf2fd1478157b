"""The house that is measured, wired from a ``bridge.yaml`` as ``serve`` and ``sync`` wire it, and
the servers around it, over real HTTP and real disks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.cli.opening import opened_worker
from bridge.config.whole import load
from bridge.engine.ledger import Ask
from bridge.engine.reconciler import Reconciler
from bridge.engine.worker import Worker
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.sandbox.entries import Version
from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from bridge.sandbox.webhooks import Webhooks
from tests.standins.faults import Faults, WithFaults
from tests.standins.github import GitHubStandIn
from tests.standins.serving import serve

API_KEY = "pl_bench"
SECRET = "whsec_bench"
MAPPING = "support"
REPOSITORY = "acme/support-bot"

Document = dict[str, Any]


@dataclass(frozen=True)
class Platform:
    """PromptLayer's stand-in where it is served."""

    registry: Registry
    url: str
    faults: Faults  # every request that came in is written down here


@contextmanager
def served_platform(registry: Registry) -> Iterator[Platform]:
    """The stand-in; nobody gets its webhooks."""
    webhooks, faults = Webhooks(), Faults()
    webhooks.drop(2**62)
    app = promptlayer_app(registry, api_key=API_KEY, webhooks=webhooks)
    with serve(WithFaults(app, faults)) as url:
        yield Platform(registry, url, faults)


def github(standin: GitHubStandIn, token: str) -> Document:
    """The settings of a forge that is GitHub's stand-in."""
    return {"type": "github", "url": standin.url, "token": token}


def configured(
    folder: Path,
    platform_url: str,
    forge: Document,
    repository: str = REPOSITORY,
    *,
    top: Document | None = None,
    **mapping: Any,
) -> Path:
    """Write a ``bridge.yaml`` (every JSON document is one) whose only mapping follows every
    prompt; ``top`` are settings of the whole file."""
    followed = {"name": MAPPING, "prompts": ["**"], "path": "prompts/{prompt}.yaml"}
    document = {
        "promptlayer": {"api_key": API_KEY, "webhook_secret": SECRET, "base_url": platform_url},
        "forges": {"forge": forge},
        "mappings": [{**followed, "repository": f"forge:{repository}", **mapping}],
        **(top or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bridge.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@contextmanager
def working(config: Path) -> Iterator[Worker]:
    with opened_worker(load(config)) as worker:
        yield worker


def mirror_of(config: Path) -> Path:
    """The folder of the only mirror."""
    (mirror,) = (load(config).data / "mirrors").glob("*.git")
    return mirror


def asked(worker: Worker, version: Version, name: str) -> Proposal:
    """What an event about a new version asks for, as the dispatcher writes it down."""
    target = Target(MAPPING, version.prompt_id, "latest")
    proposal = worker.sites[MAPPING].proposal(name, target)
    worker.ledger.ask([Ask(proposal, target)])
    return proposal


def look(worker: Worker, proposal: Proposal, expected: OutcomeKind) -> float:
    """Have the worker look at a proposal; how many seconds it took."""
    started = time.perf_counter()
    Reconciler(worker).reconcile(proposal)
    seconds = time.perf_counter() - started
    standing = worker.ledger.standing(proposal)
    if standing is None or standing.kind is not expected:
        raise RuntimeError(f"{proposal.branch} should be {expected}, and is {standing}")
    return seconds
