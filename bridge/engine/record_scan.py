"""Record the scan of a whole mapping: request a reconcile for each target that differs, and write the
status of every other target that changed. A target whose status is the same costs no write."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.config.mapping_settings import MappingSettings
from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.engine.unfollowed_targets import (
    UnfollowedTargets,
    build_unfollowed_statuses,
    describe_unfollowed,
    find_unfollowed,
)
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.scan_mapping import MappingScan, ReconcileCandidate
from bridge.status.problems import ProblemKind, ProblemRecords, group_by_subject
from bridge.status.target_status import TargetStatus, new_target_status

log = logging.getLogger("bridge.comparing")

_SAME = "same content"


@dataclass(frozen=True)
class ScanRun:
    """One scan, with its begin and end. PromptLayer's list pages were read at most ``listing_age``
    before it began."""

    mapping: MappingSettings
    scan: MappingScan
    started_at: datetime
    ended_at: datetime
    listing_age: timedelta = timedelta()

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class ScanRecord:
    """The proposals whose reconcile a scan requested, and the targets that are no longer followed."""

    proposals: tuple[Proposal, ...]
    unfollowed: UnfollowedTargets


def record_scan(store: ReconcileStore, scan_run: ScanRun) -> ScanRecord:
    """Write a scan's findings and request the reconciles that it calls for."""
    name = scan_run.mapping.name
    entries = store.target_statuses.find_by_mapping(name)
    unfollowed = find_unfollowed(scan_run.mapping, scan_run.scan, entries)
    unfollowed_statuses = [
        each
        for status in build_unfollowed_statuses(unfollowed, entries, scan_run.ended_at)
        for each in _changed(entries, status)
    ]
    read_at = scan_run.started_at - scan_run.listing_age
    # Before the requests: a reconcile reads which targets are held.
    store.target_statuses.apply_scan(unfollowed_statuses, (), read_at)
    requests = list(_build_requests(scan_run, entries, unfollowed))
    store.request(requests)
    requested = {request.target for request in requests}
    changed = [
        status for status in _build_statuses(scan_run, entries) if status.target not in requested
    ]
    gone = [
        t
        for t in _find_unfollowed_statuses(scan_run, entries)
        if t not in requested and t not in unfollowed
    ]
    store.target_statuses.apply_scan(changed, gone, read_at)
    _note_problems(store.problems, scan_run)
    _log_findings(scan_run, unfollowed, entries)
    counts = {"in_step": scan_run.scan.in_step_count, "differing": len(requested)}
    store.target_statuses.record_resync(name, scan_run.ended_at, scan_run.seconds, counts)
    return ScanRecord(tuple(sorted({request.proposal for request in requests})), unfollowed)


def _note_problems(problems: ProblemRecords, scan_run: ScanRun) -> None:
    name, scan = scan_run.mapping.name, scan_run.scan
    gaps = {gap.setting: gap.message for gap in scan.gaps}
    problems.replace(name, ProblemKind.COVERAGE, gaps)
    problems.replace(name, ProblemKind.FILE, group_by_subject(scan.mistakes))


def _log_findings(
    scan_run: ScanRun, unfollowed: UnfollowedTargets, entries: Mapping[Target, TargetStatus]
) -> None:
    for gap in scan_run.scan.gaps:
        log.warning("%s", gap.message)
    if unfollowed.reasons:
        numbers = {e.number for e in entries.values() if e.has_open_pull_request}
        ours = {
            e.number for t in unfollowed.reasons if (e := entries.get(t)) and e.number in numbers
        }
        log.warning("%s", describe_unfollowed(scan_run.mapping.name, unfollowed, len(ours)))


def _build_requests(
    scan_run: ScanRun, entries: Mapping[Target, TargetStatus], unfollowed: UnfollowedTargets
) -> Iterator[ReconcileRequest]:
    """Requests for the targets that differ, and for those whose pull request is recorded as open and
    whose branch is gone: its decision reached the bridge by no webhook. An unfollowed target is
    requested only in the latter case."""
    differing = scan_run.scan.differing_targets
    asked = set()
    for candidate in scan_run.scan.candidates:
        if candidate.target in unfollowed and not _may_have_unknown_pull_request(
            scan_run, candidate, entries
        ):
            continue
        asked.add(candidate.target)
        place = differing.get(candidate.target)
        yield ReconcileRequest(
            candidate.proposal, candidate.target, name=place.name if place else ""
        )
    for target, status in entries.items():
        if status.has_open_pull_request and target not in asked:
            yield ReconcileRequest(
                Proposal(target.mapping, status.branch), target, name=status.name
            )


def _may_have_unknown_pull_request(
    scan_run: ScanRun, candidate: ReconcileCandidate, entries: Mapping[Target, TargetStatus]
) -> bool:
    """Whether the forge may have a pull request that is not recorded."""
    status = entries.get(candidate.target)
    branches = scan_run.scan.snapshot.branches
    return (status is None or status.number is None) and candidate.proposal.branch in branches


def _build_statuses(
    scan_run: ScanRun, entries: Mapping[Target, TargetStatus]
) -> Iterator[TargetStatus]:
    """The statuses that changed."""
    now = scan_run.ended_at
    for target, place in scan_run.scan.targets_in_step.items():
        before = entries.get(target) or new_target_status(
            target, "", TargetState.IN_STEP, _SAME, now
        )
        after = replace(
            before,
            name=place.name,
            path=place.path or before.path,
            workspace_id=place.workspace_id or before.workspace_id,
            followed_as=scan_run.mapping.fingerprint,
            absent_since=None,
            held=None,
        )
        yield from _changed(entries, _settle(after, TargetState.IN_STEP, _SAME, now))
    for target, reason in scan_run.scan.refusals:
        before = entries.get(target) or new_target_status(
            target, "", TargetState.PARKED, reason, now
        )
        yield from _changed(entries, _settle(before, TargetState.PARKED, reason, now))


def _settle(status: TargetStatus, state: TargetState, reason: str, now: datetime) -> TargetStatus:
    if status.settled_state is state:
        same = state is TargetState.IN_STEP  # its reason is that of the reconcile that found it
        return replace(status, reason=status.reason if same else reason)
    return replace(
        status, state=state, reason=reason, since=now, settled_state=state, settled_since=now
    )


def _changed(entries: Mapping[Target, TargetStatus], after: TargetStatus) -> Iterator[TargetStatus]:
    before = entries.get(after.target)
    if before is None or (before != after and before.state is not TargetState.WAITING):
        yield after


def _find_unfollowed_statuses(
    scan_run: ScanRun, entries: Mapping[Target, TargetStatus]
) -> Iterator[Target]:
    """The targets whose status is recorded, and which the mapping follows no longer."""
    scan = scan_run.scan
    refused = {target for target, _ in scan.refusals}
    for target, status in entries.items():
        there = (
            target in scan.targets_in_step or target in scan.differing_targets or target in refused
        )
        if not there and status.state is not TargetState.WAITING:
            yield target
