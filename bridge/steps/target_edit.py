"""Build the edit that brings a target's file in step with PromptLayer."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import Refused
from bridge.prompts.agreement import Agreement
from bridge.prompts.compare import BaseFile, Comparison, Standing
from bridge.prompts.file import render
from bridge.prompts.memory import PendingRequest
from bridge.prompts.merge import Merged
from bridge.prompts.modeline import move_modeline
from bridge.prompts.plan import Edit
from bridge.prompts.prompt import PromptFile
from bridge.prompts.snippets import references
from bridge.prompts.source import format_of
from bridge.prompts.story import Change
from bridge.prompts.target import Target
from bridge.steps.ancestry import Ancestor
from bridge.steps.file_placement import place_file
from bridge.steps.guard import guard
from bridge.steps.observe import BaseFiles, Held, snippet_user_names
from bridge.steps.overtaken import find_overtaken
from bridge.steps.site import Site


@dataclass(frozen=True)
class TargetSides:
    """Both sides of a target as they were read, and what they last had in common."""

    target: Target
    held: Held  # what PromptLayer has
    base: BaseFile | None  # what the base branch has
    pending: PendingRequest | None = None  # a label change that waits for approval
    ancestor: Ancestor | None = None

    @property
    def agreed(self) -> Agreement | None:
        """What both sides agreed on last."""
        return self.ancestor.agreement if self.ancestor else None


@dataclass(frozen=True)
class TargetDifference:
    """How the two sides of a target differ."""

    comparison: Comparison
    adopted: bool = False  # PromptLayer's text is taken because a person chose it
    merged: Merged | None = None  # of both texts, where both moved
    is_publishable: bool = False  # the file's text can go to PromptLayer as it is


def build_edit(
    site: Site,
    files: BaseFiles,
    sides: TargetSides,
    difference: TargetDifference,
    *,
    with_users: bool = False,
) -> Edit:
    """The edit for a target that differs; ``with_users`` asks PromptLayer which prompts use it.

    Raises Refused where the file's place is taken, or where a file that cannot be read would be
    removed; UnsafePath where the prompt's name makes no path.
    """
    target, base, merged = sides.target, sides.base, difference.merged
    held, comparison = sides.held.prompt, difference.comparison
    if held is None:
        return _removal(target, sides.held, base, comparison)
    prompt = merged.prompt if merged else held
    guard(site.mapping, prompt, f"Prompt {target.prompt_id}")
    path = place_file(files, target, prompt, base)
    text = _render(site, PromptFile(prompt, target.label), path, base).encode()
    change = Change(
        path=path,
        old_path=base.path if base and base.path != path else None,
        label=target.label,
        before=base.prompt if base else None,
        after=prompt,
        link=site.link(held),
        uses=tuple(str(reference) for reference in references(prompt.template)),
        used_by=snippet_user_names(site, held) if with_users else (),
        overwrites=comparison.standing is Standing.BOTH_MOVED and merged is None,
        merges=merged is not None,
        conflicts=merged.conflicts if merged else (),
        restores=comparison.restores,
        overtaken=find_overtaken(files, target, held, sides.agreed),
    )
    return Edit(change, text, base.text if base else None, held.digest)


def _render(site: Site, file: PromptFile, path: str, base: BaseFile | None) -> str:
    """The text that goes to ``path``: with what an engineer gave the file there is now."""
    if base is None or format_of(base.path) != format_of(path):
        return render(file, format_of(path), modeline=site.modeline(path))
    existing = base.text.decode("utf-8", "replace")
    existing = move_modeline(existing, site.mapping.schema_url, base.path, path)
    return render(file, format_of(path), existing)


def _removal(target: Target, held: Held, base: BaseFile | None, comparison: Comparison) -> Edit:
    if base is None or base.prompt is None:
        problem = base.problem if base else "it is not there"
        path = base.path if base else "its file"
        raise Refused(
            f"Prompt {target.prompt_id} is gone from PromptLayer and {path} cannot be read"
            f" ({problem}). Remove the file by hand if it is not needed."
        )
    both = comparison.standing is Standing.BOTH_MOVED
    change = Change(
        base.path, None, target.label, base.prompt, None, reason=held.absent, overwrites=both
    )
    return Edit(change, None, base.text)
