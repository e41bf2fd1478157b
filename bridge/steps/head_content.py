"""What the newest commit of a proposal's branch holds, whoever wrote it: what merging it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.errors import Stale
from bridge.prompts.markdown import code_span, listed, plain
from bridge.prompts.plan import Edit, target_of
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.branch import Tip, blob_name, contents
from bridge.steps.branch_merge import BranchMerge
from bridge.steps.observe import base_file
from bridge.steps.site import Site

_MOST_LISTED = 10  # paths in a sentence


@dataclass(frozen=True)
class HeadContent:
    """The edits as a commit has them."""

    edits: tuple[Edit, ...]
    edited: bool = False  # a prompt says something else there than PromptLayer does
    remarks: tuple[str, ...] = ()  # sentences, in Markdown of ours


def read_head(
    site: Site, snapshot: Snapshot, commit: str, edits: tuple[Edit, ...], merged: BranchMerge | None
) -> HeadContent:
    """What ``commit``, the branch's newest, holds of these edits, and what else it changes.
    ``merged`` is what became of a branch with commits of others; any other one holds the edits
    and nothing else, and is not read."""
    if merged is None:
        return HeadContent(edits)
    edits = tuple(_as_placed(site, edit, merged) for edit in edits)
    tip, entries = merged.files.tip, snapshot.entries(commit, site.folder)
    texts = _differing_texts(snapshot, entries, edits)
    found = [_as_at_head(site, edit, texts) for edit in edits]
    remarks = [remark for _, remark in found if remark]
    others = _other_paths(site, snapshot, tip, commit, edits)
    if others:
        remarks.append(_tell_others(site, others))
    now = tuple(edit for edit, _ in found)
    edited = any(_meaning(new) != _meaning(old) for new, old in zip(now, edits, strict=True))
    return HeadContent(now, edited, tuple(remarks))


def _as_placed(site: Site, edit: Edit, merged: BranchMerge) -> Edit:
    """The edit where its file is on the branch: people may have moved it."""
    change = edit.change
    path, _ = merged.left.get(target_of(site.mapping.name, edit), (change.path, b""))
    if path == change.path:
        return edit
    old_path = change.old_path or (change.path if change.before else None)
    return replace(edit, change=replace(change, path=path, old_path=old_path))


def _differing_texts(
    snapshot: Snapshot, entries: Mapping[str, Entry], edits: Sequence[Edit]
) -> dict[str, bytes | None]:
    """Path → what the head has there, of those where it is not what PromptLayer has."""
    at_head = {edit.change.path: entries.get(edit.change.path) for edit in edits}
    differing = {
        edit.change.path: entry
        for edit in edits
        if (entry.object_name if (entry := at_head[edit.change.path]) else None)
        != blob_name(edit.text, snapshot.commit)
    }
    blobs = snapshot.read({entry.object_name for entry in differing.values() if entry})
    return {path: blobs[entry.object_name] if entry else None for path, entry in differing.items()}


def _as_at_head(
    site: Site, edit: Edit, texts: Mapping[str, bytes | None]
) -> tuple[Edit, str | None]:
    """The edit as the head has it, and what is to be said of it besides."""
    change, path = edit.change, edit.change.path
    if path not in texts:
        return edit, None
    text = texts[path]
    if text is None:
        words = f"{code_span(path)} is not on this branch any more."
        if change.before is None:  # neither here nor on the base: nothing happens to it
            return edit, words
        return replace(edit, change=replace(change, after=None), text=None), words
    file = base_file(path, text, site)
    if file.prompt is None:
        problem = plain(file.problem or "it holds no prompt")
        return edit, f"{code_span(path)} on this branch cannot be read: {problem}"
    return replace(edit, change=replace(change, after=file.prompt), text=text), None


def _meaning(edit: Edit) -> tuple[str, str] | None:
    after = edit.change.after
    return (after.digest, after.name) if after else None


def _other_paths(
    site: Site, snapshot: Snapshot, tip: Tip, commit: str, edits: tuple[Edit, ...]
) -> list[str]:
    """What the branch changes in the mapping's folder besides the edits."""
    if tip.onto is None:
        return []
    try:
        changed = snapshot.changes(tip.onto, commit, site.folder)
    except Stale:  # the base was rewritten and the server forgot what the branch stood on
        return []
    return sorted(changed.keys() - contents(edits).keys())


def _tell_others(site: Site, paths: Sequence[str]) -> str:
    names = listed([code_span(path) for path in paths[:_MOST_LISTED]], len(paths), "more")
    more = ", and publishes what they change in prompts" if site.mapping.publish else ""
    return f"Commits of others on this branch also change {names}: merging brings that too{more}."
