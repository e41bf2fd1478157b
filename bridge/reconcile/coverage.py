"""Find which of a mapping's settings take nothing in, of what the list pages have just shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from bridge.promptlayer.response_models import ListedPrompt
from bridge.prompts.coverage import Coverage, CoverageGap, PromptSummary
from bridge.prompts.prompt import LATEST
from bridge.reconcile.mapping_context import MappingContext

_ASKED = 20  # prompts whose labels are read, where a label is nowhere; lists have no labels


def build_summary(item: ListedPrompt, id: int) -> PromptSummary:
    return PromptSummary(id, item.prompt.name, item.prompt.tags, item.folder)


def find_coverage_gaps(
    context: MappingContext, listed: Mapping[str, Sequence[PromptSummary]], age: float = 0.0
) -> tuple[CoverageGap, ...]:
    """The settings of a mapping that take nothing in. ``listed`` are the prompts that carry each
    label the mapping tracks. Everything is listed once more only where labels alone are tracked
    and something takes nothing in."""
    shown = {one.id: one for some in listed.values() for one in some}
    everything = list(shown.values())
    gaps = _coverage(context, listed, everything).find_gaps()
    if LATEST in listed or (shown and not gaps):
        return gaps
    every = context.promptlayer.list_prompts(age=age)
    everything = [build_summary(item, id) for item in every if (id := item.prompt.id) is not None]
    return _coverage(context, listed, everything).find_gaps()


def check_coverage(context: MappingContext) -> tuple[CoverageGap, ...]:
    """The settings of a mapping that take nothing in; lists what it tracks for that."""
    listed = {
        label: [
            build_summary(item, id)
            for item in context.promptlayer.list_prompts(label=None if label == LATEST else label)
            if (id := item.prompt.id) is not None
        ]
        for label in context.mapping.track
    }
    return find_coverage_gaps(context, listed)


def _coverage(
    context: MappingContext,
    listed: Mapping[str, Sequence[PromptSummary]],
    everything: Sequence[PromptSummary],
) -> Coverage:
    selection = context.mapping.selection

    def labels() -> set[str]:
        meant = (each for each in everything if selection.may_match_name(each.name))
        some = {one.id for one in islice(meant, _ASKED)} or {one.id for one in everything[:_ASKED]}
        return {label for id in sorted(some) for label in context.promptlayer.read_labels(id)}

    return Coverage(context.mapping.name, selection, listed, everything, labels)
