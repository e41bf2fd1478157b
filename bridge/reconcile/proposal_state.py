"""Observe one proposal: its pull requests, its branch and the base branch, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.config.mapping_settings import PullRequestGrouping
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.planning.plan import find_open, select_proposal_pull_requests
from bridge.prompts.pull_request.metadata import PullRequestMetadata, parse_metadata
from bridge.prompts.target import Proposal
from bridge.reconcile.branch_files import BranchFiles
from bridge.reconcile.existing_edits import ExistingEdits
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.proposal_branch import BranchTip, read_branch_tip
from bridge.reconcile.pull_request_closing import mark_undecided_closing
from bridge.reconcile.read_sources import BaseFiles
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot


@dataclass(frozen=True)
class ProposalState:
    """The state of one proposal on the forge and in git."""

    proposal: Proposal
    base_files: BaseFiles  # of the base branch
    pull_requests: tuple[PullRequest, ...]  # newest first
    newest_metadata: PullRequestMetadata | None  # of the open pull request, else of the newest one
    metadata: PullRequestMetadata | None  # of the open pull request
    branch_tip: BranchTip | None  # also where the branch was merged or declined
    tip: BranchTip | None  # without the content of a branch that was merged or declined
    existing_edits: ExistingEdits  # what the branch proposes already
    branch: BranchFiles | None  # None without commits of people

    @property
    def is_merged(self) -> bool:
        """Whether all of the branch has reached the base: nothing of it is proposed any more."""
        return _is_merged(self.tip, self.pull_requests)


def read_proposal_state(
    context: MappingContext, index: PromptFileIndex, proposal: Proposal
) -> ProposalState:
    """Read a proposal from the forge and from git. The forge is read before git, so that a pull
    request merged in between is merged for both, or for git alone."""
    found = tuple(context.forge.list_pull_requests(proposal.branch))
    snapshot = context.fetch()
    there = proposal.branch in snapshot.branches
    pulls = mark_undecided_closing(
        context, select_proposal_pull_requests(found, snapshot.base), branch_exists=there
    )
    open_ = find_open(pulls, snapshot.base)
    newest = open_ or (pulls[0] if pulls else None)
    metadata = parse_metadata(newest.body) if newest else None
    branch_tip = _tip(context, snapshot, proposal.branch, newest, metadata, found)
    tip = _leave_declined(context, branch_tip, newest, metadata)
    base_files = BaseFiles.read_at_commit(context, snapshot, snapshot.commit, index)
    existing_edits = ExistingEdits(base_files, tip)
    branch = (
        BranchFiles.read(base_files, tip, metadata)
        if tip is not None and tip.has_commits_of_people
        else None
    )
    now_open = metadata if open_ else None
    return ProposalState(
        proposal, base_files, pulls, metadata, now_open, branch_tip, tip, existing_edits, branch
    )


def _tip(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    branch: str,
    newest: PullRequest | None,
    metadata: PullRequestMetadata | None,
    found: Sequence[PullRequest],
) -> BranchTip | None:
    """Read the branch's tip. Once it is merged, all commits on it are in the base: the next
    proposal starts from there, and names none of its authors. A pull request's metadata is
    about the branch as long as it is open, or while the branch is where it was when it was
    closed."""
    about_it = newest is not None and (
        newest.state is PullRequestState.OPEN or newest.head_commit == snapshot.branches.get(branch)
    )
    tip = read_branch_tip(context, snapshot, branch, metadata=metadata if about_it else None)
    if tip is None or not _is_merged(tip, found):
        return tip
    return BranchTip(tip.commit, False, None, None)


def _leave_declined(
    context: MappingContext,
    tip: BranchTip | None,
    newest: PullRequest | None,
    metadata: PullRequestMetadata | None,
) -> BranchTip | None:
    """Empty the tip of a declined branch: the next proposal begins anew. Commits of people stay,
    except on a rolling branch that was declined as a whole."""
    if tip is None or newest is None or newest.state is not PullRequestState.CLOSED:
        return tip
    if newest.head_commit != tip.commit.object_id:
        return tip  # the bridge was killed before it had opened the next one
    rolling = context.mapping.pull_request.group is PullRequestGrouping.MAPPING
    withdrawn = metadata is not None and metadata.withdrawn
    if tip.has_commits_of_people and (withdrawn or not rolling):
        return tip
    return BranchTip(tip.commit, False, None, None)


def _is_merged(tip: BranchTip | None, pulls: Sequence[PullRequest]) -> bool:
    """Whether all of the branch has reached the base: nothing of it is proposed any more."""
    if tip is None or not pulls or pulls[0].state is not PullRequestState.MERGED:
        return False
    return pulls[0].head_commit == tip.commit.object_id
