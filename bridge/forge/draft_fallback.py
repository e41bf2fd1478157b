"""Open an ordinary pull request where a forge has no drafts, as with some plans; its first line
says that it would be a draft."""

from __future__ import annotations

from dataclasses import replace

from bridge.errors import DraftsUnavailableError
from bridge.forge.forge import Forge, PullRequest, PullRequestContent

NOTE = (
    "> This would be a draft, and this repository's plan has none. Please review it before it is"
    " merged.\n\n"
)


def create_draft_or_ready(
    forge: Forge, head: str, base: str, content: PullRequestContent
) -> PullRequest:
    """Open a pull request; where it should be a draft and the forge has none, an ordinary one."""
    try:
        return forge.create_pull_request(head, base, content)
    except DraftsUnavailableError:
        return forge.create_pull_request(head, base, remove_draft_flag(content, forge.body_limit))


def update_draft_or_ready(
    forge: Forge, found: PullRequest, content: PullRequestContent, *, base: str | None = None
) -> PullRequest:
    """Update an open pull request, as a draft where the forge has drafts; ``base`` is the branch
    to retarget it to."""
    try:
        return forge.update_pull_request(found, content, base=base)
    except DraftsUnavailableError:
        ready = remove_draft_flag(content, forge.body_limit)
        return forge.update_pull_request(found, ready, base=base)


def build_expected_content(
    forge: Forge, found: PullRequest, content: PullRequestContent
) -> PullRequestContent:
    """Build the content that an open pull request is compared with: without the draft state
    where its body begins with the line about drafts."""
    opened_so = found.body.lstrip().startswith(NOTE.strip()) and not found.is_draft
    return remove_draft_flag(content, forge.body_limit) if opened_so else content


def remove_draft_flag(content: PullRequestContent, body_limit: int) -> PullRequestContent:
    """Build an ordinary pull request whose first line says that it would be a draft; without
    that line where the body has no room for it."""
    if len(NOTE) + len(content.body) > body_limit:
        return replace(content, draft=False)
    unfinished = None if content.unfinished_body is None else NOTE + content.unfinished_body
    return replace(content, draft=False, body=NOTE + content.body, unfinished_body=unfinished)
