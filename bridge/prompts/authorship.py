"""Whose a change is: which events tell of the very version that is proposed. Pure."""

from __future__ import annotations

from bridge.prompts.occasion import DELETED, LABEL_EVENTS, RENAMED, VERSION_CREATED, Cause
from bridge.prompts.prompt import LATEST
from bridge.prompts.story import Change


def explains(cause: Cause, change: Change) -> bool:
    """Whether an event's user made what a change proposes: that version, and none before it."""
    if not cause.edits or cause.prompt_id != change.prompt.id:
        return False
    if cause.type == DELETED:
        return change.after is None
    if cause.type in LABEL_EVENTS:
        return _is_of_label(cause, change) and _is_version(cause, change)
    if change.after is None:
        return cause.type == RENAMED
    if cause.type == VERSION_CREATED:
        return change.label == LATEST and cause.version == change.after.version
    renamed_only = change.before is not None and change.before.digest == change.after.digest
    return cause.type == RENAMED and change.renamed_from is not None and renamed_only


def contributes(cause: Cause, change: Change) -> bool:
    """Whether an event's user had a part in what a change proposes: versions before it that the
    base branch does not have, and its name."""
    if explains(cause, change):
        return True
    if not cause.edits or cause.prompt_id != change.prompt.id or change.after is None:
        return False
    if cause.type in LABEL_EVENTS:
        return _is_of_label(cause, change)
    if cause.type == VERSION_CREATED and change.label == LATEST:
        base = change.before.version if change.before else None
        return (base or 0) < (cause.version or 0) < (change.after.version or 0)
    return cause.type == RENAMED and change.renamed_from is not None


def _is_of_label(cause: Cause, change: Change) -> bool:
    return cause.label == change.label


def _is_version(cause: Cause, change: Change) -> bool:
    """An event about a request names no version."""
    if change.after is None or cause.version is None:
        return True
    return cause.version == change.after.version
