"""Build the edit that brings a target's file in step with PromptLayer."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import RequestRefusedError
from bridge.prompts.agreement import Agreement
from bridge.prompts.file_format.prompt_file import render_prompt_file
from bridge.prompts.file_format.source_text import format_of
from bridge.prompts.modeline import move_modeline
from bridge.prompts.planning.drift import BaseBranchFile, DriftComparison, DriftStatus
from bridge.prompts.planning.plan import FileEdit
from bridge.prompts.planning.three_way_merge import MergeResult
from bridge.prompts.prompt import PromptFile
from bridge.prompts.pull_request.metadata import PendingApproval
from bridge.prompts.pull_request.proposal_summary import PromptChange
from bridge.prompts.snippets import find_snippet_references
from bridge.prompts.target import Target
from bridge.reconcile.ancestry import CommonAncestor
from bridge.reconcile.file_placement import place_file
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.overtaken_versions import find_overtaken
from bridge.reconcile.read_sources import (
    BaseFiles,
    PlatformPrompt,
    PlatformReader,
    find_snippet_user_names,
)
from bridge.reconcile.secret_guard import require_no_secrets


@dataclass(frozen=True)
class TargetSides:
    """Both sides of a target as they were read, and their last agreement."""

    target: Target
    platform_prompt: PlatformPrompt  # what PromptLayer has
    base: BaseBranchFile | None  # what the base branch has
    pending_approval: PendingApproval | None = None  # a label change that waits for approval
    ancestor: CommonAncestor | None = None

    @property
    def agreed(self) -> Agreement | None:
        """What both sides agreed on last."""
        return self.ancestor.agreement if self.ancestor else None


@dataclass(frozen=True)
class TargetDifference:
    """How the two sides of a target differ."""

    comparison: DriftComparison
    adopted: bool = False  # PromptLayer's text is taken because a person chose it
    merged: MergeResult | None = None  # of both texts, where both moved
    is_publishable: bool = False  # the file's text can go to PromptLayer as it is


def build_edit(
    context: MappingContext,
    base_files: BaseFiles,
    platform: PlatformReader,
    sides: TargetSides,
    difference: TargetDifference,
    *,
    with_users: bool = False,
) -> FileEdit:
    """The edit for a target that differs; ``with_users`` asks PromptLayer which prompts use it.

    Raises RequestRefusedError where the file's place is taken, or where a file that cannot be read
    would be removed; UnsafePathError where the prompt's name makes no path.
    """
    target, base, merged = sides.target, sides.base, difference.merged
    held, comparison = sides.platform_prompt.prompt, difference.comparison
    if held is None:
        return _removal(target, sides.platform_prompt, base, comparison)
    prompt = merged.prompt if merged else held
    require_no_secrets(context.mapping, prompt, f"Prompt {target.prompt_id}")
    path = place_file(base_files, target, prompt, base)
    text = _render(context, PromptFile(prompt, target.label), path, base).encode()
    change = PromptChange(
        path=path,
        old_path=base.path if base and base.path != path else None,
        label=target.label,
        before=base.prompt if base else None,
        after=prompt,
        link=context.build_version_link(held),
        uses=tuple(str(reference) for reference in find_snippet_references(prompt.template)),
        used_by=find_snippet_user_names(context, held) if with_users else (),
        is_overwriting=comparison.status is DriftStatus.BOTH_MOVED and merged is None,
        is_merge=merged is not None,
        conflicts=merged.conflicts if merged else (),
        restores=comparison.restores,
        label_in_file=base.label if base and base.label != target.label else None,
        overtaken=find_overtaken(base_files, platform, target, held, sides.agreed),
    )
    return FileEdit(change, text, base.text if base else None, held.digest)


def _render(
    context: MappingContext, file: PromptFile, path: str, base: BaseBranchFile | None
) -> str:
    """The text that goes to ``path``: with what an engineer gave the file there is now."""
    if base is None or format_of(base.path) != format_of(path):
        return render_prompt_file(file, format_of(path), modeline=context.build_modeline(path))
    existing = base.text.decode("utf-8", "replace")
    existing = move_modeline(existing, context.mapping.schema_url, base.path, path)
    return render_prompt_file(file, format_of(path), existing)


def _removal(
    target: Target,
    platform_prompt: PlatformPrompt,
    base: BaseBranchFile | None,
    comparison: DriftComparison,
) -> FileEdit:
    if base is None or base.prompt is None:
        problem = base.problem if base else "it is not there"
        path = base.path if base else "its file"
        raise RequestRefusedError(
            f"Prompt {target.prompt_id} is gone from PromptLayer and {path} cannot be read"
            f" ({problem}). Remove the file by hand if it is not needed."
        )
    both = comparison.status is DriftStatus.BOTH_MOVED
    change = PromptChange(
        base.path,
        None,
        target.label,
        base.prompt,
        None,
        reason=platform_prompt.absence_reason,
        is_overwriting=both,
    )
    return FileEdit(change, None, base.text)
