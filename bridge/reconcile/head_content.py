"""Read the content of a proposal's newest commit, whoever wrote it: merging it brings this
content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.errors import StaleStateError
from bridge.prompts.planning.plan import FileEdit, find_target
from bridge.prompts.pull_request.markdown import escape_prose, format_code_span, join_with_others
from bridge.reconcile.branch_merge import BranchMerge
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.proposal_branch import BranchTip, compute_blob_id, merge_edit_contents
from bridge.reconcile.read_sources import parse_base_file
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry

_MOST_LISTED = 10  # paths in a sentence


@dataclass(frozen=True)
class HeadContent:
    """The edits as a commit has them."""

    edits: tuple[FileEdit, ...]
    edited: bool = False  # a prompt says something else there than PromptLayer does
    remarks: tuple[str, ...] = ()  # sentences, in Markdown of ours


def read_head(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    commit: str,
    edits: tuple[FileEdit, ...],
    merged: BranchMerge | None,
) -> HeadContent:
    """Read the edits as ``commit``, the branch's newest, has them, and the other files that it
    changes. ``merged`` is the merge of a branch with commits of people; any other branch has
    exactly the edits and is not read."""
    if merged is None:
        return HeadContent(edits)
    edits = tuple(_as_placed(context, edit, merged) for edit in edits)
    tip, entries = merged.files.tip, snapshot.list_entries(commit, context.folder)
    texts = _differing_texts(snapshot, entries, edits)
    found = [_as_at_head(edit, texts) for edit in edits]
    remarks = [remark for _, remark in found if remark]
    others = _other_paths(context, snapshot, tip, commit, edits)
    if others:
        remarks.append(_tell_others(context, others))
    now = tuple(edit for edit, _ in found)
    edited = any(_meaning(new) != _meaning(old) for new, old in zip(now, edits, strict=True))
    return HeadContent(now, edited, tuple(remarks))


def _as_placed(context: MappingContext, edit: FileEdit, merged: BranchMerge) -> FileEdit:
    """The edit where its file is on the branch: people may have moved it."""
    change = edit.change
    path, _ = merged.left.get(find_target(context.mapping.name, edit), (change.path, b""))
    if path == change.path:
        return edit
    old_path = change.old_path or (change.path if change.before else None)
    return replace(edit, change=replace(change, path=path, old_path=old_path))


def _differing_texts(
    snapshot: RepositorySnapshot, entries: Mapping[str, TreeEntry], edits: Sequence[FileEdit]
) -> dict[str, bytes | None]:
    """Path → what the head has there, of those where it is not what PromptLayer has."""
    at_head = {edit.change.path: entries.get(edit.change.path) for edit in edits}
    differing = {
        edit.change.path: entry
        for edit in edits
        if (entry.object_id if (entry := at_head[edit.change.path]) else None)
        != compute_blob_id(edit.text, snapshot.commit)
    }
    blobs = snapshot.read_blobs({entry.object_id for entry in differing.values() if entry})
    return {path: blobs[entry.object_id] if entry else None for path, entry in differing.items()}


def _as_at_head(edit: FileEdit, texts: Mapping[str, bytes | None]) -> tuple[FileEdit, str | None]:
    """Replace an edit by the content at the head; returns it with a remark for the reviewer."""
    change, path = edit.change, edit.change.path
    if path not in texts:
        return edit, None
    text = texts[path]
    if text is None:
        words = f"{format_code_span(path)} is not on this branch any more."
        if change.before is None:  # neither here nor on the base: nothing happens to it
            return edit, words
        return replace(edit, change=replace(change, after=None), text=None), words
    file = parse_base_file(path, text)
    if file.prompt is None:
        problem = escape_prose(file.problem or "it holds no prompt")
        return edit, f"{format_code_span(path)} on this branch cannot be read: {problem}"
    return replace(edit, change=replace(change, after=file.prompt), text=text), None


def _meaning(edit: FileEdit) -> tuple[str, str] | None:
    after = edit.change.after
    return (after.digest, after.name) if after else None


def _other_paths(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    tip: BranchTip,
    commit: str,
    edits: tuple[FileEdit, ...],
) -> list[str]:
    """List the paths that the branch changes in the mapping's folder besides the edits."""
    if tip.base_commit_id is None:
        return []
    try:
        changed = snapshot.find_changes(tip.base_commit_id, commit, context.folder)
    except StaleStateError:  # the base was rewritten and the server forgot what the branch stood on
        return []
    return sorted(changed.keys() - merge_edit_contents(edits).keys())


def _tell_others(context: MappingContext, paths: Sequence[str]) -> str:
    names = join_with_others(
        [format_code_span(path) for path in paths[:_MOST_LISTED]], len(paths), "more"
    )
    more = ", and publishes what they change in prompts" if context.mapping.publish else ""
    return f"Commits of others on this branch also change {names}: merging brings that too{more}."
