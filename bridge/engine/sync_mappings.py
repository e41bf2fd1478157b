"""Synchronise: scan some mappings and look at everything that differs, here and now.

The looks go through the ledger as those of a running bridge do, so what is interrupted is taken
up by the next start, and nobody counts pull requests twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from bridge.engine.controller import BridgeController
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.reconciler import Reconciler
from bridge.engine.resync import ResyncRunner
from bridge.engine.unfollowed_targets import (
    PersonsWord,
    UnfollowedTargets,
    count_open_pull_requests,
    describe_unfollowed,
    find_unfollowed,
)
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.publication import AdoptRequest
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.publish_files import PublishResult, describe_publish_result
from bridge.reconcile.scan_mapping import MappingScan, scan_mapping

ProgressCallback = Callable[
    [str, int, int | None], None
]  # what is done, how much of it, out of how much

_AT_ONCE = 8
_PATIENCE = 120.0  # seconds: a longer pause is left to the running bridge


@dataclass(frozen=True)
class SyncResult:
    """What came of one proposal, or of all prompts that were in step."""

    subject: str
    kind: ReconcileOutcomeKind
    reason: str
    pull_request: str | None = None
    count: int = 1
    warning: bool = False  # it is told, and counts for nothing


def sync_mappings(
    controller: BridgeController,
    mappings: Sequence[str],
    tell: ProgressCallback,
    adopt: AdoptRequest | None = None,
) -> list[SyncResult]:
    """Bring these mappings in step; raises what keeps a scan from being done. What a person has
    chosen (``adopt``) holds for these looks; one that has to wait for longer is left to the
    running bridge, which does not know of it."""
    done: list[SyncResult] = []
    proposals: list[Proposal] = []
    listed: dict[Target, Prompt] = {}
    for number, name in enumerate(mappings):
        tell(f"comparing {name}", number, len(mappings))
        started = controller.clock()
        context = controller.contexts[name]
        found = scan_mapping(context, controller.file_index)
        unfollowed = find_unfollowed(
            context.mapping, found, controller.store.target_statuses.find_by_mapping(name)
        )
        proposals += ResyncRunner(controller).record_scan(context, found, started)
        if unfollowed.kept:
            done.append(_kept(context, found, unfollowed))
        listed |= found.listed_prompts
        done += _describe_problems(name, found)
        for result in ResyncRunner(controller).create_prompts(controller.contexts[name], found):
            done.append(_made(result))
        if found.in_step_count:
            done.append(
                SyncResult(
                    name, ReconcileOutcomeKind.IN_STEP, "same content", count=found.in_step_count
                )
            )
    return _without_repeats(
        done + _look_at_all(controller, proposals, listed, tell, PersonsWord(adopt))
    )


def _describe_problems(mapping: str, scan: MappingScan) -> Iterator[SyncResult]:
    """What a scan found that a person has to look at."""
    parked = ReconcileOutcomeKind.PARKED
    for gap in scan.gaps:
        yield SyncResult(mapping, ReconcileOutcomeKind.NOT_FOLLOWED, gap.message, warning=True)
    for target, reason in scan.refusals:
        yield SyncResult(f"prompt {target.prompt_id} ({target.label})", parked, reason)
    for mistake in scan.mistakes:
        yield SyncResult(mistake.partition(":")[0], parked, mistake)
    for orphan in scan.orphans:
        yield SyncResult(orphan.path, parked, str(orphan))


def _without_repeats(done: Sequence[SyncResult]) -> list[SyncResult]:
    """Parked targets and warnings once each, though several steps find them."""
    kept: list[SyncResult] = []
    told: set[str] = set()
    for one in done:
        once = one.warning or one.kind is ReconcileOutcomeKind.PARKED
        if not once or one.reason not in told:
            kept.append(one)
        if once:
            told.add(one.reason)
    return kept


def prune_targets(
    controller: BridgeController,
    mapping: str,
    scan: MappingScan,
    unfollowed: UnfollowedTargets,
    tell: ProgressCallback,
) -> list[SyncResult]:
    """Let go, on a person's word, what stays as it is: pull requests are withdrawn, the removal of
    files is proposed."""
    context = controller.contexts[mapping]
    places = {each.target: each.proposal for each in scan.candidates}
    entries = controller.store.target_statuses.find_by_mapping(mapping)
    names, asks = dict[Target, str](), list[ReconcileRequest]()
    for target in unfollowed.kept:
        one, status = scan.unlisted.get(target), entries.get(target)
        name = (one.name if one else "") or (status.name if status else "")
        known = Proposal(mapping, status.branch) if status and status.branch else None
        proposal = places.get(target) or known or context.build_proposal(name, target)
        names[target] = name
        asks.append(ReconcileRequest(proposal, target, name=name))
    fingerprint = context.mapping.fingerprint
    controller.store.target_statuses.let_go(names, fingerprint, controller.clock())
    controller.store.request(asks)
    proposals = sorted({ask.proposal for ask in asks})
    return _look_at_all(controller, proposals, {}, tell, PersonsWord(prune=True))


def _kept(context: MappingContext, scan: MappingScan, unfollowed: UnfollowedTargets) -> SyncResult:
    words = describe_unfollowed(
        context.mapping.name, unfollowed, count_open_pull_requests(context, scan, unfollowed)
    )
    prompts = len({target.prompt_id for target in unfollowed.kept})
    return SyncResult(context.mapping.name, ReconcileOutcomeKind.NOT_FOLLOWED, words, count=prompts)


def _made(result: PublishResult) -> SyncResult:
    kind = ReconcileOutcomeKind.PUBLISHED if result.problem is None else ReconcileOutcomeKind.PARKED
    return SyncResult(result.file.path, kind, describe_publish_result(result))


def _look_at_all(
    controller: BridgeController,
    proposals: Sequence[Proposal],
    listed: Mapping[Target, Prompt],
    tell: ProgressCallback,
    word: PersonsWord,
) -> list[SyncResult]:
    done = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = [pool.submit(_look_at, controller, proposal, listed, word) for proposal in proposals]
        for finished, job in enumerate(as_completed(jobs), start=1):
            done.append(job.result())
            tell("bringing in step", finished, len(proposals))
    return sorted(done, key=lambda one: one.subject)


def _look_at(
    controller: BridgeController,
    proposal: Proposal,
    listed: Mapping[Target, Prompt],
    word: PersonsWord,
) -> SyncResult:
    waited = 0.0
    pause = Reconciler(controller).reconcile(proposal, listed, word)
    while pause is not None and waited + pause <= _PATIENCE:
        waited += pause
        threading.Event().wait(pause)
        pause = Reconciler(controller).reconcile(
            proposal, word=word
        )  # what was listed may be old by now
    standing = controller.store.find_latest_outcome(proposal)
    what = f"{proposal.mapping} {proposal.branch}"
    if standing is None:
        return SyncResult(what, ReconcileOutcomeKind.IN_STEP, "somebody else looked at it")
    return SyncResult(what, standing.kind, standing.reason, standing.pull_request)
