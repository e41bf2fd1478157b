"""Make a pull request exist and say what it should. Written once, above every forge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bridge.errors import AlreadyExistsError, StaleStateError
from bridge.forge.draft_fallback import (
    build_expected_content,
    create_draft_or_ready,
    update_draft_or_ready,
)
from bridge.forge.forge import Forge, PullRequest, PullRequestContent, PullRequestState


@dataclass(frozen=True)
class EnsurePullRequestResult:
    """The pull request as it is now, and what had to be done for that."""

    pull_request: PullRequest
    action: Literal["created", "updated", "unchanged"]
    refused: tuple[tuple[str, str], ...] = ()  # of the content's additions, those it did not get


def ensure_pull_request(
    forge: Forge,
    open_: PullRequest | None,
    head: str,
    base: str,
    content: PullRequestContent,
) -> EnsurePullRequestResult:
    """Bring the open pull request from ``head`` to ``base`` and to ``content``; opens one where
    there is none. Idempotent: it sends nothing when nothing differs. ``open_`` is the one
    found before, or None. Raises StaleStateError when the forge reports an existing one and
    then lists none, and when somebody merged or closed it meanwhile: that decision was about
    the content before."""
    if open_ is not None:
        return _made_current(forge, open_, base, content)
    try:
        created = create_draft_or_ready(forge, head, base, content)
    except AlreadyExistsError:
        return _made_current(forge, _found_again(forge, head, base), base, content)
    return EnsurePullRequestResult(created, "created", find_missing(created, content))


def _made_current(
    forge: Forge, found: PullRequest, base: str, content: PullRequestContent
) -> EnsurePullRequestResult:
    content = build_expected_content(forge, found, content)
    changes = _only_differing(found, content)
    is_marked = not (changes.additions or changes.removed_labels)
    if found.base_branch == base and is_marked and has_content(found, content):
        return EnsurePullRequestResult(found, "unchanged")
    target = None if found.base_branch == base else base
    updated = update_draft_or_ready(forge, found, changes, base=target)
    if updated.state is PullRequestState.OPEN:
        return EnsurePullRequestResult(updated, "updated", find_missing(updated, content))
    if updated.state is PullRequestState.CLOSED or updated.head_commit == found.head_commit:
        before = PullRequestContent(found.title, found.body, found.is_draft)
        forge.update_pull_request(updated, before)  # else the merged content is the present one
    raise StaleStateError(
        f"#{found.number} of {forge.repository} was {updated.state} while the bridge compared it."
    )


def _found_again(forge: Forge, head: str, base: str) -> PullRequest:
    for pull_request in forge.list_pull_requests(head):
        if pull_request.state is PullRequestState.OPEN and pull_request.base_branch == base:
            return pull_request
    raise StaleStateError(
        f"{forge.repository} says a pull request from {head!r} to {base!r} exists already, and "
        "shows none that is open."
    )


def has_content(pull_request: PullRequest, content: PullRequestContent) -> bool:
    """Whether title, body and draft state are what ``content`` asks for, as a forge stores them."""
    return (
        pull_request.is_draft == content.draft
        and _stored(pull_request.title) == _stored(content.title)
        and _stored(pull_request.body) == _stored(content.body)
    )


def find_missing(
    pull_request: PullRequest, content: PullRequestContent
) -> tuple[tuple[str, str], ...]:
    """Find the additions of ``content`` that the pull request lacks: (kind, name). Forges ignore
    upper and lower case in the names of people and labels."""
    there = {
        "label": pull_request.labels,
        "reviewer": pull_request.reviewers,
        "assignee": pull_request.assignees,
    }
    folded = {kind: {name.casefold() for name in names} for kind, names in there.items()}
    return tuple(
        (kind, name)
        for kind, name in content.additions
        if name.removeprefix("@").casefold() not in folded[kind]
    )


def _only_differing(found: PullRequest, content: PullRequestContent) -> PullRequestContent:
    """Leave out labels and people that need neither adding nor removing."""
    missing = find_missing(found, content)
    there = {name.casefold() for name in found.labels}

    def names(kind: str) -> tuple[str, ...]:
        return tuple(name for each, name in missing if each == kind)

    return replace(
        content,
        labels=names("label"),
        reviewers=names("reviewer"),
        assignees=names("assignee"),
        removed_labels=tuple(each for each in content.removed_labels if each.casefold() in there),
    )


def _stored(text: str) -> str:
    """Forges keep either kind of line end, and some trim the ends."""
    return text.replace("\r\n", "\n").strip()
