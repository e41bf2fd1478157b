"""Build the summary of a proposal from events and changes, and its commit message with author
and date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.prompts.authorship import is_author_of, is_contributor_to
from bridge.prompts.planning.plan import FileEdit
from bridge.prompts.planning.reconcile_context import TriggerEvent, sort_events_newest_first
from bridge.prompts.prompt import parse_timestamp
from bridge.prompts.pull_request.commit_message import (
    CommitProvenance,
    parse_trailers,
    render_commit_message,
)
from bridge.prompts.pull_request.markdown import collapse_to_one_line, format_code_span
from bridge.prompts.pull_request.metadata import PendingApproval
from bridge.prompts.pull_request.proposal_summary import PromptChange, PromptEditor, ProposalSummary
from bridge.reconcile.branch_changes import find_branch_changes
from bridge.reconcile.branch_merge import BranchMerge
from bridge.reconcile.head_content import HeadContent
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.proposal_branch import AuthoredMessage
from bridge.repo.commit import GitCommit, GitIdentity
from bridge.repo.snapshot import RepositorySnapshot

_CO_AUTHOR = re.compile(r"^Co-authored-by: (.+?) <(.*?)>$", re.MULTILINE)
_UNKNOWN_EMAIL = "unknown@promptlayer.invalid"


@dataclass(frozen=True)
class _Editing:
    """Who edited, the newest first, and whether the first wrote the newest of it."""

    editors: tuple[PromptEditor, ...]
    author_known: bool


def _find_editors(
    context: MappingContext, observation: ProposalObservation, edits: Sequence[FileEdit]
) -> _Editing:
    """Find the editors of the proposed versions: those of their events, then those that the
    branch names already. A version without an event names no editor."""
    trailer_commit = observation.tip.trailer_commit if observation.tip else None
    changes = [edit.change for edit in edits]
    news = [
        change
        for change in changes
        if trailer_commit is None or not _is_in_message(change, trailer_commit)
    ]
    named = [
        trigger_event
        for trigger_event in sort_events_newest_first(observation.trigger_events)
        if trigger_event.user_name or trigger_event.user_email
    ]
    known = all(
        any(is_author_of(trigger_event, change) for trigger_event in named) for change in news
    )
    if not known and len(changes) == 1:
        return _Editing((), False)
    contributing = (c for c in named if any(is_contributor_to(c, change) for change in changes))
    found = [
        context.roster.find_editor(trigger_event.user_name, trigger_event.user_email)
        for trigger_event in contributing
    ]
    earlier = _authors_of(context, trailer_commit) if trailer_commit is not None else ()
    return _Editing(_unique([each for each in (*found, *earlier) if each is not None]), known)


def _is_in_message(change: PromptChange, trailer_commit: GitCommit) -> bool:
    """Whether the branch's commit names this very version, and name, already."""
    version = change.after.version if change.after else None
    named = CommitProvenance(change.prompt.id or 0, version, change.label) in parse_trailers(
        trailer_commit.message
    )
    old = change.renamed_from
    return named and (old is None or collapse_to_one_line(old) in trailer_commit.message)


def _authors_of(context: MappingContext, commit: GitCommit) -> tuple[PromptEditor, ...]:
    """The people a commit of the bridge names, without the bridge itself."""
    names = [(commit.author.name, commit.author.email), *_CO_AUTHOR.findall(commit.message)]
    own = context.bot.identity.email
    found = (
        context.roster.find_editor(name, None if email == _UNKNOWN_EMAIL else email)
        for name, email in names
        if email != own
    )
    return tuple(editor for editor in found if editor is not None)


def _unique(found: Iterable[PromptEditor]) -> tuple[PromptEditor, ...]:
    """Each person once; a name without an e-mail is the one of that name with an e-mail."""
    kept: dict[str, PromptEditor] = {}
    for editor in found:
        kept.setdefault((editor.email or editor.name).casefold(), editor)
    return tuple(kept.values())


def build_proposal_summary(
    context: MappingContext,
    observation: ProposalObservation,
    edits: Sequence[FileEdit],
    pending_approval: PendingApproval | None,
    merged: BranchMerge | None = None,
    head: HeadContent | None = None,
) -> ProposalSummary:
    """Summarise the edits, or the content of the branch's head where that was read. ``merged``
    is the merge of a branch with commits of people."""
    who = _find_editors(context, observation, edits)
    shown = edits if head is None else head.edits
    return ProposalSummary(
        mapping=context.mapping.name,
        changes=tuple(edit.change for edit in shown),
        editors=who.editors,
        author_known=who.author_known,
        branch_changes=find_branch_changes(observation, edits, merged),
        approval_request=pending_approval.request if pending_approval else None,
        merge_effect=" ".join([_merging(context, shown, head), *(head.remarks if head else ())]),
    )


def _merging(context: MappingContext, edits: Sequence[FileEdit], head: HeadContent | None) -> str:
    """Describe the effect of merging, for the reviewer."""
    moved = context.mapping.label_moved_by_merge
    if head is not None and head.edited and context.mapping.publish:
        words = f"Merging writes this to `{context.base_branch}` and publishes it: PromptLayer gets a new"
        words += " version with the commits of others on this branch"
        if moved is None:
            return f"{words}."
        label = format_code_span(moved)
        return f"{words}. Label {label} moves to the version that was proposed."
    if any(edit.change.is_merge for edit in edits):
        return (
            f"Merging writes this to `{context.base_branch}`, and PromptLayer gets a version of it."
        )
    if moved is None:
        return f"Merging writes this to `{context.base_branch}`; nothing changes in PromptLayer."
    label = format_code_span(moved)
    return (
        f"Merging writes this to `{context.base_branch}` and moves label {label} to this version."
    )


def build_commit_message(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    summary: ProposalSummary,
    trigger_events: Sequence[TriggerEvent],
) -> AuthoredMessage:
    """The commit's message, author and date; the same story always gives the same."""
    known = summary.editors[0] if summary.editors and summary.author_known else None
    by_bot = context.mapping.commit.author == "bot" or known is None
    author = context.bot.identity if known is None or by_bot else _identity(known)
    text = render_commit_message(
        summary, context.mapping.commit.subject, editor_is_author=not by_bot
    )
    return AuthoredMessage(text, author, _date(snapshot, summary, trigger_events))


def _identity(editor: PromptEditor) -> GitIdentity:
    return GitIdentity(editor.name, editor.email or _UNKNOWN_EMAIL)


def _date(
    snapshot: RepositorySnapshot, summary: ProposalSummary, trigger_events: Sequence[TriggerEvent]
) -> datetime:
    """When it was edited: the newest event's time, else the version's, else the base's."""
    times = [
        c.occurred_at
        for c in trigger_events
        if any(is_author_of(c, change) for change in summary.changes)
    ]
    if not times:
        created = (change.after.created_at for change in summary.changes if change.after)
        times = [moment for text in created if text and (moment := parse_timestamp(text))]
    if times:
        return max(times)
    return datetime.fromisoformat(snapshot.read_commit(snapshot.commit).committed_at)
