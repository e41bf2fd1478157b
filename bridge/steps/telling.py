"""Who did it and what is told: from causes and changes to a story, its author and its date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.prompts.authorship import contributes, explains
from bridge.prompts.markdown import code_span, one_line
from bridge.prompts.memory import PendingRequest
from bridge.prompts.occasion import Cause, newest_first
from bridge.prompts.plan import Edit
from bridge.prompts.prompt import moment_of
from bridge.prompts.story import Change, Editor, Story
from bridge.prompts.text import Provenance, commit_message, trailers
from bridge.repo.commit import Commit, Identity
from bridge.repo.snapshot import Snapshot
from bridge.steps.branch import Message
from bridge.steps.branch_changes import find_branch_changes
from bridge.steps.branch_merge import BranchMerge
from bridge.steps.head_content import HeadContent
from bridge.steps.look import Look
from bridge.steps.site import Site

_CO_AUTHOR = re.compile(r"^Co-authored-by: (.+?) <(.*?)>$", re.MULTILINE)
_UNKNOWN_EMAIL = "unknown@promptlayer.invalid"


@dataclass(frozen=True)
class _Editing:
    """Who edited, the newest first, and whether the first wrote the newest of it."""

    editors: tuple[Editor, ...]
    author_known: bool


def _find_editors(site: Site, look: Look, edits: Sequence[Edit]) -> _Editing:
    """Who edited what is proposed: those of the events that tell of it, then those that the branch
    names already. Of a version that no event tells of nobody knows the editor, and nobody else is
    named for it."""
    told = look.tip.told if look.tip else None
    changes = [edit.change for edit in edits]
    news = [change for change in changes if told is None or not _is_told(change, told)]
    named = [cause for cause in newest_first(look.causes) if cause.user_name or cause.user_email]
    known = all(any(explains(cause, change) for cause in named) for change in news)
    if not known and len(changes) == 1:
        return _Editing((), False)
    contributing = (c for c in named if any(contributes(c, change) for change in changes))
    found = [site.roster.editor(cause.user_name, cause.user_email) for cause in contributing]
    earlier = _authors_of(site, told) if told is not None else ()
    return _Editing(_unique([each for each in (*found, *earlier) if each is not None]), known)


def _is_told(change: Change, told: Commit) -> bool:
    """Whether the branch's commit names this very version, and name, already."""
    version = change.after.version if change.after else None
    named = Provenance(change.prompt.id or 0, version, change.label) in trailers(told.message)
    old = change.renamed_from
    return named and (old is None or one_line(old) in told.message)


def _authors_of(site: Site, commit: Commit) -> tuple[Editor, ...]:
    """The people a commit of the bridge names, without the bridge itself."""
    names = [(commit.author.name, commit.author.email), *_CO_AUTHOR.findall(commit.message)]
    own = site.bot.identity.email
    found = (
        site.roster.editor(name, None if email == _UNKNOWN_EMAIL else email)
        for name, email in names
        if email != own
    )
    return tuple(editor for editor in found if editor is not None)


def _unique(found: Iterable[Editor]) -> tuple[Editor, ...]:
    """Each person once; a name without an e-mail is the one of that name with an e-mail."""
    kept: dict[str, Editor] = {}
    for editor in found:
        kept.setdefault((editor.email or editor.name).casefold(), editor)
    return tuple(kept.values())


def story(
    site: Site,
    look: Look,
    edits: Sequence[Edit],
    pending: PendingRequest | None,
    merged: BranchMerge | None = None,
    head: HeadContent | None = None,
) -> Story:
    """What is told of these edits, or of what the branch's head holds, where that was read.
    ``merged`` is what becomes of a branch that people worked on."""
    who = _find_editors(site, look, edits)
    shown = edits if head is None else head.edits
    return Story(
        mapping=site.mapping.name,
        changes=tuple(edit.change for edit in shown),
        editors=who.editors,
        author_known=who.author_known,
        branch_changes=find_branch_changes(look, edits, merged),
        request=pending.request if pending else None,
        merging=" ".join([_merging(site, shown, head), *(head.remarks if head else ())]),
    )


def _merging(site: Site, edits: Sequence[Edit], head: HeadContent | None) -> str:
    """What merging does, in the reviewer's words."""
    if head is not None and head.edited and site.mapping.publish:
        words = f"Merging writes this to `{site.base}` and publishes it: PromptLayer gets a new"
        words += " version with the commits of others on this branch"
        if site.mapping.on_merge is None:
            return f"{words}."
        label = code_span(site.mapping.on_merge.move_label)
        return f"{words}. Label {label} moves to the version that was proposed."
    if any(edit.change.merges for edit in edits):
        return f"Merging writes this to `{site.base}`, and PromptLayer gets a version of it."
    if site.mapping.on_merge is None:
        return f"Merging writes this to `{site.base}`; nothing changes in PromptLayer."
    label = code_span(site.mapping.on_merge.move_label)
    return f"Merging writes this to `{site.base}` and moves label {label} to this version."


def message(site: Site, snapshot: Snapshot, told: Story, causes: Sequence[Cause]) -> Message:
    """The commit's message, author and date; the same story always gives the same."""
    known = told.editors[0] if told.editors and told.author_known else None
    by_bot = site.mapping.commit.author == "bot" or known is None
    author = site.bot.identity if known is None or by_bot else _identity(known)
    text = commit_message(told, site.mapping.commit.subject, editor_is_author=not by_bot)
    return Message(text, author, _date(snapshot, told, causes))


def _identity(editor: Editor) -> Identity:
    return Identity(editor.name, editor.email or _UNKNOWN_EMAIL)


def _date(snapshot: Snapshot, told: Story, causes: Sequence[Cause]) -> datetime:
    """When it was edited: the newest event's time, else the version's, else the base's."""
    times = [c.at for c in causes if any(explains(c, change) for change in told.changes)]
    if not times:
        created = (change.after.created_at for change in told.changes if change.after)
        times = [moment for text in created if text and (moment := moment_of(text))]
    if times:
        return max(times)
    return datetime.fromisoformat(snapshot.commit_of(snapshot.commit).committed_at)
