"""Mark closings that are no person's decision: those by ``ignore_authors`` (a bot that tidies
up), and those by the forge because the branch was deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.pull_request.metadata import parse_metadata, replace_hidden_line
from bridge.reconcile.mapping_context import MappingContext


def mark_undecided_closing(
    context: MappingContext, pull_requests: Sequence[PullRequest], *, branch_exists: bool
) -> tuple[PullRequest, ...]:
    """Mark the newest pull request as withdrawn where its closing was no decision; returns all
    of them, the newest first. The forge is asked only where that is possible, once for each
    closing."""
    pulls = tuple(pull_requests)
    if not pulls or pulls[0].state is not PullRequestState.CLOSED:
        return pulls
    newest, metadata = pulls[0], parse_metadata(pulls[0].body)
    if metadata is None or metadata.withdrawn or metadata.followed:
        return pulls
    if branch_exists and not context.mapping.ignore_authors:
        return pulls
    closing = context.forge.read_closing(newest)
    if not closing.with_branch and not context.mapping.is_ignored_author(closing.by):
        return pulls
    body = replace_hidden_line(newest.body, replace(metadata, withdrawn=True))
    return (replace(newest, body=body), *pulls[1:])
