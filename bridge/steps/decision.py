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
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target
from bridge.steps.look import Look
from bridge.steps.publish import Result, find_version
from bridge.steps.site import Site

Move = tuple[int, str, int | None]  # prompt id, label, version
Moved = tuple[int, str, int]

_MARKER = "promptlayer-bridge-labels"


@dataclass(frozen=True)
class Labels:
    """What a decision did to labels, and the same in words."""

    moved: tuple[Moved, ...] = ()
    words: str = ""


def follow_decision(site: Site, look: Look, results: Sequence[Result] = ()) -> Labels:
    """Move the label that a merge or a rejection moves. What was merged is told by its content:
    ``results`` are what was just published of it. A label that PromptLayer refuses to move is told
    on the pull request."""
    last = look.situation.pull_requests[0] if look.situation.pull_requests else None
    memory = recall(last.body) if last else None
    if last is None or memory is None or memory.followed or memory.withdrawn:
        return Labels()
    if not _moves(site, last, memory):
        return Labels()
    merged = _Merged(site, look, last, results)
    moved, refused = _move(site, _moves(site, last, merged.versions(memory)))
    refused += merged.without_version
    if merged.without_version and any(result.problem for result in results):
        return Labels(tuple(moved), "; ".join(refused))  # it is published later, and then released
    if refused:
        listed = "\n".join(f"- {plain(each)}" for each in refused)
        site.forge.comment(last.number, _MARKER, f"PromptLayer did not do all of it:\n\n{listed}")
    _remember(site, last, memory)
    words = [
        f"label {label} of prompt {id} is on version {version}" for id, label, version in moved
    ]
    return Labels(tuple(moved), "; ".join([*words, *refused]))


class _Merged:
    """What was merged with a pull request, as versions of PromptLayer."""

    def __init__(
        self, site: Site, look: Look, pull_request: PullRequest, results: Sequence[Result]
    ) -> None:
        self.without_version: list[str] = []  # what no version says, in words
        self._site = site
        self._look = look
        self._pull_request = pull_request
        self._results = results

    def versions(self, memory: Memory) -> Memory:
        """The memory with the versions that say what the base branch was given: a reviewer may
        have changed the text on the branch, or merged before the pull request said what it
        proposes."""
        if self._pull_request.state is not PullRequestState.MERGED:
            return memory
        versions = tuple(
            (id, label, self._version(Target(self._site.mapping.name, id, label), number))
            for id, label, number in memory.versions
        )
        return replace(memory, versions=versions)

    def _version(self, target: Target, proposed: int | None) -> int | None:
        merged = self._text(target)
        if merged is None:
            return proposed if self._pull_request.merge_commit is None else None
        candidates = [proposed, *self._published(merged)]
        found = find_version(self._site.platform, target.prompt_id, merged.digest, candidates)
        if found is None:
            label = self._site.mapping.on_merge.move_label if self._site.mapping.on_merge else ""
            self.without_version.append(
                f"label {label} of prompt {target.prompt_id} stays where it is: no version says"
                " what was merged"
            )
        return found

    def _text(self, target: Target) -> Prompt | None:
        """What the target's file said when the pull request was merged."""
        commit = self._pull_request.merge_commit
        if commit is None:
            return None
        try:
            files = self._look.files.at_commit(commit)
            path = next((s.path for s in self._look.sights if s.target == target and s.path), "")
            found = files.find({target: path})
        except BridgeError:  # the forge has the commit no longer
            return None
        return found[target].prompt if target in found else None

    def _published(self, merged: Prompt) -> list[int | None]:
        return [
            result.published.version
            for result in self._results
            if result.published is not None and result.work.prompt.digest == merged.digest
        ]


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
