"""What came of looking at a proposal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.prompts.target import Target


class OutcomeKind(StrEnum):
    IN_STEP = "in step"
    PROPOSED = "proposed"
    UPDATED = "updated"
    UNCHANGED = "proposed already"
    WITHDRAWN = "withdrawn"
    PUBLISHED = "published"  # a file became a version in PromptLayer
    REJECTED = "rejected"  # a person closed this very proposal
    UNDONE = "undone in the repository"  # merged once, then taken back
    REPOSITORY_AHEAD = "repository is ahead"
    CONFLICT = "conflict on the branch"
    WAITING = "waiting"  # the engine comes back by itself
    PARKED = "parked"  # a person has to change something first


_SETTLED = (OutcomeKind.IN_STEP, OutcomeKind.WITHDRAWN, OutcomeKind.PUBLISHED)


@dataclass(frozen=True)
class Outcome:
    """``reason`` is for people; ``refusals`` are targets that could not be placed, with why."""

    kind: OutcomeKind
    reason: str
    pull_request: str | None = None  # address for people
    number: int | None = None
    commit: str | None = None
    refusals: tuple[tuple[Target, str], ...] = ()

    @property
    def out_of_step(self) -> bool:
        """Whether somebody or something still has to act before both sides agree."""
        return self.kind not in _SETTLED or bool(self.refusals)
