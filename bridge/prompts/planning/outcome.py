"""The outcome of reconciling a proposal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.target import Target

if TYPE_CHECKING:
    from bridge.prompts.planning.side_difference import SideDifference  # its libraries load slowly


class ReconcileOutcomeKind(StrEnum):
    IN_STEP = "in step"
    PROPOSED = "proposed"
    UPDATED = "updated"
    UNCHANGED = "proposed already"
    WITHDRAWN = "withdrawn"
    PUBLISHED = "published"  # a file became a version in PromptLayer
    REJECTED = "rejected"  # a person closed this very proposal
    UNDONE = "undone in the repository"  # merged once, then taken back
    REPOSITORY_AHEAD = "repository is ahead"
    CONFLICT = "conflict on the branch"
    WAITING = "waiting"  # the engine comes back by itself
    PARKED = "parked"  # a person has to change something first
    NOT_FOLLOWED = "no longer followed"  # the mapping leaves it out; all stays as it is


@dataclass(frozen=True)
class DecidedPullRequest:
    """A pull request that is not open any more."""

    number: int
    url: str
    state: PullRequestState
    at: datetime | None = None  # when, where the forge's answer has it


@dataclass(frozen=True)
class TargetObservation:
    """One target as the reconcile observed it."""

    target: Target
    standing: DriftStatus
    reason: str
    name: str | None  # the prompt's; None where neither side has it
    path: str | None = None  # of its file; None where there is none yet
    version: int | None = None  # PromptLayer's number of what the proposal or the file holds
    is_proposed: bool = False  # the proposal changes its file
    is_tracked_elsewhere: bool = False  # another proposal carries it now
    absent: bool = False  # PromptLayer, or the mapping, has it no longer
    not_followed: bool = False  # its file stays until a person decides otherwise
    conflict: bool = False  # the proposal says what goes of two texts for the same part
    declined: str | None = None  # why nothing of it is proposed, where people declined it
    declined_in: DecidedPullRequest | None = None  # the pull request where they did
    unpublished: bool = False  # it holds a text of the repository's that PromptLayer has not
    workspace_id: int | None = None  # of the prompt in PromptLayer, where it has one
    difference: SideDifference | None = None  # None: both sides mean the same, or one is unreadable


@dataclass(frozen=True)
class ReconcileOutcome:
    """``reason`` is for people; ``refusals`` are targets that could not be placed, with why."""

    kind: ReconcileOutcomeKind
    reason: str
    pull_request: str | None = None  # address for people
    number: int | None = None
    commit: str | None = None
    refusals: tuple[tuple[Target, str], ...] = ()
    observations: tuple[TargetObservation, ...] = ()
    decided_pull_request: DecidedPullRequest | None = (
        None  # the newest pull request, where people decided it
    )
    published_versions: tuple[tuple[Target, int | None], ...] = ()  # and the new version's number
    moved_labels: tuple[
        tuple[int, str, int], ...
    ] = ()  # prompt id, release label, and its version now
    selection: str | None = None  # the fingerprint of the mapping's selection in this reconcile

    @cached_property
    def observation_by_target(self) -> Mapping[Target, TargetObservation]:
        return {sight.target: sight for sight in self.observations}

    @cached_property
    def refusal_by_target(self) -> Mapping[Target, str]:
        return dict(self.refusals)
