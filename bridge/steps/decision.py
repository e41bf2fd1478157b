"""What people decided about a pull request, told to PromptLayer: labels that move on a merge or on
a rejection. Done once: the pull request remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.errors import BridgeError, Forbidden, Refused
from bridge.forge.base import PullRequest, PullRequestContent, PullRequestState
from bridge.promptlayer.writing import move_label
from bridge.prompts.markdown import plain
from bridge.prompts.memory import Memory, recall
from bridge.prompts.prompt import LATEST
from bridge.prompts.text import trailers
from bridge.steps.look import Look
from bridge.steps.site import Site

Move = tuple[int, str, int | None]  # prompt id, label, version
Moved = tuple[int, str, int]

_MARKER = "promptlayer-bridge-labels"


@dataclass(frozen=True)
class Labels:
    """What a decision did to labels, and the same in words."""

    moved: tuple[Moved, ...] = ()
    words: str = ""


def follow_decision(site: Site, look: Look) -> Labels:
    """Move the label that a merge or a rejection moves. A label that PromptLayer refuses to move
    is told on the pull request."""
    last = look.situation.pull_requests[0] if look.situation.pull_requests else None
    memory = recall(last.body) if last else None
    if last is None or memory is None or memory.followed or memory.withdrawn:
        return Labels()
    if not _moves(site, last, memory):
        return Labels()
    moved, refused = _move(site, _moves(site, last, _as_merged(look, last, memory)))
    if refused:
        listed = "\n".join(f"- {plain(each)}" for each in refused)
        site.forge.comment(last.number, _MARKER, f"PromptLayer did not do all of it:\n\n{listed}")
    _remember(site, last, memory)
    words = [
        f"label {label} of prompt {id} is on version {version}" for id, label, version in moved
    ]
    return Labels(tuple(moved), "; ".join([*words, *refused]))


def _as_merged(look: Look, pull_request: PullRequest, memory: Memory) -> Memory:
    """With the versions that the merged commit names: who merges between a push and the new text
    of the pull request, or when that was lost, merges what the text does not say yet."""
    if pull_request.state is not PullRequestState.MERGED:
        return memory
    try:
        message = look.snapshot.commit_of(pull_request.head_commit).message
    except BridgeError:  # the forge has it no longer
        return memory
    told = {(each.prompt_id, each.label): each.version for each in trailers(message)}
    versions = tuple((id, label, told.get((id, label), n)) for id, label, n in memory.versions)
    return replace(memory, versions=versions)


def _moves(site: Site, pull_request: PullRequest, memory: Memory) -> list[Move]:
    """Which labels of which prompts move to which versions, by this decision."""
    on_merge, on_reject = site.mapping.on_merge, site.mapping.on_reject
    moves: list[Move] = []
    if pull_request.state is PullRequestState.MERGED and on_merge:
        moves += [(id, on_merge.move_label, version) for id, _, version in memory.versions]
    if pull_request.state is PullRequestState.CLOSED and on_reject:
        if on_reject.label is not None:
            moves += [(id, on_reject.label, version) for id, _, version in memory.versions]
        if on_reject.move_back:
            moves += [move for move in memory.before if move[1] != LATEST]
    return moves


def _move(site: Site, moves: Sequence[Move]) -> tuple[list[Moved], list[str]]:
    moved, refused = [], []
    for prompt_id, label, version in moves:
        if version is None:
            continue
        try:
            if move_label(site.platform, prompt_id, label, version):
                moved.append((prompt_id, label, version))
        except (Refused, Forbidden) as error:
            refused.append(f"label {label} of prompt {prompt_id}: {error}")
    return moved, refused


def _remember(site: Site, pull_request: PullRequest, memory: Memory) -> None:
    text, _, _ = pull_request.body.rpartition("<!-- promptlayer-bridge:")
    body = f"{text.rstrip()}\n\n{replace(memory, followed=True).line()}"
    content = PullRequestContent(pull_request.title, body, pull_request.draft)
    site.forge.update_pull_request(pull_request, content)
