"""``calls_new`` and ``calls_update``: REST requests and pushes for a first proposal, and for a
newer version on an open one, with the forge's webhook registered: what the bridge itself did comes
back as events, and is counted until nothing is left to do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.config.bridge_config import load_config
from bridge.engine.controller import BridgeController
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.reconciler import Reconciler
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.sandbox.registry import PromptRegistry
from bridge.web.app import WebSettings, create_app
from bridge.wiring import build_webhook_endpoints
from tests.bench.figure import Figure, counted, exactly
from tests.bench.generated_prompts import name_of, template_of
from tests.bench.measured_bridge import (
    Document,
    configured,
    github,
    open_measured_controller,
    reconcile_and_time,
    request_reconcile,
    served_platform,
)
from tests.contract import github_case, gitlab_case
from tests.standins.github import GitHubStandIn
from tests.standins.gitlab import TOKEN, GitLabStandIn
from tests.standins.serve_app import serve

NEW, UPDATE = ReconcileOutcomeKind.PROPOSED, ReconcileOutcomeKind.UPDATED
StandIn = GitHubStandIn | GitLabStandIn
WEBHOOK_SECRET = "whsec_forge"
LABELS: Document = {"labels": ["prompt"]}
PEOPLE: Document = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
ALLOWED = {  # requests for a first proposal and for a newer version
    ("GitHub", "labels"): (3, 2),
    ("GitHub", "labels, reviewers and assignees"): (5, 4),
    ("GitLab", "labels"): (2, 2),
    ("GitLab", "labels, reviewers and assignees"): (2, 2),
}
SETTINGS = {"labels": LABELS, "labels, reviewers and assignees": PEOPLE}


@dataclass(frozen=True)
class CountedCalls:
    requests: int
    pushes: int
    events: int  # webhooks of the forge about the bridge's own doings


def measure() -> Iterator[Figure]:
    for (forge, what), allowed in ALLOWED.items():
        with tempfile.TemporaryDirectory() as folder:
            new, update = count_calls(Path(folder), forge, SETTINGS[what])
        yield counted("calls_new", new.requests, f"requests, {forge}, {what}", allowed[0])
        yield counted("calls_update", update.requests, f"requests, {forge}, {what}", allowed[1])
        yield exactly("calls_pushes", max(new.pushes, update.pushes), f"push, {forge}, {what}", 1)


def count_calls(folder: Path, forge: str, pull_request: Document) -> list[CountedCalls]:
    """One prompt, saved twice, on a forge whose credentials were used before."""
    with (
        _served_forge(folder, forge) as (settings, repository, standin),
        served_platform(PromptRegistry()) as platform,
    ):
        config = configured(
            folder, platform.url, settings, repository, base="main", pull_request=pull_request
        )
        with (
            open_measured_controller(config) as controller,
            _registered_webhook(config, controller, standin),
        ):
            _save_and_settle(controller, platform.registry, 1, 1, NEW, standin)
            return [
                _save_and_settle(controller, platform.registry, 2, 2, NEW, standin),
                _save_and_settle(controller, platform.registry, 2, 3, UPDATE, standin),
            ]


@contextmanager
def _registered_webhook(
    config: Path, controller: BridgeController, standin: StandIn
) -> Iterator[None]:
    """The bridge's endpoint, registered at the forge."""
    endpoints = build_webhook_endpoints(load_config(config))
    app = create_app(WebSettings(controller.clock, lambda: endpoints), controller.inbox)
    with serve(app) as url:
        standin.hooks.register(f"{url}/webhooks/forge", WEBHOOK_SECRET)
        yield


def _save_and_settle(
    controller: BridgeController,
    registry: PromptRegistry,
    prompt: int,
    text: int,
    expected: ReconcileOutcomeKind,
    standin: StandIn,
) -> CountedCalls:
    version = registry.save_version(name_of(prompt), template_of(text))
    before, told = len(standin.faults.requests), len(standin.hooks.delivered)
    reconcile_and_time(
        controller, request_reconcile(controller, version, name_of(prompt)), expected
    )
    _settle_events(controller)
    came = [f"{one.method} {one.path}" for one in standin.faults.requests[before:]]
    delivered = standin.hooks.delivered[told:]
    if not all(200 <= one.status < 300 for one in delivered):
        raise RuntimeError("the bridge refused a webhook of the forge")
    return CountedCalls(
        requests=sum("/api/" in request for request in came),
        pushes=sum(request.endswith("/git-receive-pack") for request in came),
        events=len(delivered),
    )


def _settle_events(controller: BridgeController) -> None:
    """Dispatch the forge's events, and reconcile whatever they ask for."""
    while Dispatcher(controller).dispatch_deliveries(lambda _: None, lambda *_: None):
        for proposal in controller.find_pending_proposals():
            Reconciler(controller).reconcile(proposal)


@contextmanager
def _served_forge(folder: Path, forge: str) -> Iterator[tuple[Document, str, StandIn]]:
    if forge == "GitHub":
        with github_case.github_case(folder / "forge") as case:
            token = case.standin.token("bot")
            settings = github(case.standin, token) | {"webhook_secret": WEBHOOK_SECRET}
            yield settings, github_case.REPOSITORY, case.standin
    else:
        with gitlab_case.gitlab_case(folder / "forge") as lab:
            settings = {"type": "gitlab", "url": lab.url, "token": TOKEN}
            settings |= {"webhook_secret": WEBHOOK_SECRET}
            yield settings, gitlab_case.REPOSITORY, lab.standin
