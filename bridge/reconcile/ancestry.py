"""Find the last agreement of a target's two sides, from the record, the file's history on the
base branch, PromptLayer's versions and people's decisions. Each source is read only where the
ones before do not suffice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.forge.forge import PullRequestState
from bridge.prompts.agreement import (
    Agreement,
    AgreementEvidence,
    Decision,
    DecisionKind,
    VersionState,
    find_agreement,
)
from bridge.prompts.planning.drift import BaseBranchFile, DriftStatus, compare_sides
from bridge.prompts.prompt import LATEST, Prompt, parse_timestamp
from bridge.prompts.pull_request.metadata import PullRequestMetadata, parse_metadata
from bridge.prompts.target import Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.file_history import FileHistory, FileLine, build_present_line
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.overtaken_versions import (
    find_overtaken,
    is_of_another_label,
    is_published_from_other_label,
)
from bridge.reconcile.proposal_history import ProposalHistory
from bridge.reconcile.read_sources import BaseFiles, PlatformPrompt, PlatformReader

_REACH = 20  # versions that are walked back


@dataclass(frozen=True)
class CommonAncestor:
    """The last state that both sides of a target agreed on, with the texts that were read to
    find it."""

    agreement: Agreement
    texts: Mapping[str, Prompt] = field(default_factory=dict)  # by digest

    def find_text(self, platform: PlatformReader, prompt_id: int | None) -> Prompt | None:
        """PromptLayer's text of the agreement, to merge the changes of both sides since; None
        where it cannot be read any more."""
        wanted = self.agreement.platform or self.agreement.repository
        if wanted is None:
            return None
        if wanted in self.texts:
            return self.texts[wanted]
        if prompt_id is None or self.agreement.version is None:
            return None
        version = platform.read_version(prompt_id, self.agreement.version)
        return version if version is not None and version.digest == wanted else None


@dataclass
class AncestorFinder:
    """Finds the ancestors of the targets that are diffed together."""

    context: MappingContext
    platform: PlatformReader
    history: FileHistory
    recorded: Mapping[Target, Agreement]
    pull_requests: ProposalHistory

    def find(
        self,
        target: Target,
        platform_prompt: PlatformPrompt,
        file: BaseBranchFile | None,
    ) -> CommonAncestor | None:
        """Find the last state that both sides agreed on; None where there is no evidence of one,
        or where both say the same and nothing is recorded."""
        recorded = self.recorded.get(target)
        prompt = platform_prompt.prompt
        declined = recorded.declined if recorded is not None else None
        if recorded is not None and recorded.repository is None and file is not None:
            recorded = None  # only a decline is recorded
        if file is None and recorded is not None and self.history.is_elsewhere(recorded.commit):
            recorded = None  # of another base branch, where the file is
        if file is None or (prompt and file.prompt and prompt.digest == file.prompt.digest):
            return CommonAncestor(recorded) if recorded else None
        if recorded is not None and recorded.platform is None:
            ended = self._find_end(self._line(target, file, recorded))
            if ended is not None:
                return ended
        if recorded is not None and self._is_enough(recorded, target, prompt):
            return CommonAncestor(recorded)
        line = self._line(target, file, recorded)
        if prompt is None:
            return self._without_prompt(target, file, line)
        found = self._found(target, prompt, file, line, recorded)
        if found is not None and declined is not None and found.agreement.declined is None:
            found = replace(found, agreement=replace(found.agreement, declined=declined))
        return found

    def _find_end(self, line: FileLine) -> CommonAncestor | None:
        """Find the state at which a target was on neither side: the file went after PromptLayer's
        text had gone. What came later is new."""
        for state in line.states:
            if state.digest is None and self.history.is_absent(state.commits, line.paths):
                return CommonAncestor(Agreement(None, None, None, state.commits[-1]))
        return None

    def needs_history(
        self,
        target: Target,
        held: Mapping[Target, PlatformPrompt],
        found: Mapping[Target, BaseBranchFile],
    ) -> bool:
        """Whether the history of the target's file has to be read."""
        if target not in found:
            return False
        recorded = self.recorded.get(target)
        if recorded is not None and recorded.repository is None:
            return True
        return recorded is None or not self._is_enough(recorded, target, held[target].prompt)

    def _is_enough(self, recorded: Agreement, target: Target, prompt: Prompt | None) -> bool:
        """Whether one side cannot have moved since. A label may have gone away and come back."""
        if prompt is None or recorded.commit == self.history.base_files.commit:
            return True
        return target.label == LATEST and prompt.version == recorded.version is not None

    def _line(self, target: Target, file: BaseBranchFile, recorded: Agreement | None) -> FileLine:
        since = recorded.commit if recorded else None
        if since == self.history.base_files.commit:
            return build_present_line(file, since)
        return self.history.read_line(target, file, since)

    def _without_prompt(
        self, target: Target, file: BaseBranchFile, line: FileLine
    ) -> CommonAncestor | None:
        """Find the agreement on a prompt that PromptLayer has no longer: a version that was
        merged into the file existed once."""
        name = file.prompt.name if file.prompt else ""
        merged = [d for d in self._decisions(target, name) if d.kind is DecisionKind.MERGED]
        for state in reversed(line.states):
            merged_numbers = (
                d.version for d in merged if d.place is not None and d.place >= state.place
            )
            version = next(iter((*state.proposed, *merged_numbers)), None)
            if version is not None and state.digest is not None:
                return CommonAncestor(Agreement(None, state.digest, version, state.commits[-1]))
        return None

    def _found(
        self,
        target: Target,
        prompt: Prompt,
        file: BaseBranchFile,
        line: FileLine,
        recorded: Agreement | None,
    ) -> CommonAncestor | None:
        reading = _VersionEvidenceReader(self, target, prompt, line, recorded)
        asked = self.pull_requests.is_cached
        decisions = self._decisions(target, prompt.name) if asked else ()
        agreement = find_agreement(reading.build_evidence(file, decisions))
        if not asked and _have_both_moved(agreement, prompt, file):
            decisions = self._decisions(target, prompt.name)
            agreement = find_agreement(reading.build_evidence(file, decisions))
        if agreement is None or agreement.repository is None:
            agreement = reading.find_hinted_agreement(file, agreement or self.recorded.get(target))
        if _have_both_moved(agreement, prompt, file):
            agreement = self._with_other_labels(target, prompt, agreement)
        return CommonAncestor(agreement, {**line.texts, **reading.texts}) if agreement else None

    def _with_other_labels(
        self, target: Target, held: Prompt, agreed: Agreement | None
    ) -> Agreement | None:
        """Move the agreement to the newest version where that was published from another label's
        file: such a version is no edit of this target."""
        base_files = self.history.base_files
        if agreed is None or not is_of_another_label(base_files, target, held, agreed):
            return agreed
        if find_overtaken(base_files, self.platform, target, held, agreed):
            return agreed
        return replace(agreed, platform=held.digest, version=held.version)

    def _decisions(self, target: Target, name: str) -> tuple[Decision, ...]:
        """Find people's decisions on a target's pull requests. Of the declined ones only the
        newest counts: a later pull request asked people again."""
        found, is_newest = [], True
        for pull in self.pull_requests.list_pull_requests(target, name):
            metadata = parse_metadata(pull.body)
            declined = _find_declined(target, metadata) if metadata else None
            if metadata is None or declined is None:
                continue  # it is about other prompts
            is_newest, was_newest = False, is_newest
            if metadata.withdrawn or target.prompt_id in metadata.adopted:
                continue  # who closes what was chosen goes back on the choice
            if pull.state is PullRequestState.MERGED:
                place = self.history.place(pull.merge_commit)
                found.append(replace(declined, kind=DecisionKind.MERGED, place=place))
            elif pull.state is PullRequestState.CLOSED and was_newest:
                found.append(declined)
        return tuple(found)


def build_ancestry(
    base_files: BaseFiles,
    platform: PlatformReader,
    pull_requests: ProposalHistory,
    held: Mapping[Target, PlatformPrompt],
    found: Mapping[Target, BaseBranchFile],
) -> AncestorFinder:
    """Build the finder for all of these targets; the histories of the files that differ are read
    together."""
    record = AgreementRecord(base_files.context, base_files.snapshot)
    differing = [target for target in held if _differ(held[target].prompt, found.get(target))]
    if any(target.label != LATEST for target in differing):
        record.fetch()  # others may have moved a label, which no branch shows
    mapping = base_files.context.mapping
    is_overtaken = mapping.publish and len(mapping.track) > 1  # perhaps, although it is in step
    recorded = record.read(held if is_overtaken else differing)
    since = {recorded[target].commit or "" if target in recorded else "" for target in differing}
    history = FileHistory(base_files, since)
    ancestry = AncestorFinder(base_files.context, platform, history, recorded, pull_requests)
    moved = [
        found[target].path for target in differing if ancestry.needs_history(target, held, found)
    ]
    if len(moved) > 1:
        history.prepare(moved)
    return ancestry


def _differ(held: Prompt | None, file: BaseBranchFile | None) -> bool:
    text = file.prompt if file else None
    return held is None or text is None or held.digest != text.digest


def _have_both_moved(agreement: Agreement | None, held: Prompt, file: BaseBranchFile) -> bool:
    return compare_sides(held, file, agreement).status is DriftStatus.BOTH_MOVED


def _find_declined(target: Target, metadata: PullRequestMetadata) -> Decision | None:
    """The decision of closing a pull request; None where it proposes nothing of the target."""
    version = metadata.find_version(target)
    if version is None:
        return None
    platform, repository = metadata.find_digests(target) or (None, None)
    return Decision(DecisionKind.DECLINED, version, platform, repository)


class _VersionEvidenceReader:
    """Reads the versions that are evidence of one target's last agreement."""

    def __init__(
        self,
        ancestry: AncestorFinder,
        target: Target,
        held: Prompt,
        line: FileLine,
        recorded: Agreement | None,
    ) -> None:
        self.texts: dict[str, Prompt] = {held.digest: held}
        self._ancestry = ancestry
        self._target = target
        self._held = held
        self._line = line
        self._recorded = recorded

    def build_evidence(
        self, file: BaseBranchFile, decisions: tuple[Decision, ...]
    ) -> AgreementEvidence:
        """All that is known of the target, with what people decided about it."""
        by_label = self._target.label != LATEST
        if self._recorded is not None and len(self._line.states) == 1:
            versions = self._answered(decisions)  # the file has not moved
        else:
            versions = self._of_label() if by_label else self._of_latest(file)
        return AgreementEvidence(self._line.states, versions, self._recorded, decisions, by_label)

    def _answered(self, decisions: tuple[Decision, ...]) -> tuple[VersionState, ...]:
        """Read the versions that were merged for an unchanged file: a reviewer may have merged a
        proposal with the repository's text."""
        numbers = {number for state in self._line.states for number in state.proposed}
        numbers |= {each.version for each in decisions if each.version and each.place is not None}
        known = {self._held.version, self._recorded.version if self._recorded else None}
        found = [self._version(number) for number in sorted(numbers - known)]
        return (*(version for version in found if version is not None), self._state(self._held))

    def find_hinted_agreement(
        self, file: BaseBranchFile, known: Agreement | None
    ) -> Agreement | None:
        """Find the agreement that the file's version number hints at, used where there is no
        evidence; a decline in ``known`` stays in it."""
        number = file.prompt.version if file.prompt else None
        version = self._version(number) if number else None
        if version is None or version.digest is None:
            return known
        declined = known.declined if known else None
        return Agreement(version.digest, version.digest, version.number, None, declined)

    def _of_latest(self, file: BaseBranchFile) -> tuple[VersionState, ...]:
        present = self._state(self._held)
        if self._recorded is None and len(self._line.states) == 1:
            number = file.prompt.version if file.prompt else None
            named = self._version(number) if number else None
            if named is not None and named.digest == self._line.states[0].digest:
                return (named, present) if named.number != present.number else (present,)
        newest = self._held.version or 0
        return (*reversed(list(self._walked(newest - 1))), present)

    def _of_label(self) -> tuple[VersionState, ...]:
        """Read the versions that the label may have been on: those that were published with it,
        and those that were merged for it."""
        newest = self._ancestry.platform.read_newest(self._target.prompt_id)
        found = {v.number: v for v in self._walked((newest.version if newest else None) or 0)}
        for state in self._line.states:
            for number in state.proposed:
                found.setdefault(number, VersionState(number, None))
        found.pop(self._held.version, None)
        numbered = (found[number] for number in sorted(found, key=lambda each: each or 0))
        return (*numbered, self._state(self._held))

    def _walked(self, newest: int) -> Sequence[VersionState]:
        """The newest first."""
        oldest = (self._recorded.version if self._recorded else None) or 0
        found = []
        for number in range(newest, max(oldest, newest - _REACH), -1):
            version = self._version(number)
            if version is not None:
                found.append(version)
                if self._recorded is None and self._is_proven(version):
                    break
        return found

    def _is_proven(self, version: VersionState) -> bool:
        return version.commit is not None and any(
            version.commit in state.commits and version.digest == state.digest
            for state in self._line.states
        )

    def _version(self, number: int) -> VersionState | None:
        if number == self._held.version:
            prompt: Prompt | None = self._held
        else:
            prompt = self._ancestry.platform.read_version(self._target.prompt_id, number)
        if prompt is None:
            return None
        self.texts[prompt.digest] = prompt
        return self._state(prompt)

    def _is_said_here(self, prompt: Prompt) -> bool:
        return prompt.digest in {state.digest for state in self._line.states}

    def _state(self, prompt: Prompt) -> VersionState:
        source = prompt.source
        mapping = self._ancestry.context.mapping
        ours = source is not None and source.repository.casefold() == mapping.repository.casefold()
        here = source is not None and ours and source.path in self._line.paths
        is_made_elsewhere = source is not None and not here
        if source is None and self._target.label != LATEST and self._is_said_here(prompt):
            base_files = self._ancestry.history.base_files
            is_made_elsewhere = is_published_from_other_label(base_files, self._target, prompt)
        created = prompt.created_at
        return VersionState(
            number=prompt.version,
            digest=prompt.digest,
            at=parse_timestamp(created) if created and not is_made_elsewhere else None,
            commit=source.commit if source is not None and here else None,
            held=here,
        )
