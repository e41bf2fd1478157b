"""Whether the snippets in PromptLayer's answer are those that are merged. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from bridge.prompts.prompt import LATEST
from bridge.prompts.snippets import SnippetReference
from bridge.serve.release import ReleaseRecord

MergedVersions = Mapping[str, Mapping[str, int]]  # a prompt's name → label → version, 0 for none


def list_merged_versions(records: Iterable[ReleaseRecord]) -> dict[str, dict[str, int]]:
    """The versions that are served of these records' prompts."""
    found: dict[str, dict[str, int]] = {}
    for record in records:
        release = record.release
        if record.is_served or release.warning:
            found.setdefault(release.name, {})[release.key.label] = release.version
    return found


def find_unmerged_snippet(
    snippets: Collection[SnippetReference],
    references: Collection[SnippetReference],
    merged: MergedVersions,
) -> str | None:
    """Why an answer with these ``snippets`` may hold something that is not merged; None where it
    holds none. ``references`` are those of the merged file: a version that it names is merged with
    it. Snippets that no mapping serves are PromptLayer's own matter."""
    named = {(each.name, each.version) for each in references if each.version is not None}
    for snippet in sorted(snippets, key=lambda each: (each.name, each.version or 0)):
        labels = merged.get(snippet.name)
        if labels is None or (snippet.name, snippet.version) in named:
            continue
        label = snippet.label or LATEST
        expected = {labels[label]} if label in labels else set(labels.values())
        if snippet.version not in expected:
            versions = " or ".join(str(each) for each in sorted(expected) if each) or "none yet"
            return (
                f"PromptLayer puts version {snippet.version} of the snippet {snippet.name} into it,"
                f" and merged is {versions}"
            )
    given = {each.name for each in snippets}
    missing = sorted({each.name for each in references} & merged.keys() - given)
    if missing:
        return f"PromptLayer does not tell which version of the snippet {missing[0]} is in it"
    return None
