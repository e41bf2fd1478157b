"""Why a proposal is looked at: targets, and what is known of who did what. Pure.

An occasion never says what to do; it names who edited, whether somebody asked for approval, and
whose text a person has chosen, because neither side tells these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.prompts.memory import PendingRequest
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.publication import Adopt, Side
from bridge.prompts.story import ApprovalRequest
from bridge.prompts.target import Target

REQUESTED = "prompt_template_label_change_requested"
APPROVED = "prompt_template_label_change_approved"
DENIED = "prompt_template_label_change_denied"
SNIPPET_CHANGED = "prompt_template_updated"
RENAMED = "prompt_template_name_changed"
VERSION_CREATED = "prompt_template_version_created"
DELETED = "prompt_template_deleted"
LABEL_DELETED = "prompt_template_label_deleted"

LABEL_EVENTS = (
    REQUESTED,
    APPROVED,
    DENIED,
    "prompt_template_label_created",
    "prompt_template_label_moved",
    LABEL_DELETED,
)

# An event may come before PromptLayer shows what it tells of; so long the bridge asks again.
PATIENCE = timedelta(seconds=30)
NOT_YET_PAUSE = 6.0  # seconds: five looks, before pauses grow, are as long as the patience


@dataclass(frozen=True)
class Cause:
    """One event, as far as looking needs it."""

    type: str
    prompt_id: int
    label: str | None
    at: datetime  # when it happened, as PromptLayer says; aware
    received_at: datetime  # aware
    user_name: str | None = None
    user_email: str | None = None
    change_type: str | None = None  # "move" or "deletion", for label_change_* events
    version: int | None = None

    @property
    def edits(self) -> bool:
        """Whether its user changed what a file holds."""
        return self.type not in (SNIPPET_CHANGED, DENIED)


@dataclass(frozen=True)
class Occasion:
    targets: tuple[Target, ...]
    causes: tuple[Cause, ...] = ()  # events that nobody has looked after yet
    label_events: Mapping[Target, Cause] = field(default_factory=dict)  # the newest of each
    listed: Mapping[Target, Prompt] = field(default_factory=dict)  # just read from list pages
    adopt: Adopt | None = None  # a person's word, said with this very look
    adopted: frozenset[int] = frozenset()  # prompts whose open proposal takes PromptLayer's text
    followed: frozenset[Target] = frozenset()  # once seen, with the mapping as it is now
    held: Mapping[Target, str] = field(default_factory=dict)  # left as they are, and why
    prune: bool = False  # what the mapping leaves out is withdrawn and removed all the same

    def side(self, prompt_id: int, name: str) -> Side | None:
        """Whose text a person has chosen for a prompt."""
        told = self.adopt.of(name) if self.adopt else None
        return told or (Side.PLATFORM if prompt_id in self.adopted else None)


@dataclass(frozen=True)
class NotYet:
    """The change was approved a moment ago and the label has not moved: ask again soon."""


def pending_request(
    newest: Cause | None,
    remembered: PendingRequest | None,
    version: int | None,
    known_version: int | None,
    now: datetime,
) -> PendingRequest | NotYet | None:
    """Is a change of this protected label waiting for a decision?

    ``version`` is where the label stands now, ``known_version`` where the base branch has it,
    ``remembered`` what the open pull request says. Events may come in any order; the newest by
    PromptLayer's clock decides, and a label that moved has been decided in any case.
    """
    before = remembered.from_version if remembered else known_version
    if remembered is not None and version != remembered.from_version:
        return None
    if newest is None:
        return remembered
    if newest.type == REQUESTED:
        return _asked(newest, remembered, version)
    if newest.type == APPROVED and version == before and now - newest.received_at < PATIENCE:
        return NotYet()
    return None


def _asked(newest: Cause, remembered: PendingRequest | None, version: int | None) -> PendingRequest:
    asked = ApprovalRequest(
        by=newest.user_name or newest.user_email,
        change="deletion" if newest.change_type == "deletion" else "move",
        label=newest.label or "",
        at=newest.at.isoformat(),
    )
    if remembered is not None and remembered.request.at == asked.at:
        return remembered
    return PendingRequest(asked, version)


def is_behind(target: Target, version: int | None, causes: Sequence[Cause], now: datetime) -> bool:
    """Whether PromptLayer shows less of a newest version (``version``, None: no prompt) than an
    event told moments ago. A label that stands elsewhere may have moved on; it is believed."""
    if target.label != LATEST:
        return False
    about = [cause for cause in causes if cause.prompt_id == target.prompt_id]
    if any(cause.type == DELETED for cause in about):
        return False
    fresh = (c for c in about if c.type == VERSION_CREATED and now - c.received_at < PATIENCE)
    return max((cause.version or 0 for cause in fresh), default=0) > (version or 0)


def newest_first(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """By PromptLayer's clock, then by arrival."""
    return tuple(sorted(causes, key=lambda cause: (cause.at, cause.received_at), reverse=True))
