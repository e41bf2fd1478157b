"""What a mapping leaves out: kept as it is, unless somebody in PromptLayer took it out."""

from __future__ import annotations

from dataclasses import replace

from bridge.prompts.compare import BaseFile
from bridge.prompts.occasion import Occasion
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.steps.observe import Held
from bridge.steps.site import Site


def why_kept(
    site: Site, occasion: Occasion, target: Target, held: Held, base: BaseFile | None
) -> str | None:
    """Why a prompt that is left out stays as it is: nobody in PromptLayer took it out, the
    mapping's settings did, or so many are gone at once that nobody may have meant it. None for
    all others."""
    if held.prompt is not None or occasion.prune:
        return None
    if target in occasion.held:
        return occasion.held[target]
    if held.left_out_by is None or target in occasion.followed:
        return None
    fits = base is not None and base.label in site.mapping.track and would_follow(site, base.prompt)
    return None if fits else held.absent


def would_follow(site: Site, file: Prompt | None) -> bool:
    """Whether the mapping as it is now would follow what a file says, so that it was PromptLayer
    where something changed. No file tells a folder."""
    selection = site.mapping.selection
    if file is None or selection.folder is not None:
        return False
    return selection.holds(file.name, file.tags, None)


def taken_out(site: Site, occasion: Occasion, held: Held) -> Held:
    """With the true reason where the prompt was changed, and not the mapping."""
    if held.left_out_by is None or occasion.prune:
        return held
    words = f"it no longer matches mapping {site.mapping.name} ({held.left_out_by})"
    return replace(held, absent=words)
