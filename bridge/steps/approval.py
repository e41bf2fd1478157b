"""Changes of protected labels that wait for somebody's approval in PromptLayer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bridge.config.mapping import Group
from bridge.errors import Transient
from bridge.prompts.memory import PendingRequest
from bridge.prompts.occasion import NOT_YET_PAUSE, REQUESTED, NotYet, Occasion, pending_request
from bridge.prompts.target import Target
from bridge.steps.observe import Held, PlatformReading
from bridge.steps.site import Site


@dataclass(frozen=True)
class WaitingApproval:
    """What is known of requests when a proposal is looked at."""

    site: Site
    occasion: Occasion
    remembered: PendingRequest | None  # by the open pull request
    now: datetime

    def apply(
        self, platform: PlatformReading, target: Target, held: Held, known: int | None
    ) -> tuple[Held, PendingRequest | None]:
        """What PromptLayer would hold if the request about a target's label were approved, and the
        request; what it holds now where there is none. ``known`` is as in ``find``."""
        pending = self.find(target, held, known)
        if pending is None:
            return held, None
        held = held_as_requested(platform, target, pending, held)
        if held.prompt is not None:
            pending = replace(pending, shown_version=held.prompt.version)
        return held, pending

    def find(self, target: Target, held: Held, known: int | None) -> PendingRequest | None:
        """The request about a target's label that nobody has decided; ``known`` is the version that
        the base branch has. Raises Transient where it was approved a moment ago."""
        if self.site.mapping.pull_request.group is Group.MAPPING:
            return None  # one undecided label must not turn everybody's proposal into a draft
        version = held.prompt.version if held.prompt else None
        newest = self.occasion.label_events.get(target)
        remembered = self.remembered if _is_about(self.remembered, target) else None
        if remembered is None and newest and newest.type == REQUESTED:
            # An old request that no open pull request remembers was decided, and nobody told us.
            newest = newest if newest in self.occasion.causes else None
        pending = pending_request(newest, remembered, version, known, self.now)
        if isinstance(pending, NotYet):
            raise Transient(
                f"The change of label {target.label} of prompt {target.prompt_id} is approved,"
                " and PromptLayer does not show it yet.",
                retry_after=NOT_YET_PAUSE,
            )
        return pending


def held_as_requested(
    platform: PlatformReading, target: Target, pending: PendingRequest, held: Held
) -> Held:
    """What the platform would hold if the request were approved; which version was asked for is
    told nowhere, so the newest of that moment stands for it: not one that was saved later."""
    if pending.request.change == "deletion":
        return Held(None, f"somebody asked to remove label {target.label}")
    asked = platform.newest_at(target.prompt_id, pending.request.at, pending.shown_version)
    return Held(asked) if asked is not None else held


def _is_about(pending: PendingRequest | None, target: Target) -> bool:
    return pending is not None and pending.request.label == target.label
