"""The proposal's branch: what the bridge wrote there, what people did, and the next commit.

A branch is the base plus one commit of the bridge, made afresh when the base moves or the content
changes. A branch with somebody else's commits is theirs too: the bridge adds on top, merging each
file three ways, and leaves it alone where that conflicts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.config.mapping import Group
from bridge.errors import BridgeError, Stale
from bridge.prompts.file import render
from bridge.prompts.plan import Edit
from bridge.prompts.prompt import PromptFile
from bridge.prompts.source import format_of
from bridge.prompts.text import mapping_of, trailers
from bridge.repo.commit import Commit, CommitDraft, Identity
from bridge.repo.snapshot import Entry, FileChange, Snapshot
from bridge.steps.observe import base_file
from bridge.steps.site import Site

FOLLOW_UP = "PromptLayer-Follow-Up: on the commits of others"
_REACH = 50  # commits of people that are walked back to find the bridge's last one


class BranchConflict(BridgeError):  # noqa: N818 - a finding, told to the reviewer
    """People changed the same lines on the branch as PromptLayer did."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(f"{', '.join(self.paths)} changed on the branch and in PromptLayer")


@dataclass(frozen=True)
class Tip:
    """The newest commit of a proposal's branch."""

    commit: Commit
    people: bool  # somebody else's commits are on the branch
    written: Commit | None  # the bridge's newest commit on it
    first: Commit | None  # the bridge's commit that is no follow-up

    @property
    def onto(self) -> str | None:
        """What the bridge's first commit stands on; None where it was not found."""
        return self.first.parents[0] if self.first and self.first.parents else None


def tip_of(
    site: Site, snapshot: Snapshot, branch: str, known: Mapping[str, Commit] | None = None
) -> Tip | None:
    """``known`` are commits that were read already, by their names."""
    name = snapshot.branches.get(branch)
    if name is None:
        return None
    commit = known[name] if known and name in known else snapshot.commit_of(name)
    if _ours(site, commit) and FOLLOW_UP not in commit.message:
        return Tip(commit, False, commit, commit)
    walked = snapshot.history(name, lambda found: _begins(site, found), limit=_REACH)
    written = next((found for found in walked if _written_by(site, found)), None)
    first = walked[-1] if _begins(site, walked[-1]) else None
    return Tip(commit, True, written, first)


def _ours(site: Site, commit: Commit) -> bool:
    return commit.committer.email == site.bot.identity.email


def _written_by(site: Site, commit: Commit) -> bool:
    """A rebase makes somebody else the committer and leaves the message."""
    return _ours(site, commit) or mapping_of(commit.message) == site.mapping.name


def _begins(site: Site, commit: Commit) -> bool:
    return _written_by(site, commit) and FOLLOW_UP not in commit.message


def carried(site: Site, snapshot: Snapshot, tip: Tip) -> dict[str, FileChange]:
    """The files that a proposal changed: path → what it found there, and what it left. Those of
    people count on a rolling branch only: any other is about the prompts that are looked at, and
    nothing else."""
    if tip.onto is None or (tip.people and site.mapping.pull_request.group is Group.PROMPT):
        return {}
    try:
        return snapshot.changes(tip.onto, tip.commit.object_name, site.folder)
    except Stale:  # the base was rewritten and the server forgot what the branch stood on
        return {}


def is_current(
    snapshot: Snapshot, tip: Tip | None, left: Mapping[str, Entry | None], edits: tuple[Edit, ...]
) -> bool:
    """Whether the branch is exactly base + these edits already."""
    if tip is None or tip.onto != snapshot.commit:
        return False
    wanted = contents(edits)
    return left.keys() == wanted.keys() and all(
        (entry.object_name if entry else None) == blob_name(wanted[path], snapshot.commit)
        for path, entry in left.items()
    )


def contents(edits: tuple[Edit, ...]) -> dict[str, bytes | None]:
    """Path → text of all edits; a path that one edit leaves and another takes is taken."""
    every: dict[str, bytes | None] = {}
    for edit in edits:
        for path, text in edit.contents.items():
            if text is not None or every.get(path) is None:
                every[path] = text
    return every


def blob_name(text: bytes | None, like: str) -> str | None:
    """The name git gives a file's content, in the hash that the name ``like`` is in."""
    if text is None:
        return None
    digest = hashlib.sha256() if len(like) == 64 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(text) + text)
    return digest.hexdigest()


@dataclass(frozen=True)
class Message:
    """What a commit says, and who and when."""

    text: str
    author: Identity
    date: datetime


def write_on(
    site: Site, snapshot: Snapshot, parent: str, edits: tuple[Edit, ...], message: Message
) -> str:
    """Write the branch's only commit on top of ``parent``; its name."""
    return _write(site, snapshot, parent, contents(edits), message)


def next_commit(
    site: Site, snapshot: Snapshot, tip: Tip | None, edits: tuple[Edit, ...], message: Message
) -> str | None:
    """Write the branch's next commit and return its name; None when people's commits hold all of
    it already. Raises BranchConflict."""
    if tip is None or not tip.people:
        return write_on(site, snapshot, snapshot.commit, edits, message)
    changes = _merged(site, snapshot, tip, edits)
    if not changes:
        return None
    follow_up = Message(f"{message.text.rstrip()}\n{FOLLOW_UP}\n", message.author, message.date)
    return _write(site, snapshot, tip.commit.object_name, changes, follow_up)


def _write(
    site: Site,
    snapshot: Snapshot,
    parent: str,
    changes: Mapping[str, bytes | None],
    message: Message,
) -> str:
    return snapshot.write(
        CommitDraft(
            parent=parent,
            changes=changes,
            message=message.text,
            author=message.author,
            committer=site.bot.identity,
            date=message.date,
            signing=site.bot.signing,
        )
    )


def _merged(
    site: Site, snapshot: Snapshot, tip: Tip, edits: tuple[Edit, ...]
) -> dict[str, bytes | None]:
    """What has to change on people's branch so that it holds their edits and ours."""
    wanted = _unlike(site, snapshot, tip, contents(edits))
    before = _before(site, snapshot, tip, edits, wanted)
    changes: dict[str, bytes | None] = {}
    conflicts: list[str] = []
    for path, ours in wanted.items():
        theirs = snapshot.file(tip.commit.object_name, path)
        if ours == before[path]:
            continue  # PromptLayer has nothing new
        if before[path] == theirs:
            changes[path] = ours
        elif (merged := _merged_text(snapshot, before[path], ours, theirs)) is None:
            conflicts.append(path)
        else:
            changes[path] = merged
    if conflicts:
        raise BranchConflict(conflicts)
    return changes


def _unlike(
    site: Site, snapshot: Snapshot, tip: Tip, wanted: Mapping[str, bytes | None]
) -> dict[str, bytes | None]:
    """What the branch does not hold yet, told without reading a file."""
    there = snapshot.entries(tip.commit.object_name, site.folder)
    return {
        path: text
        for path, text in wanted.items()
        if blob_name(text, snapshot.commit) != (there[path].object_name if path in there else None)
    }


def _merged_text(
    snapshot: Snapshot, before: bytes | None, ours: bytes | None, theirs: bytes | None
) -> bytes | None:
    """None where they conflict: a file that one side removed and the other changed, too."""
    if ours is None or theirs is None:
        return None
    return snapshot.merge(before or b"", ours, theirs)


def _before(
    site: Site,
    snapshot: Snapshot,
    tip: Tip,
    edits: tuple[Edit, ...],
    paths: Collection[str],
) -> dict[str, bytes | None]:
    """Path → what PromptLayer had when the bridge last wrote to the branch."""
    written = tip.written
    at = written.object_name if written else snapshot.commit
    before = {path: snapshot.file(at, path) for path in paths}
    if written is not None and FOLLOW_UP in written.message:
        for edit in edits:
            text = before.get(edit.change.path)
            if text is not None:
                before[edit.change.path] = _unmerged(site, written, edit, text)
    return before


def _unmerged(site: Site, written: Commit, edit: Edit, text: bytes) -> bytes:
    """A file as the bridge would have written it without the edits of others that it merged; the
    text itself where PromptLayer cannot tell any more."""
    change = edit.change
    version = next(
        (
            found.version
            for found in trailers(written.message)
            if (found.prompt_id, found.label) == (change.prompt.id, change.label)
        ),
        None,
    )
    merged = base_file(change.path, text, site).prompt
    if version is None or merged is None or change.prompt.id is None:
        return text
    then = site.platform.prompt(change.prompt.id, version=version)
    if then is None:
        return text
    then = replace(then, name=merged.name, tags=merged.tags)  # these have no versions
    existing = edit.was.decode("utf-8", "replace") if edit.was else None
    return render(PromptFile(then, change.label), format_of(change.path), existing).encode()
