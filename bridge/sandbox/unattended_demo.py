"""``demo --once``: both directions from end to end, unattended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from bridge.errors import BridgeError
from bridge.forge.forge import PullRequest
from bridge.sandbox.demo_environment import DemoEnvironment
from bridge.sandbox.demo_proposal_steps import DemoProposalSteps
from bridge.sandbox.demo_publish_steps import DemoPublishSteps


@dataclass(frozen=True)
class DemoStepResult:
    step: str
    ok: bool
    pull_request: str | None
    commit: str | None
    seconds: float
    problem: str | None = None


def run_unattended_demo(environment: DemoEnvironment, *, as_json: bool) -> bool:
    """Run every step and report each at its end; True when all succeeded."""
    acts = [
        *DemoProposalSteps(environment).list_steps(),
        *DemoPublishSteps(environment).list_steps(),
    ]
    steps = []
    for name, act in acts:
        steps.append(_step(name, act))
        if not as_json:
            _tell(steps[-1])
        if not steps[-1].ok:
            break
    ok = all(step.ok for step in steps) and len(steps) == len(acts)
    if as_json:
        told = [
            {k: v for k, v in asdict(step).items() if v is not None or k != "problem"}
            for step in steps
        ]
        print(json.dumps({"steps": told, "ok": ok}))
    return ok


def _step(name: str, act: Callable[[], PullRequest | None]) -> DemoStepResult:
    started = time.monotonic()
    try:
        found = act()
    except BridgeError as error:
        return DemoStepResult(name, False, None, None, _since(started), str(error))
    address, commit = (found.url, found.head_commit) if found else (None, None)
    return DemoStepResult(name, True, address, commit, _since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _tell(step: DemoStepResult) -> None:
    mark = "ok    " if step.ok else "failed"
    print(f"{mark} {step.seconds:6.1f} s  {step.step}  {step.problem or step.pull_request or ''}")
