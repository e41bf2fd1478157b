"""Decide what to do about one proposal, from what was observed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.memory import MOST_CHANGES, Memory, fingerprint, recall
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.prompt import Prompt
from bridge.prompts.story import Change
from bridge.prompts.target import Target

_DIGEST_LENGTH = 12  # characters of a digest that it remembers


@dataclass(frozen=True)
class Edit:
    """One file as the proposal wants it."""

    change: Change
    text: bytes | None  # None: the file goes
    was: bytes | None = None  # what the base branch holds
    held: str | None = None  # digest of what PromptLayer holds, where ``change`` merges it

    @property
    def contents(self) -> dict[str, bytes | None]:
        """What it does to the tree: path → text, None where a file goes."""
        gone = {self.change.old_path: None} if self.change.old_path else {}
        return {**gone, self.change.path: self.text}


@dataclass(frozen=True)
class Rest:
    """Nothing to do, and why."""

    kind: OutcomeKind
    reason: str
    pull_request: PullRequest | None = None


@dataclass(frozen=True)
class Propose:
    """Make branch and pull request say this."""

    edits: tuple[Edit, ...]
    memory: Memory
    pull_request: PullRequest | None  # the open one, if there is one


@dataclass(frozen=True)
class Withdraw:
    """Close the pull request with a word why; the branch goes unless people worked on it."""

    pull_request: PullRequest
    reason: str


@dataclass(frozen=True)
class Tidy:
    """A branch of ours that is not needed any more goes."""

    reason: str


Plan = Rest | Propose | Withdraw | Tidy


@dataclass(frozen=True)
class Situation:
    """What was observed about one proposal."""

    edits: tuple[Edit, ...]
    memory: Memory  # as a new pull request would carry it
    idle_kind: OutcomeKind  # what it means when there are no edits
    idle_reason: str
    pull_requests: Sequence[PullRequest]  # newest first
    branch_exists: bool
    people: bool  # somebody else's commits are on the branch
    tip: str | None  # the branch's newest commit
    tip_is_current: bool  # the branch says already what would be proposed
    base: str  # the base branch's name
    chosen: bool = False  # a person has just chosen PromptLayer's text
    refused: str | None = None  # why a target could not be looked at or placed
    prune: bool = False  # its branch goes, whatever was decided: another one stands for it now,
    # or a person lets go what the mapping leaves out
    taken_back: bool = False  # the newest pull request was merged, and the base lost it later
    declined_in: PullRequest | None = None  # where people declined all that could be proposed


def decide(situation: Situation) -> Plan:
    """The one decision of the bridge. Same situation, same plan. That a person has just chosen
    PromptLayer's text outweighs what was decided on earlier pull requests."""
    open_ = find_open(situation.pull_requests, situation.base)
    if not situation.edits:
        return _nothing_to_propose(situation, open_)
    if open_ is None and situation.pull_requests and not situation.chosen:
        decided = _decided_before(situation, situation.pull_requests[0])
        if decided is not None:
            return decided
    return Propose(situation.edits, situation.memory, open_)


def select_pull_requests(found: Sequence[PullRequest], base: str) -> tuple[PullRequest, ...]:
    """Those of a head branch that are about its proposal to ``base``. To another base, that is
    the bridge's own (before the mapping's base changed, or since a person took it there), unless
    it was merged there: that is no answer for this base. A person's is the person's."""
    return tuple(
        each
        for each in found
        if each.base == base
        or (each.state is not PullRequestState.MERGED and recall(each.body) is not None)
    )


def find_open(pull_requests: Sequence[PullRequest], base: str) -> PullRequest | None:
    """The open pull request that is the proposal: the newest to ``base``, else to any."""
    opened = [each for each in pull_requests if each.state is PullRequestState.OPEN]
    return next((each for each in opened if each.base == base), next(iter(opened), None))


def _nothing_to_propose(situation: Situation, open_: PullRequest | None) -> Plan:
    if situation.refused is not None:  # that is no word on what was proposed before
        return Rest(OutcomeKind.PARKED, situation.refused, open_)
    if situation.idle_kind is OutcomeKind.NOT_FOLLOWED:
        return Rest(situation.idle_kind, situation.idle_reason, open_)
    if open_ is not None:
        return Withdraw(open_, _why_withdrawn(situation, open_))
    last = situation.pull_requests[0] if situation.pull_requests else None
    rejected = last is not None and last.state is PullRequestState.CLOSED and not _withdrawn(last)
    if situation.branch_exists and not situation.people and (situation.prune or not rejected):
        return Tidy(situation.idle_reason)
    return Rest(situation.idle_kind, situation.idle_reason, situation.declined_in)


def _why_withdrawn(situation: Situation, open_: PullRequest) -> str:
    if situation.idle_kind is not OutcomeKind.IN_STEP:
        return situation.idle_reason
    remembered = recall(open_.body)
    if remembered is not None and remembered.pending is not None:
        return "the change of the protected label did not come about"
    words = {
        "same content": f"PromptLayer and `{situation.base}` hold the same content again",
        "on neither side": "PromptLayer has it no longer",
        "deleted in PromptLayer": "PromptLayer has it no longer: it was deleted there",
    }
    if situation.idle_reason.startswith("no longer matches"):
        return f"the prompt {situation.idle_reason}"
    return words.get(situation.idle_reason, situation.idle_reason)


def _withdrawn(pull_request: PullRequest) -> bool:
    remembered = recall(pull_request.body)
    return remembered is not None and remembered.withdrawn


def _decided_before(situation: Situation, last: PullRequest) -> Rest | None:
    """A closed pull request is a person's answer to exactly what it proposed.

    A file that was merged and is gone again is told, and no prompt is ever deleted for it: that
    people deleted the file, moved it out of the mapping's folder, or took the mapping elsewhere
    all look the same from here."""
    remembered = recall(last.body)
    if last.state is PullRequestState.CLOSED:
        same = (
            remembered.proposes == situation.memory.proposes
            if remembered is not None
            else situation.tip_is_current and last.head_commit == situation.tip
        )
        if same and not _withdrawn(last):
            return Rest(
                OutcomeKind.REJECTED,
                tell_declined(last.number),
                last,
            )
    elif (
        remembered is not None
        and situation.taken_back
        and (remembered.proposes, remembered.replaces)
        == (
            situation.memory.proposes,
            situation.memory.replaces,
        )
    ):
        return Rest(
            OutcomeKind.UNDONE,
            f"#{last.number} was merged and `{situation.base}` has been taken back since",
            last,
        )
    return None


def tell_declined(number: int | None) -> str:
    """Why a change that people declined is not proposed, in words."""
    where = f"#{number} proposed this and was closed" if number else "this was declined earlier"
    return f"{where}; the next change is proposed again"


def remembered(edits: Sequence[Edit]) -> Memory:
    """What a pull request with these edits has to remember."""
    proposes: dict[str, str | None] = {}
    replaces: dict[str, str | None] = {}
    for edit in edits:
        change = edit.change
        for path in edit.contents:
            proposes[path] = None
            replaces[path] = None
        proposes[change.path] = _meaning(change.after)
        replaces[change.old_path or change.path] = _replaced(edit)
    changes = [edit.change for edit in edits[:MOST_CHANGES]]
    return Memory(
        fingerprint(proposes),
        fingerprint(replaces),
        versions=_versions((change.label, change.after) for change in changes),
        before=_versions((change.label, change.before) for change in changes),
        texts=_texts(edits[:MOST_CHANGES]),
        contents=tuple(
            (edit.change.prompt.id, edit.change.label, decision_name(edit))
            for edit in edits[:MOST_CHANGES]
            if edit.change.prompt.id is not None
        ),
    )


def _replaced(edit: Edit) -> str | None:
    """What a reviewer's decision was about: a file that cannot be read is not one that is absent."""
    if edit.change.before is None and edit.was is not None:
        return f"unreadable {hashlib.sha256(edit.was).hexdigest()}"
    return _meaning(edit.change.before)


def _texts(edits: Sequence[Edit]) -> tuple[tuple[int, str, str | None, str | None], ...]:
    return tuple(
        (change.prompt.id, change.label, _beginning(held), _beginning(file))
        for edit in edits
        if (change := edit.change).prompt.id is not None
        for held in [edit.held or (change.after.digest if change.after else None)]
        for file in [change.before.digest if change.before else None]
    )


def _beginning(digest: str | None) -> str | None:
    return digest[:_DIGEST_LENGTH] if digest else None


def _versions(
    prompts: Iterable[tuple[str, Prompt | None]],
) -> tuple[tuple[int, str, int | None], ...]:
    return tuple(
        (prompt.id, label, prompt.version)
        for label, prompt in prompts
        if prompt is not None and prompt.id is not None
    )


def target_of(mapping: str, edit: Edit) -> Target:
    """The target that an edit is about."""
    prompt = edit.change.prompt
    assert prompt.id is not None  # what PromptLayer has, and what a file was found by
    return Target(mapping, prompt.id, edit.change.label)


def content_name(edit: Edit) -> str:
    """One short name for what an edit proposes, wherever the file is put."""
    return name_content(edit.change.after)


def decision_name(edit: Edit) -> str:
    """One short name for what a person decides about: the content, and the place where nothing
    else changes."""
    change = edit.change
    if change.before is None or _meaning(change.before) != _meaning(change.after):
        return content_name(edit)
    return fingerprint({change.path: _meaning(change.after)})


def name_content(prompt: Prompt | None) -> str:
    """One short name for what a file says; for its removal where that is None."""
    return fingerprint({"": _meaning(prompt)})


def _meaning(prompt: Prompt | None) -> str | None:
    return None if prompt is None else f"{prompt.digest} {prompt.name}"
