"""Make a pull request exist and say what it should. Written once, above every forge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.errors import AlreadyExists, Stale
from bridge.forge.base import Forge, PullRequest, PullRequestContent, PullRequestState
from bridge.forge.draft_fallback import (
    create_draft_or_ready,
    expected_content,
    update_draft_or_ready,
)


@dataclass(frozen=True)
class Ensured:
    """The pull request as it is now, and what had to be done for that."""

    pull_request: PullRequest
    action: Literal["created", "updated", "unchanged"]


def ensure_pull_request(
    forge: Forge,
    open_: PullRequest | None,
    head: str,
    base: str,
    content: PullRequestContent,
) -> Ensured:
    """Make the open pull request from ``head`` to ``base`` say ``content``. May be repeated: it
    asks the forge for nothing when nothing differs. ``open_`` is the one found before, or None.
    Raises Stale when the forge says one exists and then shows none, and when somebody merged or
    closed it meanwhile: that was an answer to what it said before, so it says that again."""
    if open_ is not None:
        return _made_current(forge, open_, content)
    try:
        return Ensured(create_draft_or_ready(forge, head, base, content), "created")
    except AlreadyExists:
        return _made_current(forge, _found_again(forge, head, base), content)


def _made_current(forge: Forge, found: PullRequest, content: PullRequestContent) -> Ensured:
    content = expected_content(forge, found, content)
    if says(found, content):
        return Ensured(found, "unchanged")
    updated = update_draft_or_ready(forge, found, content)
    if updated.state is PullRequestState.OPEN:
        return Ensured(updated, "updated")
    if updated.state is PullRequestState.CLOSED or updated.head_commit == found.head_commit:
        before = PullRequestContent(found.title, found.body, found.draft)
        forge.update_pull_request(updated, before)  # else what was merged is what it says now
    raise Stale(
        f"#{found.number} of {forge.repository} was {updated.state} while we were looking; it is"
        " looked at again."
    )


def _found_again(forge: Forge, head: str, base: str) -> PullRequest:
    for pull_request in forge.pull_requests(head, base):
        if pull_request.state is PullRequestState.OPEN:
            return pull_request
    raise Stale(
        f"{forge.repository} says a pull request from {head!r} to {base!r} exists already, and "
        "shows none that is open; it is looked at again."
    )


def says(pull_request: PullRequest, content: PullRequestContent) -> bool:
    """Whether title, body and draft state are what ``content`` asks for, as a forge stores them."""
    return (
        pull_request.draft == content.draft
        and _stored(pull_request.title) == _stored(content.title)
        and _stored(pull_request.body) == _stored(content.body)
    )


def _stored(text: str) -> str:
    """Forges keep either kind of line end, and some trim the ends."""
    return text.replace("\r\n", "\n").strip()
