"""The context of a reconcile: its targets, and the events and choices of people about them. Pure.

A context never says what to do; it names who edited, whether somebody requested an approval, and
whose text a person has chosen, because neither side has these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.prompts.planning.publication import AdoptedSide, AdoptRequest
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.pull_request.metadata import PendingApproval
from bridge.prompts.pull_request.proposal_summary import ApprovalRequest
from bridge.prompts.target import Target

LABEL_CHANGE_REQUESTED = "prompt_template_label_change_requested"
LABEL_CHANGE_APPROVED = "prompt_template_label_change_approved"
LABEL_CHANGE_DENIED = "prompt_template_label_change_denied"
SNIPPET_CHANGED = "prompt_template_updated"
RENAMED = "prompt_template_name_changed"
VERSION_CREATED = "prompt_template_version_created"
DELETED = "prompt_template_deleted"
LABEL_DELETED = "prompt_template_label_deleted"

LABEL_EVENTS = (
    LABEL_CHANGE_REQUESTED,
    LABEL_CHANGE_APPROVED,
    LABEL_CHANGE_DENIED,
    "prompt_template_label_created",
    "prompt_template_label_moved",
    LABEL_DELETED,
)

# An event may arrive before PromptLayer shows its version; for this long the bridge retries.
STALE_READ_WINDOW = timedelta(seconds=30)
NOT_YET_PAUSE = 6.0  # seconds: five retries, before pauses grow, are as long as the patience


@dataclass(frozen=True)
class TriggerEvent:
    """One event, with the fields that a reconcile needs."""

    type: str
    prompt_id: int
    label: str | None
    occurred_at: datetime  # when it happened, by PromptLayer's clock; aware
    received_at: datetime  # aware
    user_name: str | None = None
    user_email: str | None = None
    change_type: str | None = None  # "move" or "deletion", for label_change_* events
    version: int | None = None

    @property
    def is_edit(self) -> bool:
        """Whether its user changed what a file holds."""
        return self.type not in (SNIPPET_CHANGED, LABEL_CHANGE_DENIED)


@dataclass(frozen=True)
class ReconcileContext:
    targets: tuple[Target, ...]
    trigger_events: tuple[TriggerEvent, ...] = ()  # events that no reconcile has handled yet
    label_events: Mapping[Target, TriggerEvent] = field(default_factory=dict)  # the newest of each
    listed_prompts: Mapping[Target, Prompt] = field(
        default_factory=dict
    )  # just read from list pages
    adopt: AdoptRequest | None = None  # a person's choice for this reconcile
    adopted_sides: Mapping[Target, AdoptedSide] = field(
        default_factory=dict
    )  # the side that a person chose for one target, in the request for this reconcile
    adopted_prompt_ids: frozenset[int] = (
        frozenset()
    )  # prompts whose open proposal takes PromptLayer's text
    repository_prompt_ids: frozenset[int] = frozenset()
    """Prompts for which a person chose the repository's text in their open pull request."""
    followed: frozenset[Target] = frozenset()  # listed before, with the mapping as it is now
    held: Mapping[Target, str] = field(default_factory=dict)  # left as they are, and why
    prune: bool = False  # what the mapping leaves out is withdrawn and removed all the same

    def find_adopted_side(self, target: Target, name: str) -> AdoptedSide | None:
        """Find the side whose text a person has chosen for a target, now or in its open pull
        request."""
        side = self.find_requested_side(target, name)
        if side is None and target.prompt_id in self.repository_prompt_ids:
            return AdoptedSide.REPOSITORY
        is_adopted_before = target.prompt_id in self.adopted_prompt_ids
        return side or (AdoptedSide.PLATFORM if is_adopted_before else None)

    def find_requested_side(self, target: Target, name: str) -> AdoptedSide | None:
        """Find the side whose text a person chose in the request for this reconcile."""
        by_name = self.adopt.find_side(name) if self.adopt else None
        return self.adopted_sides.get(target) or by_name


@dataclass(frozen=True)
class ApprovalNotYetVisible:
    """The change was approved a moment ago and the label has not moved: ask again soon."""


def find_pending_approval(
    newest: TriggerEvent | None,
    pending_approval: PendingApproval | None,
    version: int | None,
    known_version: int | None,
    now: datetime,
) -> PendingApproval | ApprovalNotYetVisible | None:
    """Find the undecided change of this protected label. ``version`` is the label's version now,
    ``known_version`` the base branch's, ``remembered`` the pending approval of the open pull
    request. Events may come in any order; the newest by PromptLayer's clock decides, and a
    label that moved has been decided in any case."""
    before = pending_approval.from_version if pending_approval else known_version
    if pending_approval is not None and version != pending_approval.from_version:
        return None
    if newest is None:
        return pending_approval
    if newest.type == LABEL_CHANGE_REQUESTED:
        return _asked(newest, pending_approval, version)
    if (
        newest.type == LABEL_CHANGE_APPROVED
        and version == before
        and now - newest.received_at < STALE_READ_WINDOW
    ):
        return ApprovalNotYetVisible()
    return None


def _asked(
    newest: TriggerEvent, pending_approval: PendingApproval | None, version: int | None
) -> PendingApproval:
    asked = ApprovalRequest(
        by=newest.user_name or newest.user_email,
        change="deletion" if newest.change_type == "deletion" else "move",
        label=newest.label or "",
        at=newest.occurred_at.isoformat(),
    )
    if pending_approval is not None and pending_approval.request.at == asked.at:
        return pending_approval
    return PendingApproval(asked, version)


def is_read_stale(
    target: Target, version: int | None, trigger_events: Sequence[TriggerEvent], now: datetime
) -> bool:
    """Whether PromptLayer shows an older newest version (``version``, None: no prompt) than a
    recent event. A label on another version may have moved on, and is not stale."""
    if target.label != LATEST:
        return False
    about = [
        trigger_event
        for trigger_event in trigger_events
        if trigger_event.prompt_id == target.prompt_id
    ]
    if any(trigger_event.type == DELETED for trigger_event in about):
        return False
    fresh = (
        c for c in about if c.type == VERSION_CREATED and now - c.received_at < STALE_READ_WINDOW
    )
    return max((trigger_event.version or 0 for trigger_event in fresh), default=0) > (version or 0)


def sort_events_newest_first(trigger_events: Sequence[TriggerEvent]) -> tuple[TriggerEvent, ...]:
    """By PromptLayer's clock, then by arrival."""
    return tuple(
        sorted(
            trigger_events,
            key=lambda trigger_event: (trigger_event.occurred_at, trigger_event.received_at),
            reverse=True,
        )
    )
