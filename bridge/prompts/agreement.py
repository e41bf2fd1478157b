"""Find the last state at which both sides agreed about one target: the ancestor of every
comparison.

The two sides are two lines: the file's states on the base branch, commit by commit, and
PromptLayer's versions. An agreement is a pair of places on these lines. Pairs never cross: both
sides agreed on what is later only after what is earlier. The ``version:`` in a file is a hint for
people, and no evidence. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class DeclinedText:
    """The texts of both sides when a person declined a change. A digest may be no more than its
    beginning; "" is a file that was not there."""

    platform: str
    repository: str
    version: int | None
    content: str | None = None  # the name of the content that was proposed


@dataclass(frozen=True)
class Agreement:
    """A state that both sides agreed on, as far as it is known, and what was declined since."""

    platform: str | None  # digest of PromptLayer's text; None: PromptLayer has had none since
    repository: str | None  # digest of the file's text; None: no agreement is known
    version: int | None  # the number of PromptLayer's version
    commit: str | None  # of the base branch, at which the file had this text
    declined: DeclinedText | None = None
    path: str | None = None  # of the file, where anybody wrote it down

    @property
    def is_of_neither_side(self) -> bool:
        """Whether the target was on neither side at ``commit``."""
        return self.platform is None and self.repository is None and self.commit is not None


class DecisionKind(StrEnum):
    """How a person decided about a proposal."""

    MERGED = "merged"
    DECLINED = "declined"


@dataclass(frozen=True)
class FileState:
    """The text of a file on the base branch from one commit on."""

    commits: tuple[str, ...]  # that brought it or left its content equal, the oldest first
    digest: str | None  # None: there was no file, or none that can be read
    at: datetime | None = None  # when it was brought; None: before everything that is known
    proposed: tuple[int, ...] = ()  # versions whose proposal was merged with these commits
    place: int = 0  # of its first commit on the base's line, the oldest is 0


@dataclass(frozen=True)
class VersionState:
    """A version of PromptLayer on the target's label."""

    number: int | None
    digest: str | None
    at: datetime | None = None  # when the version was saved
    commit: str | None = None  # that it was made of, where it was made of this file
    held: bool = True  # False: only its text suggests that the label was ever on it


@dataclass(frozen=True)
class Decision:
    """A person's decision about a proposal of this target."""

    kind: DecisionKind
    version: int | None  # that was proposed
    platform: str | None = None  # how the digests of both sides began when it was proposed
    repository: str | None = None
    place: int | None = None  # of the merge on the base's line


@dataclass(frozen=True)
class AgreementEvidence:
    """All that is known of a target's two lines, each with the oldest first and the present last."""

    states: tuple[FileState, ...]
    versions: tuple[VersionState, ...]
    recorded: Agreement | None = None  # then both lines begin there
    decisions: tuple[Decision, ...] = ()
    by_label: bool = False  # versions are where a label was, and when it was there is not known


@dataclass(frozen=True)
class _Pair:
    state: int
    version: int
    moment: datetime = _BEGINNING

    def is_after(self, other: _Pair | None) -> bool:
        return other is None or (self.state >= other.state and self.version >= other.version)

    @property
    def order(self) -> tuple[int, datetime]:
        return self.state + self.version, self.moment

    @property
    def order_in_time(self) -> tuple[datetime, int]:
        return self.moment, self.state + self.version


def find_agreement(evidence: AgreementEvidence) -> Agreement | None:
    """Find the newest agreement: proven ones first; then equal texts at one time; then equal
    texts at any time. Weaker evidence counts only after the place of stronger. None without
    evidence of an agreement, and without a decline."""
    lines = _Lines(evidence)
    found = _newest([*lines.find_proven(), *lines.find_merged()], None, lambda pair: pair.order)
    if evidence.by_label:
        if found is None:
            return lines.build_agreement(lines.find_unproven_label(), is_proven=False)
    else:
        found = _newest(lines.find_simultaneous(), found, lambda pair: pair.order)
        found = _newest(lines.find_equal(), found, lambda pair: pair.order_in_time)
    return lines.build_agreement(found)


def _newest(
    pairs: Iterable[_Pair], after: _Pair | None, order: Callable[[_Pair], tuple[object, ...]]
) -> _Pair | None:
    following = [pair for pair in pairs if pair.is_after(after)]
    return max(following, key=order, default=after)


class _Lines:
    """Both lines, with what is recorded at their beginning."""

    def __init__(self, evidence: AgreementEvidence) -> None:
        self.evidence = evidence
        recorded = evidence.recorded
        states, versions = evidence.states, evidence.versions
        self.begun = recorded is not None
        if recorded is not None:
            if not states or states[0].digest != recorded.repository:
                states = (self._recorded_state(recorded, states), *states)
            if recorded.version is None or versions[0].number != recorded.version:
                start = VersionState(recorded.version, recorded.platform)
                versions = (start, *versions)
        self.states, self.versions = states, versions

    @staticmethod
    def _recorded_state(recorded: Agreement, states: Sequence[FileState]) -> FileState:
        commits = (recorded.commit,) if recorded.commit else ()
        place = states[0].place - 1 if states else 0
        return FileState(commits, recorded.repository, place=place)

    def build_agreement(self, pair: _Pair | None, *, is_proven: bool = True) -> Agreement | None:
        """Build the agreement of a pair. A merge with another text than the proposed one counts
        as the proposed one: the rest of the file's text is an edit. No decline counts as older
        than a pair that is not proven."""
        declined = self._declined(pair if is_proven else None)
        recorded = self.evidence.recorded
        if pair is None:
            return Agreement(None, None, None, None, declined) if declined else None
        if recorded is not None and (pair.state, pair.version) == (0, 0):
            return replace(recorded, declined=declined or recorded.declined)
        state, version = self.states[pair.state], self.versions[pair.version]
        commit = state.commits[-1] if state.commits else None
        return Agreement(version.digest, version.digest or "", version.number, commit, declined)

    def _declined(self, after: _Pair | None) -> DeclinedText | None:
        """Find the text that was declined since the agreement."""
        found = None
        for decision in self.evidence.decisions:
            if decision.kind is not DecisionKind.DECLINED or decision.platform is None:
                continue
            place = self._declined_at(decision)
            if place is not None and (after is None or place >= after.state):
                repository = decision.repository or ""
                found = found or DeclinedText(decision.platform, repository, decision.version)
        return found

    def _declined_at(self, decision: Decision) -> int | None:
        began = decision.repository or ""
        same = (n for n, s in enumerate(self.states) if _begins(s.digest, began))
        return max(same, default=None)

    def find_proven(self) -> Iterator[_Pair]:
        """Find the pairs that the record, a version's source commit, or a merged commit's
        trailers prove."""
        if self.begun:
            yield _Pair(0, 0)
        for at, version in enumerate(self.versions):
            if version.commit is not None and (place := self._made_of(version)) is not None:
                yield _Pair(place, at)
            elif self.evidence.by_label and not version.held:
                yield from self._made_after(at, version)
        for place, state in enumerate(self.states):
            for number in state.proposed:
                for at in self._of_number(number):
                    yield _Pair(place, at)

    def _made_of(self, version: VersionState) -> int | None:
        """Find the state that a version was made of: the one its commit brought, or else the
        newest with the same text. After a recorded agreement only the commit counts: a file that
        went back to an earlier text has moved since."""
        same = [n for n, state in enumerate(self.states) if state.digest == version.digest]
        named = [n for n in same if version.commit in self.states[n].commits]
        return max(named or (() if self.begun else same), default=None)

    def _made_after(self, at: int, version: VersionState) -> Iterator[_Pair]:
        """Find the pairs of a version with the file's text that was saved after the file had it:
        it was probably made of the file, and the label moved with it."""
        for place, state in enumerate(self.states):
            if state.at is None or version.at is None or state.digest != version.digest:
                continue
            if version.at >= state.at:
                yield _Pair(place, at)

    def _of_number(self, number: int | None) -> list[int]:
        return [at for at, v in enumerate(self.versions) if v.number == number and number]

    def find_merged(self) -> Iterator[_Pair]:
        """Find the pairs of merged proposals."""
        for decision in self.evidence.decisions:
            place = decision.place
            if decision.kind is not DecisionKind.MERGED or place is None:
                continue
            if self._is_recorded_since(place):
                continue
            before = [n for n, s in enumerate(self.states) if s.place <= place]
            for at in self._of_number(decision.version):
                known = self.versions[at].digest
                if before and (known is None or known.startswith(decision.platform or "")):
                    yield _Pair(max(before), at)

    def _is_recorded_since(self, place: int) -> bool:
        return self.begun and place <= self.states[0].place

    def find_simultaneous(self) -> Iterator[_Pair]:
        """Find the pairs of equal texts whose times overlap, by the clocks of both sides."""
        for pair in self.find_equal():
            begin, end = self._span(self.states, pair.state)
            other_begin, other_end = self._span(self.versions, pair.version)
            if begin < other_end and other_begin < end:
                yield pair

    @staticmethod
    def _span(
        line: Sequence[FileState] | Sequence[VersionState], at: int
    ) -> tuple[datetime, datetime]:
        following = (each.at for each in line[at + 1 :] if each.at is not None)
        return line[at].at or _BEGINNING, next(following, _END)

    def find_equal(self) -> Iterator[_Pair]:
        """Find the pairs of equal texts, at any time."""
        for place, state in enumerate(self.states):
            for at, version in enumerate(self.versions):
                if state.digest is not None and state.digest == version.digest:
                    moment = max(state.at or _BEGINNING, version.at or _BEGINNING)
                    yield _Pair(place, at, moment=moment)

    def find_unproven_label(self) -> _Pair | None:
        """Find the place of a label without evidence. A version with the file's text may be the
        one a person moved the label away from, so the file's text must not replace the
        present one. Only without such a version has the file alone moved."""
        present, last = self.states[-1].digest, len(self.versions) - 1
        for at, version in enumerate(self.versions[:-1]):
            if present is not None and version.digest == present:
                return _Pair(len(self.states) - 1, at)
        same = [n for n, s in enumerate(self.states) if s.digest == self.versions[last].digest]
        return _Pair(max(same), last) if same else None


def _begins(digest: str | None, began: str) -> bool:
    """Whether a digest begins so; "" stands for a file that is not there."""
    return (digest or "").startswith(began) if began else digest is None
