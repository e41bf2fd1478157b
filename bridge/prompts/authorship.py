"""Find the author of a change: the events about the proposed version. Pure."""

from __future__ import annotations

from bridge.prompts.planning.reconcile_context import (
    DELETED,
    LABEL_EVENTS,
    RENAMED,
    VERSION_CREATED,
    TriggerEvent,
)
from bridge.prompts.prompt import LATEST
from bridge.prompts.pull_request.proposal_summary import PromptChange


def is_author_of(trigger_event: TriggerEvent, change: PromptChange) -> bool:
    """Whether an event's user made the proposed change: that version, and none before it."""
    if not trigger_event.is_edit or trigger_event.prompt_id != change.prompt.id:
        return False
    if trigger_event.type == DELETED:
        return change.after is None
    if trigger_event.type in LABEL_EVENTS:
        return _is_of_label(trigger_event, change) and _is_version(trigger_event, change)
    if change.after is None:
        return trigger_event.type == RENAMED
    if trigger_event.type == VERSION_CREATED:
        return change.label == LATEST and trigger_event.version == change.after.version
    renamed_only = change.before is not None and change.before.digest == change.after.digest
    return trigger_event.type == RENAMED and change.renamed_from is not None and renamed_only


def is_contributor_to(trigger_event: TriggerEvent, change: PromptChange) -> bool:
    """Whether an event's user contributed to a proposed change: versions before it that the base
    branch does not have, and its name."""
    if is_author_of(trigger_event, change):
        return True
    if (
        not trigger_event.is_edit
        or trigger_event.prompt_id != change.prompt.id
        or change.after is None
    ):
        return False
    if trigger_event.type in LABEL_EVENTS:
        return _is_of_label(trigger_event, change)
    if trigger_event.type == VERSION_CREATED and change.label == LATEST:
        base = change.before.version if change.before else None
        return (base or 0) < (trigger_event.version or 0) < (change.after.version or 0)
    return trigger_event.type == RENAMED and change.renamed_from is not None


def _is_of_label(trigger_event: TriggerEvent, change: PromptChange) -> bool:
    return trigger_event.label == change.label


def _is_version(trigger_event: TriggerEvent, change: PromptChange) -> bool:
    """An event about a request names no version."""
    if change.after is None or trigger_event.version is None:
        return True
    return trigger_event.version == change.after.version
