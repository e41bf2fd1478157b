"""Synchronise: scan some mappings and look at everything that differs, here and now.

The looks go through the ledger as those of a running bridge do, so what is interrupted is taken
up by the next start, and nobody counts pull requests twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from bridge.engine.ledger import Ask
from bridge.engine.pruning import (
    PersonsWord,
    UnfollowedTargets,
    count_open_pull_requests,
    describe_unfollowed,
    find_unfollowed,
)
from bridge.engine.reconciler import Reconciler
from bridge.engine.resync import ResyncRunner
from bridge.engine.worker import Worker
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import Adopt
from bridge.prompts.target import Proposal, Target
from bridge.steps.publish import Result, told
from bridge.steps.scan import Scan, scan
from bridge.steps.site import Site

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
    warning: bool = False  # it is told, and counts for nothing


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
        site = worker.sites[name]
        found = scan(site, worker.index)
        unfollowed = find_unfollowed(site.mapping, found, worker.ledger.standings.of_mapping(name))
        proposals += ResyncRunner(worker).record_scan(site, found, started)
        if unfollowed.kept:
            done.append(_kept(site, found, unfollowed))
        listed |= found.listed
        done += [
            Done(name, OutcomeKind.NOT_FOLLOWED, gap.message, warning=True) for gap in found.gaps
        ]
        done += [
            Done(f"prompt {target.prompt_id} ({target.label})", OutcomeKind.PARKED, reason)
            for target, reason in found.refusals
        ]
        done += [
            Done(mistake.partition(":")[0], OutcomeKind.PARKED, mistake)
            for mistake in found.mistakes
        ]
        done += [Done(one.path, OutcomeKind.PARKED, str(one)) for one in found.orphans]
        for result in ResyncRunner(worker).create_prompts(worker.sites[name], found):
            done.append(_made(result))
        if found.in_step:
            done.append(Done(name, OutcomeKind.IN_STEP, "same content", count=found.in_step))
    return _without_repeats(
        done + _look_at_all(worker, proposals, listed, tell, PersonsWord(adopt))
    )


def _without_repeats(done: Sequence[Done]) -> list[Done]:
    """What is parked is told once, though the scan and the look at it both find it."""
    kept: list[Done] = []
    told: set[str] = set()
    for one in done:
        if one.kind is not OutcomeKind.PARKED or one.reason not in told:
            kept.append(one)
        if one.kind is OutcomeKind.PARKED:
            told.add(one.reason)
    return kept


def prune_targets(
    worker: Worker, mapping: str, found: Scan, unfollowed: UnfollowedTargets, tell: Tell
) -> list[Done]:
    """Let go, on a person's word, what stays as it is: pull requests are withdrawn, the removal of
    files is proposed."""
    site = worker.sites[mapping]
    places = {each.target: each.proposal for each in found.candidates}
    entries = worker.ledger.standings.of_mapping(mapping)
    names, asks = dict[Target, str](), list[Ask]()
    for target in unfollowed.kept:
        one, entry = found.unlisted.get(target), entries.get(target)
        name = (one.name if one else "") or (entry.name if entry else "")
        known = Proposal(mapping, entry.branch) if entry and entry.branch else None
        proposal = places.get(target) or known or site.proposal(name, target)
        names[target] = name
        asks.append(Ask(proposal, target, name=name))
    fingerprint = site.mapping.fingerprint
    worker.ledger.standings.let_go(names, fingerprint, worker.clock())
    worker.ledger.ask(asks)
    proposals = sorted({ask.proposal for ask in asks})
    return _look_at_all(worker, proposals, {}, tell, PersonsWord(prune=True))


def _kept(site: Site, found: Scan, unfollowed: UnfollowedTargets) -> Done:
    words = describe_unfollowed(
        site.mapping.name, unfollowed, count_open_pull_requests(site, found, unfollowed)
    )
    prompts = len({target.prompt_id for target in unfollowed.kept})
    return Done(site.mapping.name, OutcomeKind.NOT_FOLLOWED, words, count=prompts)


def _made(result: Result) -> Done:
    kind = OutcomeKind.PUBLISHED if result.problem is None else OutcomeKind.PARKED
    return Done(result.work.path, kind, told(result))


def _look_at_all(
    worker: Worker,
    proposals: Sequence[Proposal],
    listed: Mapping[Target, Prompt],
    tell: Tell,
    word: PersonsWord,
) -> list[Done]:
    done = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = [pool.submit(_look_at, worker, proposal, listed, word) for proposal in proposals]
        for finished, job in enumerate(as_completed(jobs), start=1):
            done.append(job.result())
            tell("bringing in step", finished, len(proposals))
    return sorted(done, key=lambda one: one.what)


def _look_at(
    worker: Worker, proposal: Proposal, listed: Mapping[Target, Prompt], word: PersonsWord
) -> Done:
    waited = 0.0
    pause = Reconciler(worker).reconcile(proposal, listed, word)
    while pause is not None and waited + pause <= _PATIENCE:
        waited += pause
        threading.Event().wait(pause)
        pause = Reconciler(worker).reconcile(
            proposal, word=word
        )  # what was listed may be old by now
    standing = worker.ledger.standing(proposal)
    what = f"{proposal.mapping} {proposal.branch}"
    if standing is None:
        return Done(what, OutcomeKind.IN_STEP, "somebody else looked at it")
    return Done(what, standing.kind, standing.reason, standing.pull_request)
