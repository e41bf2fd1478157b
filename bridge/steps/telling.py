"""Who did it and what is told: from causes and changes to a story, its author and its date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bridge.prompts.markdown import code_span
from bridge.prompts.memory import PendingRequest
from bridge.prompts.occasion import Cause, newest_first
from bridge.prompts.plan import Edit
from bridge.prompts.story import Editor, Story
from bridge.prompts.text import commit_message
from bridge.repo.commit import Commit, Identity
from bridge.repo.snapshot import Snapshot
from bridge.steps.branch import Message, Tip
from bridge.steps.head_content import HeadContent
from bridge.steps.site import Site

_CO_AUTHOR = re.compile(r"^Co-authored-by: (.+?) <(.*?)>$", re.MULTILINE)
_UNKNOWN_EMAIL = "unknown@promptlayer.invalid"


def editors(site: Site, causes: Sequence[Cause], tip: Tip | None) -> tuple[Editor, ...]:
    """Who edited, the newest first: those of these events, then those the branch names already."""
    named = (
        site.roster.editor(cause.user_name, cause.user_email)
        for cause in newest_first(causes)
        if cause.edits
    )
    before = _authors_of(site, tip.written) if tip is not None and tip.written else ()
    return _unique([editor for editor in (*named, *before) if editor is not None])


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
    edits: Sequence[Edit],
    who: tuple[Editor, ...],
    pending: PendingRequest | None,
    head: HeadContent | None = None,
) -> Story:
    """What is told of these edits; or of what the branch's head holds, where that was read."""
    edits = edits if head is None else head.edits
    return Story(
        mapping=site.mapping.name,
        changes=tuple(edit.change for edit in edits),
        editors=who,
        request=pending.request if pending else None,
        merging=" ".join([_merging(site, edits, head), *(head.remarks if head else ())]),
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
    by_bot = site.mapping.commit.author == "bot" or not told.editors
    author = site.bot.identity if by_bot else _identity(told.editors[0])
    text = commit_message(told, site.mapping.commit.subject, editor_is_author=not by_bot)
    return Message(text, author, _date(snapshot, told, causes))


def _identity(editor: Editor) -> Identity:
    return Identity(editor.name, editor.email or _UNKNOWN_EMAIL)


def _date(snapshot: Snapshot, told: Story, causes: Sequence[Cause]) -> datetime:
    """When it was edited: the newest event's time, else the version's, else the base's."""
    times = [cause.at for cause in causes if cause.edits]
    if not times:
        created = (change.after.created_at for change in told.changes if change.after)
        times = [moment for text in created if text and (moment := moment_of(text))]
    if times:
        return max(times)
    return datetime.fromisoformat(snapshot.commit_of(snapshot.commit).committed_at)


def moment_of(text: str) -> datetime | None:
    """A time as PromptLayer writes it, aware; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
