"""Scan some mappings, and reconcile at once every target that differs.

The requests are stored as those of a running bridge are, so the next start takes up an interrupted
sync, and each pull request counts once against its limit.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from bridge.engine.controller import BridgeController
from bridge.engine.reconcile_store import ReconcileRequest
from bridge.engine.reconciler import Reconciler
from bridge.engine.resync import ResyncRunner
from bridge.engine.unfollowed_targets import (
    ReconcileOptions,
    UnfollowedTargets,
    count_open_pull_requests,
    describe_unfollowed,
)
from bridge.progress import ProgressCallback
from bridge.prompts.natural_order import split_naturally
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.publication import AdoptRequest
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.publish_files import PublishResult, describe_publish_result
from bridge.reconcile.scan_mapping import MappingScan, scan_mapping
from bridge.status.target_status import TargetStatus

_AT_ONCE = 8
_MOST_NAMES = 3  # of prompts, for one pull request
_LONGEST_WAIT = 120.0  # seconds; the running bridge takes up a proposal that waits for longer


@dataclass(frozen=True)
class SyncResult:
    """The outcome of one proposal, or of all prompts that were in step."""

    subject: str
    kind: ReconcileOutcomeKind
    reason: str
    pull_request: str | None = None
    count: int = 1
    warning: bool = False  # printed, and left out of the counts


class SyncInterruptedError(KeyboardInterrupt):
    """A person stopped a sync: ``finished`` pull requests were reconciled, ``left`` were not."""

    def __init__(self, finished: int, left: int) -> None:
        super().__init__(
            f"Interrupted: {finished} pull requests are in step or proposed, {left} are left. Run the"
            " command again; a running bridge takes them up, too."
        )
        self.finished, self.left = finished, left


def sync_mappings(
    controller: BridgeController,
    mappings: Sequence[str],
    tell: ProgressCallback,
    adopt: AdoptRequest | None = None,
) -> list[SyncResult]:
    """Bring these mappings in step; raises the BridgeError that ends a scan, and
    SyncInterruptedError when a person stops it. ``adopt`` holds for
    these reconciles alone: one that waits for longer than two minutes is left to the running
    bridge, which decides without it."""
    done: list[SyncResult] = []
    proposals: list[Proposal] = []
    listed: dict[Target, Prompt] = {}
    counted: set[Target] = set()  # those that the scans found in step
    for number, name in enumerate(mappings):
        tell(f"comparing {name}", number, len(mappings))
        started = controller.clock()
        context = controller.contexts[name]
        if context.mapping.pause:
            reason = context.mapping.explain_pause()
            done.append(SyncResult(name, ReconcileOutcomeKind.NOT_FOLLOWED, reason, warning=True))
            continue
        found = scan_mapping(context, controller.file_index)
        recorded = ResyncRunner(controller).record_scan(context, found, started)
        proposals += recorded.proposals
        if recorded.unfollowed.reasons:
            done.append(_describe_unfollowed(context, found, recorded.unfollowed))
        listed |= found.listed_prompts
        counted |= found.targets_in_step.keys()
        done += _describe_problems(name, found)
        for result in ResyncRunner(controller).create_prompts(controller.contexts[name], found):
            done.append(_describe_published(result))
        if found.in_step_count:
            done.append(
                SyncResult(
                    name, ReconcileOutcomeKind.IN_STEP, "same content", count=found.in_step_count
                )
            )
    options = ReconcileOptions(adopt)
    return _without_repeats(
        done + _reconcile_all(controller, proposals, listed, tell, options, frozenset(counted))
    )


def _describe_problems(mapping: str, scan: MappingScan) -> Iterator[SyncResult]:
    """The findings of a scan that need a person."""
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
    """Each parked result and each warning once, though several steps report it."""
    results: list[SyncResult] = []
    reported: set[str] = set()
    for one in done:
        is_unique = one.warning or one.kind is ReconcileOutcomeKind.PARKED
        if not is_unique or one.reason not in reported:
            results.append(one)
        if is_unique:
            reported.add(one.reason)
    return results


def prune_targets(
    controller: BridgeController,
    mapping: str,
    scan: MappingScan,
    unfollowed: UnfollowedTargets,
    statuses: Mapping[Target, TargetStatus],
    tell: ProgressCallback,
) -> list[SyncResult]:
    """Release the unfollowed targets, as ``prune`` asks: withdraw their pull requests and propose to
    remove their files. ``statuses`` are all that are recorded of the mapping."""
    context = controller.contexts[mapping]
    places = {each.target: each.proposal for each in scan.candidates}
    names, requests = dict[Target, str](), list[ReconcileRequest]()
    for target in unfollowed.reasons:
        one, status = scan.unlisted.get(target), statuses.get(target)
        file = one or scan.untracked.get(target)
        name = (file.name if file else None) or (status.name if status else "")
        known = Proposal(mapping, status.branch) if status and status.branch else None
        proposal = places.get(target) or known or context.build_proposal(name, target)
        names[target] = name
        requests.append(ReconcileRequest(proposal, target, name=name))
    fingerprint = context.mapping.fingerprint
    controller.store.target_statuses.release_targets(names, fingerprint, controller.clock())
    controller.store.request(requests)
    proposals = sorted({request.proposal for request in requests})
    return _reconcile_all(controller, proposals, {}, tell, ReconcileOptions(prune=True))


def _describe_unfollowed(
    context: MappingContext, scan: MappingScan, unfollowed: UnfollowedTargets
) -> SyncResult:
    text = describe_unfollowed(
        context.mapping.name, unfollowed, count_open_pull_requests(context, scan, unfollowed)
    )
    prompts = len({target.prompt_id for target in unfollowed.reasons})
    return SyncResult(context.mapping.name, ReconcileOutcomeKind.NOT_FOLLOWED, text, count=prompts)


def _describe_published(result: PublishResult) -> SyncResult:
    kind = ReconcileOutcomeKind.PUBLISHED if result.problem is None else ReconcileOutcomeKind.PARKED
    return SyncResult(result.file.path, kind, describe_publish_result(result))


def _reconcile_all(
    controller: BridgeController,
    proposals: Sequence[Proposal],
    listed: Mapping[Target, Prompt],
    tell: ProgressCallback,
    options: ReconcileOptions,
    counted: frozenset[Target] = frozenset(),
) -> list[SyncResult]:
    outcomes: dict[Proposal, SyncResult] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = {
            pool.submit(_reconcile, controller, proposal, listed, options, counted): proposal
            for proposal in proposals
        }
        try:
            for finished, job in enumerate(as_completed(jobs), start=1):
                outcomes[jobs[job]] = job.result()
                tell("bringing in step", finished, len(proposals))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)  # what is running ends, so nothing stays half done
            finished = sum(not job.cancelled() for job in jobs)
            raise SyncInterruptedError(finished, len(jobs) - finished) from None
    names = _name_prompts(controller, {proposal.mapping for proposal in proposals})
    named = [
        replace(result, subject=f"{proposal.mapping} {names.get(proposal, proposal.branch)}")
        for proposal, result in outcomes.items()
    ]
    return sorted(named, key=lambda one: split_naturally(one.subject))


def _name_prompts(controller: BridgeController, mappings: Collection[str]) -> dict[Proposal, str]:
    """The prompts of each proposal that is recorded, as people name them."""
    names: dict[Proposal, set[str]] = {}
    for mapping in mappings:
        statuses = controller.store.target_statuses.find_by_mapping(mapping)
        for target, status in statuses.items():
            if status.branch and status.name:
                label = "" if target.label == LATEST else f" ({target.label})"
                proposal = Proposal(mapping, status.branch)
                names.setdefault(proposal, set()).add(f"{status.name}{label}")
    return {proposal: _join_names(several) for proposal, several in names.items()}


def _join_names(names: Collection[str]) -> str:
    ordered = sorted(names, key=split_naturally)
    more = len(ordered) - _MOST_NAMES
    return ", ".join(ordered[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _reconcile(
    controller: BridgeController,
    proposal: Proposal,
    listed: Mapping[Target, Prompt],
    options: ReconcileOptions,
    counted: frozenset[Target],
) -> SyncResult:
    """Reconcile one proposal. In step it counts as many targets as are not ``counted`` already."""
    targets = {pending.target for pending in controller.store.find_pending(proposal)}
    waited = 0.0
    pause = Reconciler(controller).reconcile(proposal, listed, options)
    while pause is not None and waited + pause <= _LONGEST_WAIT:
        waited += pause
        threading.Event().wait(pause)
        pause = Reconciler(controller).reconcile(
            proposal, options=options
        )  # without ``listed``, which is old by now
    latest = controller.store.find_latest_outcome(proposal)
    subject = f"{proposal.mapping} {proposal.branch}"
    if latest is None:
        return SyncResult(subject, ReconcileOutcomeKind.IN_STEP, "somebody else looked at it")
    is_in_step = latest.kind is ReconcileOutcomeKind.IN_STEP
    count = len(targets - counted) if is_in_step else 1
    return SyncResult(subject, latest.kind, latest.reason, latest.pull_request, count)
