"""The order in which prompts are published: snippets before the prompts that use them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from bridge.prompts.prompt import Prompt
from bridge.prompts.snippets import find_snippet_references


class SnippetCycleError(ValueError):
    """Snippets use each other in a cycle; ``names`` lists it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(" → ".join(self.names))


def build_publish_layers(prompts: Mapping[str, Prompt]) -> list[list[str]]:
    """Names in layers: everything that a prompt uses is in an earlier layer, and what is in one
    layer may be published at once. References to prompts that are not among these do not count.
    Raises SnippetCycleError."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, prompt in prompts.items():
        used = {reference.name for reference in find_snippet_references(prompt.template)}
        sorter.add(name, *sorted(used & prompts.keys()))
    try:
        sorter.prepare()
    except CycleError as error:
        raise SnippetCycleError(list(reversed(error.args[1]))) from None
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        found.append(ready)
    return found
