"""One target as a look found it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bridge.forge.base import PullRequest
from bridge.prompts.agreement import Agreement, Declined
from bridge.prompts.compare import BaseFile, Comparison
from bridge.prompts.memory import PendingRequest
from bridge.prompts.outcome import Decided, Sight
from bridge.prompts.plan import Edit, decision_name, tell_declined
from bridge.prompts.prompt import Prompt
from bridge.prompts.publication import Publication
from bridge.prompts.target import Target

_GONE = "gone"  # begins no digest


@dataclass(frozen=True)
class DeclinedChange:
    """What people said of a target's change by closing a pull request."""

    pull_request: PullRequest | None  # None: the record in the repository tells

    @property
    def reason(self) -> str:
        return tell_declined(self.pull_request.number if self.pull_request else None)

    @property
    def decided(self) -> Decided | None:
        pull = self.pull_request
        return Decided(pull.number, pull.url, pull.state, pull.decided_at) if pull else None


@dataclass(frozen=True)
class Seen:
    """One target as it was found."""

    target: Target
    comparison: Comparison
    edit: Edit | None
    pending: PendingRequest | None = None
    publication: Publication | None = None
    adopted: bool = False  # the edit takes PromptLayer's text because a person chose it
    file: BaseFile | None = None  # what the base branch has
    elsewhere: bool = False  # another branch carries it now
    gone_because: str | None = None  # why PromptLayer has nothing for it, where neither side does
    absent: bool = False  # PromptLayer, or the mapping, has it no longer
    not_followed: bool = False  # and it is left as it is until a person says otherwise
    held: Prompt | None = None  # what PromptLayer has
    declined: DeclinedChange | None = None  # the edit was: it is not proposed
    agreed: Agreement | None = None  # what both sides agreed on last, where anybody asked

    @property
    def says_the_same(self) -> bool:
        """Whether both sides do, whatever they call it."""
        if self.held is None or self.file is None or self.file.prompt is None:
            return False
        return self.held.digest == self.file.prompt.digest


def sight(seen: Seen) -> Sight:
    """What the books keep of a target as it was seen."""
    change = seen.edit.change if seen.edit else None
    held = change.prompt if change else (seen.file.prompt if seen.file else None)
    path = change.path if change else (seen.file.path if seen.file else None)
    return Sight(
        target=seen.target,
        standing=seen.comparison.standing,
        reason=seen.comparison.reason,
        name=held.name if held else None,
        path=path,
        version=held.version if held else None,
        proposed=seen.edit is not None and seen.declined is None,
        elsewhere=seen.elsewhere,
        absent=seen.absent,
        not_followed=seen.not_followed,
        conflict=change is not None and change.is_conflict,
        declined=seen.declined.reason if seen.declined else None,
        declined_in=seen.declined.decided if seen.declined else None,
        unpublished=change is not None and change.merges,
    )


def find_agreements(seen: Iterable[Seen], commit: str) -> dict[Target, Agreement]:
    """What both sides say the same about, at a commit of the base branch."""
    return {
        one.target: Agreement(
            *(one.held.digest, one.held.digest, one.held.version, commit),
            path=one.file.path if one.file else None,
        )
        for one in seen
        if one.says_the_same and one.held is not None
    }


def find_declined(seen: Iterable[Seen]) -> dict[Target, Agreement]:
    """What both sides agreed on last, with what was proposed of it and declined."""
    unknown = Agreement(None, None, None, None)
    return {
        one.target: replace(one.agreed or unknown, declined=_tell_declined(one, one.edit))
        for one in seen
        if one.edit is not None
    }


def _tell_declined(seen: Seen, edit: Edit) -> Declined:
    held, file = seen.held, seen.file.prompt if seen.file else None
    return Declined(
        held.digest if held else _GONE,
        file.digest if file else "",
        held.version if held else None,
        decision_name(edit),
    )
