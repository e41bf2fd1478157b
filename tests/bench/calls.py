"""``calls_new`` and ``calls_update``: REST requests and pushes for a first proposal, and for a
newer version on an open one, each from the worker's hand to the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.engine.controller import BridgeController
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.sandbox.registry import PromptRegistry
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
from tests.standins.fault_injection import Faults
from tests.standins.gitlab import TOKEN

NEW, UPDATE = ReconcileOutcomeKind.PROPOSED, ReconcileOutcomeKind.UPDATED
LABELS: Document = {"labels": ["prompt"]}
PEOPLE: Document = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
ALLOWED = {  # requests for a first proposal and for a newer version
    ("GitHub", "labels"): (3, 2),
    ("GitHub", "labels, reviewers and assignees"): (5, 4),
    ("GitLab", "labels"): (2, 2),
    ("GitLab", "labels, reviewers and assignees"): (2, 2),
}
_SETTINGS = {"labels": LABELS, "labels, reviewers and assignees": PEOPLE}


@dataclass(frozen=True)
class Counted:
    requests: int
    pushes: int


def measure() -> Iterator[Figure]:
    for (forge, what), allowed in ALLOWED.items():
        with tempfile.TemporaryDirectory() as folder:
            new, update = _counted(Path(folder), forge, _SETTINGS[what])
        yield counted("calls_new", new.requests, f"requests, {forge}, {what}", allowed[0])
        yield counted("calls_update", update.requests, f"requests, {forge}, {what}", allowed[1])
        yield exactly("calls_pushes", max(new.pushes, update.pushes), f"push, {forge}, {what}", 1)


def _counted(folder: Path, forge: str, pull_request: Document) -> list[Counted]:
    """One prompt, saved twice, on a forge whose credentials were used before."""
    with (
        _forge(folder, forge) as (settings, repository, faults),
        served_platform(PromptRegistry()) as platform,
    ):
        config = configured(
            folder, platform.url, settings, repository, base="main", pull_request=pull_request
        )
        with open_measured_controller(config) as controller:
            _save_and_look(controller, platform.registry, 1, 1, NEW, faults)
            return [
                _save_and_look(controller, platform.registry, 2, 2, NEW, faults),
                _save_and_look(controller, platform.registry, 2, 3, UPDATE, faults),
            ]


def _save_and_look(
    controller: BridgeController,
    registry: PromptRegistry,
    prompt: int,
    text: int,
    expected: ReconcileOutcomeKind,
    faults: Faults,
) -> Counted:
    version = registry.save_version(name_of(prompt), template_of(text))
    before = len(faults.requests)
    reconcile_and_time(
        controller, request_reconcile(controller, version, name_of(prompt)), expected
    )
    came = [f"{one.method} {one.path}" for one in faults.requests[before:]]
    return Counted(
        requests=sum("/api/" in request for request in came),
        pushes=sum(request.endswith("/git-receive-pack") for request in came),
    )


@contextmanager
def _forge(folder: Path, forge: str) -> Iterator[tuple[Document, str, Faults]]:
    if forge == "GitHub":
        with github_case.github_case(folder / "forge") as case:
            token = case.standin.token("bot")
            yield github(case.standin, token), github_case.REPOSITORY, case.standin.faults
    else:
        with gitlab_case.gitlab_case(folder / "forge") as lab:
            settings = {"type": "gitlab", "url": lab.url, "token": TOKEN}
            yield settings, gitlab_case.REPOSITORY, lab.standin.faults
