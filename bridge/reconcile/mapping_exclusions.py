"""Decide about prompts that a mapping leaves out: their files stay, unless somebody in
PromptLayer took them out."""

from __future__ import annotations

from dataclasses import replace

from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import PlatformPrompt


def explain_kept_target(
    context: MappingContext,
    reconcile_context: ReconcileContext,
    target: Target,
    platform_prompt: PlatformPrompt,
    base: BaseBranchFile | None,
) -> str | None:
    """Explain why the file of a left-out prompt stays: a change of the mapping's settings left
    it out, or so many prompts are gone at once that it may be a mistake. None for all other
    prompts."""
    if platform_prompt.prompt is not None or reconcile_context.prune:
        return None
    if target in reconcile_context.held:
        return reconcile_context.held[target]
    if platform_prompt.left_out_by is None or target in reconcile_context.followed:
        return None
    fits = (
        base is not None
        and base.label in context.mapping.track
        and is_followed_by_mapping(context, base.prompt)
    )
    return None if fits else platform_prompt.absence_reason


def is_followed_by_mapping(context: MappingContext, file: Prompt | None) -> bool:
    """Whether the mapping would follow the prompt of a file, so that it was PromptLayer where
    something changed. Files name no folder."""
    selection = context.mapping.selection
    if file is None or selection.folder is not None:
        return False
    return selection.matches(file.name, file.tags, None)


def exclude_unfollowed(
    context: MappingContext, reconcile_context: ReconcileContext, platform_prompt: PlatformPrompt
) -> PlatformPrompt:
    """Give the reason of absence where the prompt was changed, not the mapping."""
    if platform_prompt.left_out_by is None or reconcile_context.prune:
        return platform_prompt
    words = f"it no longer matches mapping {context.mapping.name} ({platform_prompt.left_out_by})"
    return replace(platform_prompt, absence_reason=words)
