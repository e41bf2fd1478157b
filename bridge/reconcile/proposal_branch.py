"""Read a proposal's branch: the commits of the bridge, the commits of people, and the base under
them.

A branch is the base plus one commit of the bridge, made anew when the content changes or the base
changes one of its files. A commit is the bridge's when the bridge committed it, or when a forge's
rebase button copied it with the same message and content. All others are people's: to a branch with
such commits the bridge only adds (``bridge.reconcile.branch_merge``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.config.mapping_settings import BehindBase, PullRequestGrouping
from bridge.errors import BridgeError, StaleStateError
from bridge.prompts.planning.plan import FileEdit
from bridge.prompts.pull_request.commit_message import parse_mapping_name
from bridge.prompts.pull_request.metadata import PullRequestMetadata
from bridge.reconcile.mapping_context import MappingContext
from bridge.repo.commit import CommitDraft, GitCommit, GitIdentity
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry, TreeEntryChange

FOLLOW_UP_TRAILER = "PromptLayer-Follow-Up: on the commits of others"
_REACH = 50  # commits that are walked back to find the bridge's last one, or the base's


@dataclass(frozen=True)
class BranchTip:
    """The newest commit of a proposal's branch."""

    commit: GitCommit
    has_commits_of_people: bool  # somebody else's commits are on the branch
    newest_bridge_commit: (
        GitCommit | None
    )  # the bridge's newest commit, on the branch or rewritten by people
    base_commit_id: str | None  # the commit of the base that the branch stands on; None: not found
    trailer_commit: GitCommit | None = None  # the newest commit with the bridge's trailers
    line: tuple[GitCommit, ...] = ()  # all that the branch adds to its base, newest first
    others: tuple[GitCommit, ...] = ()  # people's, of these


def read_branch_tip(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    branch: str,
    known: Mapping[str, GitCommit] | None = None,
    metadata: PullRequestMetadata | None = None,
) -> BranchTip | None:
    """Read the newest commit of a branch; None where the branch does not exist. ``known`` are
    commits that were read already, by their names; ``metadata`` is that of the branch's pull
    request."""
    name = snapshot.branches.get(branch)
    if name is None:
        return None
    commit = known[name] if known and name in known else snapshot.read_commit(name)
    if _is_ours(context, commit) and FOLLOW_UP_TRAILER not in commit.message:
        return BranchTip(commit, False, commit, _parent(commit), commit, (commit,))
    wrote = _find_commit(snapshot, metadata.wrote if metadata else None)
    line, onto = _read_line(context, snapshot, name, wrote)
    if (formatted := _without_ignored(context, line)) is not None:
        return BranchTip(commit, False, formatted, _parent(formatted), formatted, line)
    ours = {each.object_id for each in line if _is_ours(context, each)}
    if line and wrote and _is_copy(snapshot, line[-1], wrote):
        ours.add(line[-1].object_id)
    others = tuple(each for each in line if each.object_id not in ours)
    written = next((each for each in line if each.object_id in ours), wrote)
    trailer_commit = next((each for each in line if _has_trailers(context, each)), None)
    people = bool(others) or commit.object_id not in ours or FOLLOW_UP_TRAILER in commit.message
    return BranchTip(commit, people, written, onto, trailer_commit, line, others)


def _is_ours(context: MappingContext, commit: GitCommit) -> bool:
    return commit.committer.email == context.bot.identity.email


def _without_ignored(context: MappingContext, line: tuple[GitCommit, ...]) -> GitCommit | None:
    """The bridge's commit that a branch consists of, where all on top of it are by those whom
    ``ignore_authors`` names; else None."""
    rest = [each for each in line if not _is_ignored(context, each)]
    if len(rest) != 1 or line[-1] is not rest[0]:
        return None
    return (
        rest[0] if _is_ours(context, rest[0]) and FOLLOW_UP_TRAILER not in rest[0].message else None
    )


def _is_ignored(context: MappingContext, commit: GitCommit) -> bool:
    """Whether its author is ignored: by name, e-mail address, or the login that GitHub and GitLab
    put into the addresses they give out (``1234+login@users.noreply…``)."""
    email = commit.author.email
    login = re.sub(r"^\d+[+-]", "", email.partition("@")[0]) if "noreply" in email else ""
    return context.mapping.is_ignored_author(commit.author.name, email, *filter(None, [login]))


def _has_trailers(context: MappingContext, commit: GitCommit) -> bool:
    """Whether its message has the bridge's trailers: a commit that people rewrote may hold
    anything."""
    return _is_ours(context, commit) or parse_mapping_name(commit.message) == context.mapping.name


def _begins(context: MappingContext, commit: GitCommit) -> bool:
    return _has_trailers(context, commit) and FOLLOW_UP_TRAILER not in commit.message


def _parent(commit: GitCommit) -> str | None:
    return commit.parents[0] if commit.parents else None


def _find_commit(snapshot: RepositorySnapshot, name: str | None) -> GitCommit | None:
    """Read a commit; None where the server does not give it: it was rewritten long ago, and the
    server gives only what a branch has."""
    try:
        return snapshot.read_commit(name) if name else None
    except BridgeError:
        return None


def _read_line(
    context: MappingContext, snapshot: RepositorySnapshot, name: str, wrote: GitCommit | None
) -> tuple[tuple[GitCommit, ...], str | None]:
    """The commits that a branch adds to its base along first parents, newest first, and the
    commit that they stand on, where it is found."""
    own = wrote if wrote and FOLLOW_UP_TRAILER not in wrote.message else None
    stands_on = _parent(own) if own else None

    def ends(commit: GitCommit) -> bool:
        return commit.object_id == stands_on or _begins(context, commit)

    line = snapshot.read_history(name, ends, limit=_REACH)
    if line[-1].object_id == stands_on:
        return line[:-1], stands_on
    if own and line[-1].object_id == own.object_id:
        return line, stands_on
    # The base's history holds commits of the bridge as well: those of proposals that were merged.
    base = snapshot.read_history(snapshot.commit, lambda _: False, limit=_REACH)
    names = {commit.object_id for commit in base}
    for index, commit in enumerate(line):
        if commit.object_id in names:
            return line[:index], commit.object_id
    return line, _parent(line[-1]) if _begins(context, line[-1]) else None


def _is_copy(snapshot: RepositorySnapshot, commit: GitCommit, wrote: GitCommit) -> bool:
    """Whether a commit is a copy of the bridge's on another base: a forge's rebase button
    changes the committer and nothing else."""
    if commit.message != wrote.message or not commit.parents or not wrote.parents:
        return False
    return _left(snapshot, commit) == _left(snapshot, wrote)


def _left(snapshot: RepositorySnapshot, commit: GitCommit) -> dict[str, TreeEntry | None] | None:
    """Map each changed path to its entry after the commit; None where the commit's parent is not
    available."""
    try:
        changes = snapshot.find_changes(commit.parents[0], commit.object_id)
    except StaleStateError:
        return None
    return {path: after for path, (_, after) in changes.items()}


def find_file_changes(
    context: MappingContext, snapshot: RepositorySnapshot, tip: BranchTip
) -> dict[str, TreeEntryChange]:
    """Find the files that a proposal changed: path → entries before and after. Files that people
    changed count on a rolling branch only: on any other branch the reconciled targets alone
    matter."""
    if tip.base_commit_id is None or (
        tip.has_commits_of_people
        and context.mapping.pull_request.group is PullRequestGrouping.PROMPT
    ):
        return {}
    try:
        holds = (
            tip.commit
            if tip.has_commits_of_people or tip.newest_bridge_commit is None
            else tip.newest_bridge_commit
        )
        # Files may come from what was the mapping's folder before.
        folder = context.folder if tip.has_commits_of_people else ""
        return snapshot.find_changes(tip.base_commit_id, holds.object_id, folder)
    except StaleStateError:  # the base was rewritten and the server forgot what the branch stood on
        return {}


def is_current(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    tip: BranchTip | None,
    changes: Mapping[str, TreeEntryChange],
    now: Mapping[str, TreeEntry],
    edits: tuple[FileEdit, ...],
) -> bool:
    """Whether the branch is the base plus exactly these edits. ``changes`` are the branch's
    changes, ``now`` the base's files: a base that moved on does not matter as long as it left
    the branch's files alone, unless the mapping wants its branches up to date."""
    if tip is None or tip.base_commit_id is None:
        return False
    if tip.base_commit_id != snapshot.commit:
        if context.mapping.pull_request.behind is BehindBase.UPDATE:
            return False
        if any(before != now.get(path) for path, (before, _) in changes.items()):
            return False
    wanted = merge_edit_contents(edits)
    return changes.keys() == wanted.keys() and all(
        (after.object_id if after else None) == compute_blob_id(wanted[path], snapshot.commit)
        for path, (_, after) in changes.items()
    )


def merge_edit_contents(edits: tuple[FileEdit, ...]) -> dict[str, bytes | None]:
    """Path → text of all edits; a path that one edit leaves and another takes is taken."""
    every: dict[str, bytes | None] = {}
    for edit in edits:
        for path, text in edit.text_by_path.items():
            if text is not None or every.get(path) is None:
                every[path] = text
    return every


def compute_blob_id(text: bytes | None, like: str) -> str | None:
    """The name git gives a file's content, in the hash that the name ``like`` is in."""
    if text is None:
        return None
    digest = hashlib.sha256() if len(like) == 64 else hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(text) + text)
    return digest.hexdigest()


@dataclass(frozen=True)
class AuthoredMessage:
    """The message of a commit, with its author and date."""

    text: str
    author: GitIdentity
    date: datetime


def write_commit(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    parent: str,
    changes: Mapping[str, bytes | None],
    message: AuthoredMessage,
) -> str:
    """Write a commit of the bridge and return its object name."""
    return snapshot.write_commit(
        CommitDraft(
            parent=parent,
            changes=changes,
            message=message.text,
            author=message.author,
            committer=context.bot.identity,
            date=message.date,
            signing=context.bot.signing,
        )
    )
