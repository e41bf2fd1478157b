"""Whose a change is, by the events that tell of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bridge.prompts.authorship import is_author_of, is_contributor_to
from bridge.prompts.planning.reconcile_context import (
    DELETED,
    LABEL_CHANGE_DENIED,
    RENAMED,
    SNIPPET_CHANGED,
    VERSION_CREATED,
    TriggerEvent,
)
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.pull_request.proposal_summary import PromptChange

MOVED, DELETED_LABEL = "prompt_template_label_moved", "prompt_template_label_deleted"
AT = datetime(2026, 3, 2, tzinfo=UTC)
BASE = Prompt("reply", {"content": "old"}, id=17, version=2)
NEW = replace(BASE, template={"content": "new"}, version=5)
UPDATE = PromptChange("reply.yaml", None, LATEST, BASE, NEW)
LABELLED = replace(UPDATE, label="prod")
RENAME = replace(UPDATE, after=replace(BASE, name="answer"))
REMOVAL = replace(UPDATE, after=None)
NEITHER, PART, WHOLE = (False, False), (False, True), (True, True)  # explains, contributes


def cause(
    type: str, version: int | None = None, label: str | None = None, id: int = 17
) -> TriggerEvent:
    return TriggerEvent(type, id, label, AT, AT, "Ada", version=version)


@pytest.mark.parametrize(
    ("told", "change", "expected"),
    [
        (cause(VERSION_CREATED, 5), UPDATE, WHOLE),
        (cause(VERSION_CREATED, 4), UPDATE, PART),
        (cause(VERSION_CREATED, 2), UPDATE, NEITHER),
        (cause(VERSION_CREATED, 6), UPDATE, NEITHER),
        (cause(VERSION_CREATED, 5, id=18), UPDATE, NEITHER),
        (cause(VERSION_CREATED, 5), LABELLED, NEITHER),
        (cause(MOVED, 5, "prod"), LABELLED, WHOLE),
        (cause(MOVED, 4, "prod"), LABELLED, PART),
        (cause(MOVED, 5, "staging"), LABELLED, NEITHER),
        (cause(RENAMED), RENAME, WHOLE),
        (cause(RENAMED), replace(RENAME, after=replace(NEW, name="answer")), PART),
        (cause(RENAMED), UPDATE, NEITHER),
        (cause(DELETED), REMOVAL, WHOLE),
        (cause(DELETED), UPDATE, NEITHER),
        (cause(DELETED_LABEL, None, "prod"), replace(REMOVAL, label="prod"), WHOLE),
        (cause(SNIPPET_CHANGED), UPDATE, NEITHER),
        (cause(LABEL_CHANGE_DENIED, None, "prod"), LABELLED, NEITHER),
    ],
)
def test_an_event_tells_of_its_own_version(
    told: TriggerEvent, change: PromptChange, expected: tuple[bool, bool]
) -> None:
    assert (is_author_of(told, change), is_contributor_to(told, change)) == expected
