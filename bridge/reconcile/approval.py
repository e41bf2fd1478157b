"""Changes of protected labels that wait for somebody's approval in PromptLayer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bridge.config.mapping_settings import PullRequestGrouping
from bridge.errors import TransientError
from bridge.prompts.planning.reconcile_context import (
    LABEL_CHANGE_REQUESTED,
    NOT_YET_PAUSE,
    ApprovalNotYetVisible,
    ReconcileContext,
    find_pending_approval,
)
from bridge.prompts.pull_request.metadata import PendingApproval
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import PlatformPrompt, PlatformReader


@dataclass(frozen=True)
class PendingApprovalLookup:
    """Finds the pending approval of a target, from events and from the open pull request."""

    context: MappingContext
    reconcile_context: ReconcileContext
    pending_approval: PendingApproval | None  # by the open pull request
    now: datetime

    def preview_approved_prompt(
        self,
        platform: PlatformReader,
        target: Target,
        platform_prompt: PlatformPrompt,
        known: int | None,
    ) -> tuple[PlatformPrompt, PendingApproval | None]:
        """Preview the prompt as it would be once the request about a target's label is approved,
        with that request; the present prompt where there is none. ``known`` is as in
        ``find``."""
        pending_approval = self.find(target, platform_prompt, known)
        if pending_approval is None:
            return platform_prompt, None
        platform_prompt = preview_requested_change(
            platform, target, pending_approval, platform_prompt
        )
        if platform_prompt.prompt is not None:
            pending_approval = replace(
                pending_approval, shown_version=platform_prompt.prompt.version
            )
        return platform_prompt, pending_approval

    def find(
        self, target: Target, platform_prompt: PlatformPrompt, known: int | None
    ) -> PendingApproval | None:
        """Find the undecided request about a target's label; ``known`` is the version that the
        base branch has. Raises TransientError where it was approved and PromptLayer does not
        show that yet."""
        if self.context.mapping.pull_request.group is PullRequestGrouping.MAPPING:
            return None  # one undecided label must not turn everybody's proposal into a draft
        version = platform_prompt.prompt.version if platform_prompt.prompt else None
        newest = self.reconcile_context.label_events.get(target)
        remembered = self.pending_approval if _is_about(self.pending_approval, target) else None
        if remembered is None and newest and newest.type == LABEL_CHANGE_REQUESTED:
            # A request that is in no open pull request was decided, and its event was lost.
            newest = newest if newest in self.reconcile_context.trigger_events else None
        pending_approval = find_pending_approval(newest, remembered, version, known, self.now)
        if isinstance(pending_approval, ApprovalNotYetVisible):
            raise TransientError(
                f"The change of label {target.label} of prompt {target.prompt_id} is approved,"
                " and PromptLayer does not show it yet.",
                retry_after=NOT_YET_PAUSE,
            )
        return pending_approval


def preview_requested_change(
    platform: PlatformReader,
    target: Target,
    pending_approval: PendingApproval,
    platform_prompt: PlatformPrompt,
) -> PlatformPrompt:
    """Preview the prompt with the requested change. No event names the requested version, so the
    newest version at the time of the request is taken, and none that was saved later."""
    if pending_approval.request.change == "deletion":
        return PlatformPrompt(None, f"somebody asked to remove label {target.label}")
    asked = platform.read_newest_at(
        target.prompt_id, pending_approval.request.at, pending_approval.shown_version
    )
    return PlatformPrompt(asked) if asked is not None else platform_prompt


def _is_about(pending_approval: PendingApproval | None, target: Target) -> bool:
    return pending_approval is not None and pending_approval.request.label == target.label
