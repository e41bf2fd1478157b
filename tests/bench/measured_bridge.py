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

from bridge.cli.resources import open_controller
from bridge.config.bridge_config import load_config
from bridge.engine.controller import BridgeController
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.reconciler import Reconciler
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import RegistryVersion
from bridge.sandbox.webhook_sender import WebhookSender
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.github import GitHubStandIn
from tests.standins.serve_app import serve

API_KEY = "pl_bench"
SECRET = "whsec_bench"
MAPPING = "support"
REPOSITORY = "acme/support-bot"

Document = dict[str, Any]


@dataclass(frozen=True)
class ServedPromptLayer:
    """PromptLayer's stand-in where it is served."""

    registry: PromptRegistry
    url: str
    faults: Faults  # every request that came in is written down here


@contextmanager
def served_platform(registry: PromptRegistry) -> Iterator[ServedPromptLayer]:
    """The stand-in; nobody gets its webhooks."""
    webhooks, faults = WebhookSender(), Faults()
    webhooks.drop_next(2**62)
    app = create_promptlayer_app(registry, api_key=API_KEY, webhooks=webhooks)
    with serve(WithFaults(app, faults)) as url:
        yield ServedPromptLayer(registry, url, faults)


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
def open_measured_controller(config: Path) -> Iterator[BridgeController]:
    with open_controller(load_config(config)) as controller:
        yield controller


def mirror_of(config: Path) -> Path:
    """The folder of the only mirror."""
    (mirror,) = (load_config(config).data / "mirrors").glob("*.git")
    return mirror


def request_reconcile(
    controller: BridgeController, version: RegistryVersion, name: str
) -> Proposal:
    """What an event about a new version asks for, as the dispatcher writes it down."""
    target = Target(MAPPING, version.prompt_id, "latest")
    proposal = controller.contexts[MAPPING].build_proposal(name, target)
    controller.store.request([ReconcileRequest(proposal, target)])
    return proposal


def reconcile_and_time(
    controller: BridgeController, proposal: Proposal, expected: ReconcileOutcomeKind
) -> float:
    """Have the worker look at a proposal; how many seconds it took."""
    started = time.perf_counter()
    Reconciler(controller).reconcile(proposal)
    seconds = time.perf_counter() - started
    standing = controller.store.find_latest_outcome(proposal)
    if standing is None or standing.kind is not expected:
        raise RuntimeError(f"{proposal.branch} should be {expected}, and is {standing}")
    return seconds
