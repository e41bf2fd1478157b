"""Closings that are nobody's decision: by those whom ``ignore_authors`` names (a bot that tidies up),
and by the forge itself, because somebody deleted the branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.memory import recall
from bridge.steps.site import Site


def discount_closing(
    site: Site, pull_requests: Sequence[PullRequest], *, branch_exists: bool
) -> tuple[PullRequest, ...]:
    """The pull requests of one head, newest first; the newest as if the bridge had withdrawn it
    where its closing was no decision. The forge is asked where that can be, once for a closing."""
    pulls = tuple(pull_requests)
    if not pulls or pulls[0].state is not PullRequestState.CLOSED:
        return pulls
    newest, memory = pulls[0], recall(pulls[0].body)
    if memory is None or memory.withdrawn or memory.followed:
        return pulls
    if branch_exists and not site.mapping.ignore_authors:
        return pulls
    closing = site.forge.read_closing(newest)
    if not closing.with_branch and not site.mapping.ignores_author(closing.by):
        return pulls
    body = f"{newest.body}\n{replace(memory, withdrawn=True).line()}"
    return (replace(newest, body=body), *pulls[1:])
