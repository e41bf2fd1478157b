"""Find files whose stored form is not what people see: pointers of Git LFS, filters, encodings.

The bridge reads and writes what git stores. Where an attribute makes git change a file on its way
to a checkout, what an engineer sees and what the bridge reads are two things.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bridge.prompts.file_format.source_text import LFS_POINTER, is_lfs_pointer
from bridge.prompts.paths import EXTENSIONS
from bridge.reconcile.file_owners import find_prompt_files
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot

_ATTRIBUTES = ("filter", "working-tree-encoding")


def find_filtered_files(
    context: MappingContext, snapshot: RepositorySnapshot, paths: Collection[str]
) -> list[str]:
    """What attributes of the base branch change on the way to a checkout, in words: one sentence for
    each attribute, however many of ``paths`` it is on."""
    set_for: dict[tuple[str, str], list[str]] = {}
    found = snapshot.read_attributes(snapshot.commit, sorted(paths), _ATTRIBUTES)
    for (path, name), value in found.items():
        set_for.setdefault((name, value), []).append(path)
    return [_told(context, name, value, some) for (name, value), some in set_for.items()]


def _told(context: MappingContext, name: str, value: str, paths: list[str]) -> str:
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return (
        f"{paths[0]}: .gitattributes sets {name}={value} for it{more}, so a checkout differs from"
        " what git stores, which is what the bridge reads and writes. Add a line for these files:"
        f" `{context.folder}** -{name}`."
    )


def find_unreadable_storage(
    context: MappingContext, snapshot: RepositorySnapshot, index: PromptFileIndex
) -> Iterator[str]:
    """All of this in a mapping's folder, asked without PromptLayer: of the files that are there and
    of one that could be."""
    entries = snapshot.list_entries(snapshot.commit, context.folder)
    owners = find_prompt_files(context, snapshot, index, entries, {})
    unmarked = {path: entries[path].object_id for path in owners if not owners[path].is_marked}
    texts = snapshot.read_blobs(unmarked.values())
    for path, name in sorted(unmarked.items()):
        if is_lfs_pointer(texts[name]):
            yield f"{path}:1: {LFS_POINTER}"
    suffix = next(end for end in EXTENSIONS if context.mapping.path.endswith(end))
    yield from find_filtered_files(
        context, snapshot, list(owners) or [f"{context.folder}example{suffix}"]
    )
