"""Find the changes that people declined: closing a pull request declines each change in it.

The newest pull request that proposed a change of a target decides. Where its hidden line does not
name the target, its newest commit is read; where no pull request is left, as after a change of the
mapping's ``group``, the record in the repository is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.errors import BridgeError
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.plan import (
    FileEdit,
    build_content_name,
    build_decision_name,
    compute_content_name,
)
from bridge.prompts.pull_request.metadata import parse_metadata
from bridge.prompts.target import Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.proposal_branch import BranchTip
from bridge.reconcile.read_sources import BaseFiles, read_files
from bridge.reconcile.target_diff import DeclinedChange


@dataclass
class DeclinedChanges:
    """The decisions of one proposal's pull requests, the newest first."""

    base_files: BaseFiles
    pull_requests: Sequence[PullRequest]
    tip: BranchTip | None  # of the branch
    _heads: dict[int, Mapping[Target, str]] = field(default_factory=dict)

    def find(self, edits: Mapping[Target, FileEdit]) -> dict[Target, DeclinedChange]:
        """Find the edits that people declined, with the pull request that each was declined on."""
        found = dict[Target, DeclinedChange]()
        undecided = list[Target]()
        for target, edit in edits.items():
            proposals = list(self._find_proposals(target, edit))
            same = [pull for pull, is_same in proposals if is_same]
            if proposals and proposals[0][1] and _is_declined(same[0]):
                found[target] = DeclinedChange(same[0])
            elif not any(p.state is PullRequestState.OPEN or _is_declined(p) for p in same):
                undecided.append(target)  # a decision on a pull request outweighs the record
        return found | self._find_recorded(undecided, edits)

    def _find_proposals(self, target: Target, edit: FileEdit) -> Iterator[tuple[PullRequest, bool]]:
        """The pull requests that proposed a change of a target, and whether it was this one."""
        for pull in self.pull_requests:
            metadata = parse_metadata(pull.body)
            named = metadata.find_content(target) if metadata else None
            if named is not None:
                yield pull, named == build_decision_name(edit)
            elif (metadata is None or metadata.names_few) and pull is self._last_declined:
                changed = self._read_head(pull).get(target)
                if changed is not None:
                    yield pull, changed == build_content_name(edit)

    @property
    def _last_declined(self) -> PullRequest | None:
        return next((pull for pull in self.pull_requests if _is_declined(pull)), None)

    def _read_head(self, pull: PullRequest) -> Mapping[Target, str]:
        """Read the changes in a pull request's newest commit: target → name of its content."""
        if pull.number not in self._heads:
            try:
                self._heads[pull.number] = self._read_changes(pull.head_commit)
            except BridgeError:  # the server has it no longer
                self._heads[pull.number] = {}
        return self._heads[pull.number]

    def _read_changes(self, head: str) -> Mapping[Target, str]:
        snapshot, context = self.base_files.snapshot, self.base_files.context
        if self.tip is not None and self.tip.commit.object_id == head:
            onto = self.tip.base_commit_id
        else:
            onto = next(iter(snapshot.read_commit(head).parents), None)
        if onto is None:
            return {}
        changes = snapshot.find_changes(onto, head, context.folder)
        left = {path: after for path, (_, after) in changes.items() if after}
        went = {path: before for path, (before, after) in changes.items() if before and not after}
        files = read_files(snapshot, left, left)
        removed = {
            target: compute_content_name(None)
            for target in self.base_files.find_target_by_path(went).values()
        }
        return removed | {
            target: compute_content_name(files[path].prompt)
            for path, target in self.base_files.find_target_by_path(left).items()
        }

    def _find_recorded(
        self, targets: Sequence[Target], edits: Mapping[Target, FileEdit]
    ) -> dict[Target, DeclinedChange]:
        if not targets:
            return {}
        recorded = AgreementRecord(self.base_files.context, self.base_files.snapshot).read(targets)
        return {
            target: DeclinedChange(None)
            for target, agreement in recorded.items()
            if agreement.declined
            and agreement.declined.content == build_decision_name(edits[target])
        }


def _is_declined(pull: PullRequest) -> bool:
    metadata = parse_metadata(pull.body)
    closed = pull.state is PullRequestState.CLOSED
    return closed and not (metadata is not None and metadata.withdrawn)
