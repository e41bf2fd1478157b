"""The branches of a mapping, as a scan needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.config.mapping_settings import PullRequestGrouping
from bridge.errors import StaleStateError, UnsafePathError
from bridge.prompts.planning.plan import find_open
from bridge.prompts.pull_request.commit_message import parse_mapping_name, parse_trailers
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.proposal_branch import BranchTip, find_file_changes, read_branch_tip
from bridge.reconcile.read_sources import BaseFiles
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry


@dataclass(frozen=True)
class ProposalBranch:
    """A branch of the mapping: targets that every resync reconciles, and files that replace the
    base's while it is proposed."""

    proposal: Proposal
    targets: frozenset[Target]
    overlay: Mapping[str, TreeEntry | None]


def find_proposal_branches(
    context: MappingContext, snapshot: RepositorySnapshot, index: PromptFileIndex
) -> Iterator[ProposalBranch]:
    """Find the branches whose newest commit of the bridge names this mapping."""
    rolling = context.mapping.pull_request.group is PullRequestGrouping.MAPPING
    tips = snapshot.read_commits(snapshot.branches.values())
    for name in snapshot.branches:
        tip = read_branch_tip(context, snapshot, name, tips)
        if tip is None:
            continue
        proposal = Proposal(context.mapping.name, name)
        if tip.trailer_commit is None:
            if reworded := _find_reworded(context, snapshot, index, name, tip):
                yield ProposalBranch(proposal, reworded, {})
            continue
        if parse_mapping_name(tip.trailer_commit.message) != context.mapping.name:
            continue
        if rolling:
            yield _rolling(context, snapshot, index, proposal, tip)
        else:
            yield ProposalBranch(proposal, _trailed(context, tip.trailer_commit.message), {})


def _find_reworded(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    index: PromptFileIndex,
    branch: str,
    tip: BranchTip,
) -> frozenset[Target]:
    """Find the targets of a branch whose commit messages lost the trailers: the targets of its
    files whose proposal it is."""
    if tip.base_commit_id is None:
        return frozenset()
    try:
        changes = snapshot.find_changes(tip.base_commit_id, tip.commit.object_id, context.folder)
    except StaleStateError:  # the base was rewritten and the server forgot what the branch stood on
        return frozenset()
    left = {path: entry for path, (_, entry) in changes.items() if entry}
    base_files = BaseFiles.read_at_commit(context, snapshot, tip.commit.object_id, index)
    found = base_files.find(
        {target: path for path, target in base_files.find_target_by_path(left).items()}
    )
    return frozenset(
        target
        for target, file in found.items()
        if file.prompt and _is_branch_of(context, file.prompt.name, target, branch)
    )


def _is_branch_of(context: MappingContext, name: str, target: Target, branch: str) -> bool:
    try:
        return context.build_proposal(name, target).branch == branch
    except UnsafePathError:
        return False


def _trailed(context: MappingContext, message: str) -> frozenset[Target]:
    return frozenset(
        Target(context.mapping.name, found.prompt_id, found.label)
        for found in parse_trailers(message)
    )


def _rolling(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    index: PromptFileIndex,
    proposal: Proposal,
    tip: BranchTip,
) -> ProposalBranch:
    """Read the mapping's one rolling branch. One target of it is reconciled to make sure of its
    pull request; its files replace the base's while that is open, so that an existing
    proposal is not diffed prompt by prompt. The branch of a closed pull request counts for
    nothing."""
    base_files = BaseFiles.read_at_commit(context, snapshot, snapshot.commit, index)
    overlay = {
        path: after for path, (_, after) in find_file_changes(context, snapshot, tip).items()
    }
    owned = sorted(
        base_files.find_target_by_path(
            {path: entry for path, entry in overlay.items() if entry}
        ).values()
    )
    some = owned[:1] or sorted(_trailed(context, tip.commit.message))[:1]
    is_open = (
        find_open(context.forge.list_pull_requests(proposal.branch), snapshot.base) is not None
    )
    return ProposalBranch(proposal, frozenset(some), overlay if is_open else {})
