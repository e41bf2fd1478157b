"""Find the targets that a mapping follows no longer. Each stays as it is until a person in PromptLayer
takes its prompt out of the mapping, or `prune` releases it. Many that disappear at once stay too: a
wrong key, an incomplete answer or a mistake in a setting is more likely than intent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.config.mapping_settings import MappingSettings, PullRequestGrouping
from bridge.prompts.planning.publication import AdoptRequest
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import is_left_out
from bridge.reconcile.scan_mapping import MappingScan, UnlistedTarget
from bridge.status.target_status import TargetStatus, new_target_status
from bridge.status.target_status_store import TargetStatusStore

MOST_GONE_AT_ONCE = 5  # targets; more than these and half of the mapping's stay as they are
_MOST_REASONS = 3


@dataclass(frozen=True)
class UnfollowedTargets:
    """The targets that stay as they are, each with the reason. Those ``find_held`` stay so until PromptLayer shows
    them again or they are pruned, whatever is found of them meanwhile."""

    reasons: Mapping[Target, str]
    held: Mapping[Target, str]

    def __contains__(self, target: Target) -> bool:
        return target in self.reasons


def find_unfollowed(
    mapping: MappingSettings, scan: MappingScan, entries: Mapping[Target, TargetStatus]
) -> UnfollowedTargets:
    """The targets that no list page shows and that no person took out of the mapping."""
    held = {
        target: status.held
        for target, status in entries.items()
        if status.held is not None and target in scan.unlisted
    }
    reasons, gone = dict(held), set[Target]()
    for target, one in {**scan.unlisted, **dict(_untracked(mapping, scan, entries))}.items():
        if target in held:
            continue
        if one.left_out_by is not None and not _was_taken_out(mapping, one, entries.get(target)):
            if not mapping.prune:
                reasons[target] = str(is_left_out(mapping.name, one.left_out_by).absence_reason)
        elif (entry := entries.get(target)) is None or entry.absent_since is None:
            gone.add(target)
    if _is_sudden(len(gone), scan, entries):
        shown = len(scan.targets_in_step) + len(scan.listed_prompts)
        reason = (
            f"{len(gone):,} prompts of mapping {mapping.name} are gone from PromptLayer at once, and"
            f" {shown:,} are there: kept until they come back or"
            f" `promptlayer-bridge prune {mapping.name}` lets them go"
        )
        held |= dict.fromkeys(gone, reason)
    return UnfollowedTargets(reasons | held, held)


def _untracked(
    mapping: MappingSettings, scan: MappingScan, entries: Mapping[Target, TargetStatus]
) -> Iterator[tuple[Target, UnlistedTarget]]:
    """The files of labels that the mapping no longer tracks. Only those that the mapping is
    recorded to have followed: another mapping may own a file in the same folder."""
    setting = f"track: {', '.join(mapping.track)}"
    for target, file in scan.untracked.items():
        name = entries[target].name if target in entries else file.name
        if name is not None and target not in scan.unlisted:
            yield target, UnlistedTarget(name, file.path, setting)


def _was_taken_out(
    mapping: MappingSettings, one: UnlistedTarget, status: TargetStatus | None
) -> bool:
    """Whether the prompt was changed in PromptLayer, and not the mapping: the mapping with its
    present settings has followed it, or would follow the prompt in its file."""
    if one.fits:
        return True
    return status is not None and status.followed_as == mapping.fingerprint


def _is_sudden(gone: int, scan: MappingScan, entries: Mapping[Target, TargetStatus]) -> bool:
    there = scan.targets_in_step.keys() | scan.listed_prompts.keys()
    known = {
        target
        for target, status in entries.items()
        if status.held is None and status.absent_since is None and target not in scan.unlisted
    }
    return gone > MOST_GONE_AT_ONCE and 2 * gone > len(there | known) + gone


def count_open_pull_requests(
    context: MappingContext, scan: MappingScan, unfollowed: UnfollowedTargets
) -> int:
    """How many pull requests of unfollowed targets are open; asks the forge."""
    branches = {each.proposal.branch for each in scan.candidates if each.target in unfollowed}
    if not branches:
        return 0
    return sum(
        pull.head_branch in branches
        for pull in context.forge.list_open_pull_requests(context.branch_prefix)
    )


def describe_unfollowed(mapping: str, unfollowed: UnfollowedTargets, pull_requests: int) -> str:
    """A line for people: how many prompts are unfollowed, why, and which command releases them."""
    prompts = len({target.prompt_id for target in unfollowed.reasons})
    reasons = list(dict.fromkeys(unfollowed.reasons.values()))
    more = f"; and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
    return (
        f"mapping {mapping}: no longer followed: {prompts:,} prompt{'' if prompts == 1 else 's'},"
        f" {pull_requests:,} open pull request{'' if pull_requests == 1 else 's'}; all of it stays"
        f" as it is until `promptlayer-bridge prune {mapping}`"
        f" ({'; '.join(reasons[:_MOST_REASONS])}{more})"
    )


def build_unfollowed_statuses(
    unfollowed: UnfollowedTargets, entries: Mapping[Target, TargetStatus], now: datetime
) -> Iterator[TargetStatus]:
    """The statuses of the unfollowed targets, as they are to be written."""
    for target, reason in unfollowed.reasons.items():
        before = entries.get(target) or new_target_status(
            target, "", TargetState.NOT_FOLLOWED, reason, now
        )
        lasts = before.settled_state is TargetState.NOT_FOLLOWED
        since = before.settled_since if lasts and before.settled_since else now
        yield replace(
            before,
            state=TargetState.NOT_FOLLOWED,
            reason=reason,
            since=since,
            settled_state=TargetState.NOT_FOLLOWED,
            settled_since=since,
            held=unfollowed.held.get(target),
        )


@dataclass(frozen=True)
class ReconcileOptions:
    """The choices that a command makes for its reconciles: the side whose text holds, and whether
    unfollowed targets are released."""

    adopt: AdoptRequest | None = None
    prune: bool = False


DEFAULT_OPTIONS = ReconcileOptions()


def extend_context(
    reconcile_context: ReconcileContext,
    mapping: MappingSettings,
    statuses: TargetStatusStore,
    options: ReconcileOptions,
) -> ReconcileContext:
    """Add the options, and the recorded statuses that say which targets the mapping followed and
    which are held."""
    known = statuses.read_by_targets(reconcile_context.targets)
    if mapping.pull_request.group is PullRequestGrouping.MAPPING:
        held = statuses.find_held(mapping.name)  # one reconcile covers any of the mapping's targets
    else:
        held = {t: status.held for t, status in known.items() if status.held is not None}
    return replace(
        reconcile_context,
        adopt=options.adopt,
        followed=frozenset(
            target for target, status in known.items() if status.followed_as == mapping.fingerprint
        ),
        held={} if options.prune else held,
        prune=options.prune or mapping.prune,
    )
