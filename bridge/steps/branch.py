"""The proposal's branch: what the bridge wrote there, what people did, and the next commit.

A branch is the base plus one commit of the bridge, made afresh when the content changes or the
base changes one of its files. Whose a commit is, is told by what is in it: the bridge's are those
it committed, and those that a forge's rebase button copied with message and content as they were.
Everything else is a person's: such a branch is theirs too, and the bridge adds on top, with what
people did kept (``bridge.steps.branch_merge``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.config.mapping import BehindBase, Group
from bridge.errors import BridgeError, Stale
from bridge.prompts.memory import Memory
from bridge.prompts.plan import Edit
from bridge.prompts.text import mapping_of
from bridge.repo.commit import Commit, CommitDraft, Identity
from bridge.repo.snapshot import Entry, FileChange, Snapshot
from bridge.steps.site import Site

FOLLOW_UP = "PromptLayer-Follow-Up: on the commits of others"
_REACH = 50  # commits that are walked back to find the bridge's last one, or the base's


@dataclass(frozen=True)
class Tip:
    """The newest commit of a proposal's branch."""

    commit: Commit
    people: bool  # somebody else's commits are on the branch
    written: Commit | None  # the bridge's newest commit, on the branch or rewritten by people
    onto: str | None  # the commit of the base that the branch stands on; None: not found
    told: Commit | None = None  # the newest commit that says what it proposes
    line: tuple[Commit, ...] = ()  # all that the branch adds to its base, newest first
    others: tuple[Commit, ...] = ()  # people's, of these


def tip_of(
    site: Site,
    snapshot: Snapshot,
    branch: str,
    known: Mapping[str, Commit] | None = None,
    memory: Memory | None = None,
) -> Tip | None:
    """``known`` are commits that were read already, by their names; ``memory`` is what the
    branch's pull request remembers."""
    name = snapshot.branches.get(branch)
    if name is None:
        return None
    commit = known[name] if known and name in known else snapshot.commit_of(name)
    if _is_ours(site, commit) and FOLLOW_UP not in commit.message:
        return Tip(commit, False, commit, _parent(commit), commit, (commit,))
    wrote = _find_commit(snapshot, memory.wrote if memory else None)
    line, onto = _read_line(site, snapshot, name, wrote)
    if (formatted := _without_ignored(site, line)) is not None:
        return Tip(commit, False, formatted, _parent(formatted), formatted, line)
    ours = {each.object_name for each in line if _is_ours(site, each)}
    if line and wrote and _is_copy(snapshot, line[-1], wrote):
        ours.add(line[-1].object_name)
    others = tuple(each for each in line if each.object_name not in ours)
    written = next((each for each in line if each.object_name in ours), wrote)
    told = next((each for each in line if _is_told(site, each)), None)
    people = bool(others) or commit.object_name not in ours or FOLLOW_UP in commit.message
    return Tip(commit, people, written, onto, told, line, others)


def _is_ours(site: Site, commit: Commit) -> bool:
    return commit.committer.email == site.bot.identity.email


def _without_ignored(site: Site, line: tuple[Commit, ...]) -> Commit | None:
    """The bridge's commit that a branch consists of, where all on top of it are by those whom
    ``ignore_authors`` names; else None."""
    rest = [each for each in line if not _is_ignored(site, each)]
    if len(rest) != 1 or line[-1] is not rest[0]:
        return None
    return rest[0] if _is_ours(site, rest[0]) and FOLLOW_UP not in rest[0].message else None


def _is_ignored(site: Site, commit: Commit) -> bool:
    """Whether its author is ignored: by name, e-mail address, or the login that GitHub and GitLab
    put into the addresses they give out (``1234+login@users.noreply…``)."""
    email = commit.author.email
    login = re.sub(r"^\d+[+-]", "", email.partition("@")[0]) if "noreply" in email else ""
    return site.mapping.ignores_author(commit.author.name, email, *filter(None, [login]))


def _is_told(site: Site, commit: Commit) -> bool:
    """Whether it says what the bridge proposes: rewritten by people, it may hold anything."""
    return _is_ours(site, commit) or mapping_of(commit.message) == site.mapping.name


def _begins(site: Site, commit: Commit) -> bool:
    return _is_told(site, commit) and FOLLOW_UP not in commit.message


def _parent(commit: Commit) -> str | None:
    return commit.parents[0] if commit.parents else None


def _find_commit(snapshot: Snapshot, name: str | None) -> Commit | None:
    """None where it is not to be had: rewritten long ago, on a server that gives only what a
    branch has."""
    try:
        return snapshot.commit_of(name) if name else None
    except BridgeError:
        return None


def _read_line(
    site: Site, snapshot: Snapshot, name: str, wrote: Commit | None
) -> tuple[tuple[Commit, ...], str | None]:
    """The commits that a branch adds to its base along first parents, newest first, and the
    commit that they stand on, where it is found."""
    own = wrote if wrote and FOLLOW_UP not in wrote.message else None
    stands_on = _parent(own) if own else None

    def ends(commit: Commit) -> bool:
        return commit.object_name == stands_on or _begins(site, commit)

    line = snapshot.history(name, ends, limit=_REACH)
    if line[-1].object_name == stands_on:
        return line[:-1], stands_on
    if own and line[-1].object_name == own.object_name:
        return line, stands_on
    # The base's history holds commits of the bridge as well: those of proposals that were merged.
    base = snapshot.history(snapshot.commit, lambda _: False, limit=_REACH)
    names = {commit.object_name for commit in base}
    for index, commit in enumerate(line):
        if commit.object_name in names:
            return line[:index], commit.object_name
    return line, _parent(line[-1]) if _begins(site, line[-1]) else None


def _is_copy(snapshot: Snapshot, commit: Commit, wrote: Commit) -> bool:
    """Whether a commit says and does what the bridge's did, on another base: a forge's rebase
    button makes somebody else the committer and changes nothing else."""
    if commit.message != wrote.message or not commit.parents or not wrote.parents:
        return False
    return _left(snapshot, commit) == _left(snapshot, wrote)


def _left(snapshot: Snapshot, commit: Commit) -> dict[str, Entry | None] | None:
    """Path → what a commit leaves there, of all that it changes; None where nobody can tell."""
    try:
        changes = snapshot.changes(commit.parents[0], commit.object_name)
    except Stale:
        return None
    return {path: after for path, (_, after) in changes.items()}


def carried(site: Site, snapshot: Snapshot, tip: Tip) -> dict[str, FileChange]:
    """The files that a proposal changed: path → what it found there, and what it left. Those of
    people count on a rolling branch only: any other is about the prompts that are looked at, and
    nothing else."""
    if tip.onto is None or (tip.people and site.mapping.pull_request.group is Group.PROMPT):
        return {}
    try:
        holds = tip.commit if tip.people or tip.written is None else tip.written
        # Files may come from what was the mapping's folder before.
        folder = site.folder if tip.people else ""
        return snapshot.changes(tip.onto, holds.object_name, folder)
    except Stale:  # the base was rewritten and the server forgot what the branch stood on
        return {}


def is_current(
    site: Site,
    snapshot: Snapshot,
    tip: Tip | None,
    changes: Mapping[str, FileChange],
    now: Mapping[str, Entry],
    edits: tuple[Edit, ...],
) -> bool:
    """Whether the branch is the base plus exactly these edits already. ``changes`` is what it
    changed, ``now`` the base's files: a base that moved on does not matter as long as it left the
    branch's files alone, unless the mapping wants its branches up to date."""
    if tip is None or tip.onto is None:
        return False
    if tip.onto != snapshot.commit:
        if site.mapping.pull_request.behind is BehindBase.UPDATE:
            return False
        if any(before != now.get(path) for path, (before, _) in changes.items()):
            return False
    wanted = contents(edits)
    return changes.keys() == wanted.keys() and all(
        (after.object_name if after else None) == blob_name(wanted[path], snapshot.commit)
        for path, (_, after) in changes.items()
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


def write_commit(
    site: Site,
    snapshot: Snapshot,
    parent: str,
    changes: Mapping[str, bytes | None],
    message: Message,
) -> str:
    """Write a commit of the bridge and return its object name."""
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
