"""Synchronise: scan some mappings and look at everything that differs, here and now.

The looks go through the ledger as those of a running bridge do, so what is interrupted is taken
up by the next start, and nobody counts pull requests twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from bridge.engine.worker import Worker
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import Adopt
from bridge.prompts.target import Proposal, Target
from bridge.steps.publish import Result, told
from bridge.steps.scan import scan

Tell = Callable[[str, int, int | None], None]  # what is done, how much of it, out of how much

_AT_ONCE = 8
_PATIENCE = 120.0  # seconds: a longer pause is left to the running bridge


@dataclass(frozen=True)
class Done:
    """What came of one proposal, or of all prompts that were in step."""

    what: str
    kind: OutcomeKind
    reason: str
    pull_request: str | None = None
    count: int = 1


def synchronise(
    worker: Worker, mappings: Sequence[str], tell: Tell, adopt: Adopt | None = None
) -> list[Done]:
    """Bring these mappings in step; raises what keeps a scan from being done. What a person has
    chosen (``adopt``) holds for these looks; one that has to wait for longer is left to the
    running bridge, which does not know of it."""
    done: list[Done] = []
    proposals: list[Proposal] = []
    listed: dict[Target, Prompt] = {}
    for number, name in enumerate(mappings):
        tell(f"comparing {name}", number, len(mappings))
        started = worker.clock()
        found = scan(worker.sites[name], worker.index)
        proposals += worker.take_in(name, found, started)
        listed |= found.listed
        done += [
            Done(f"prompt {target.prompt_id} ({target.label})", OutcomeKind.PARKED, reason)
            for target, reason in found.refusals
        ]
        done += [
            Done(mistake.partition(":")[0], OutcomeKind.PARKED, mistake)
            for mistake in found.mistakes
        ]
        done += [Done(one.path, OutcomeKind.PARKED, str(one)) for one in found.orphans]
        for result in worker.create(worker.sites[name], found):
            done.append(_made(result))
        if found.in_step:
            done.append(Done(name, OutcomeKind.IN_STEP, "same content", count=found.in_step))
    return done + _look_at_all(worker, proposals, listed, tell, adopt)


def _made(result: Result) -> Done:
    kind = OutcomeKind.PUBLISHED if result.problem is None else OutcomeKind.PARKED
    return Done(result.work.path, kind, told(result))


def _look_at_all(
    worker: Worker,
    proposals: Sequence[Proposal],
    listed: Mapping[Target, Prompt],
    tell: Tell,
    adopt: Adopt | None,
) -> list[Done]:
    done = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = [pool.submit(_look_at, worker, proposal, listed, adopt) for proposal in proposals]
        for finished, job in enumerate(as_completed(jobs), start=1):
            done.append(job.result())
            tell("bringing in step", finished, len(proposals))
    return sorted(done, key=lambda one: one.what)


def _look_at(
    worker: Worker, proposal: Proposal, listed: Mapping[Target, Prompt], adopt: Adopt | None
) -> Done:
    waited = 0.0
    pause = worker.look_at(proposal, listed, adopt)
    while pause is not None and waited + pause <= _PATIENCE:
        waited += pause
        threading.Event().wait(pause)
        pause = worker.look_at(proposal, adopt=adopt)  # what was listed may be old by now
    standing = worker.ledger.standing(proposal)
    what = f"{proposal.mapping} {proposal.branch}"
    if standing is None:
        return Done(what, OutcomeKind.IN_STEP, "somebody else looked at it")
    return Done(what, standing.kind, standing.reason, standing.pull_request)
