"""Observe one proposal: its pull requests, its branch and the base branch, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.config.mapping import Group
from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.memory import Memory, recall
from bridge.prompts.plan import find_open, select_pull_requests
from bridge.prompts.target import Proposal
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Snapshot
from bridge.steps.branch import Tip, tip_of
from bridge.steps.branch_files import BranchFiles
from bridge.steps.closing import discount_closing
from bridge.steps.kept import Kept
from bridge.steps.observe import BaseFiles
from bridge.steps.site import Site


@dataclass(frozen=True)
class ProposalState:
    """What the forge and git hold of one proposal."""

    proposal: Proposal
    files: BaseFiles  # of the base branch
    pull_requests: tuple[PullRequest, ...]  # newest first
    newest_memory: Memory | None  # of the open pull request, else of the newest one
    memory: Memory | None  # of the open pull request
    branch_tip: Tip | None  # whatever the branch stands for
    tip: Tip | None  # the same, but for a branch that stands for nothing any more
    kept: Kept  # what the branch proposes already
    branch: BranchFiles | None  # where people worked on it

    @property
    def is_merged(self) -> bool:
        """Whether all of the branch has reached the base: nothing of it is proposed any more."""
        return _is_merged(self.tip, self.pull_requests)


def observe_state(site: Site, index: FileIndex, proposal: Proposal) -> ProposalState:
    """Read a proposal from the forge and from git. The forge is asked before git, so that a pull
    request merged in between is seen as merged by both, or by git alone."""
    found = tuple(site.forge.pull_requests(proposal.branch))
    snapshot = site.fetch()
    there = proposal.branch in snapshot.branches
    pulls = discount_closing(site, select_pull_requests(found, snapshot.base), branch_exists=there)
    open_ = find_open(pulls, snapshot.base)
    newest = open_ or (pulls[0] if pulls else None)
    memory = recall(newest.body) if newest else None
    branch_tip = _tip(site, snapshot, proposal.branch, newest, memory, found)
    tip = _leave_declined(site, branch_tip, newest, memory)
    base = BaseFiles.at(site, snapshot, snapshot.commit, index)
    kept = Kept(base, tip)
    branch = BranchFiles.read(base, tip, memory) if tip is not None and tip.people else None
    now_open = memory if open_ else None
    return ProposalState(proposal, base, pulls, memory, now_open, branch_tip, tip, kept, branch)


def _tip(
    site: Site,
    snapshot: Snapshot,
    branch: str,
    newest: PullRequest | None,
    memory: Memory | None,
    found: Sequence[PullRequest],
) -> Tip | None:
    """The branch's tip. Once it is merged, everybody's commits on it have reached the base: the
    next proposal starts from there, and names none of those who worked on this one. What a pull
    request remembers of its branch is about that branch as long as it is open, or as it was then."""
    about_it = newest is not None and (
        newest.state is PullRequestState.OPEN or newest.head_commit == snapshot.branches.get(branch)
    )
    tip = tip_of(site, snapshot, branch, memory=memory if about_it else None)
    if tip is None or not _is_merged(tip, found):
        return tip
    return Tip(tip.commit, False, None, None)


def _leave_declined(
    site: Site, tip: Tip | None, newest: PullRequest | None, memory: Memory | None
) -> Tip | None:
    """The branch of a closed pull request stands for nothing: what comes next begins afresh. What
    people wrote on one stays, but for a rolling one that they declined with all that is on it."""
    if tip is None or newest is None or newest.state is not PullRequestState.CLOSED:
        return tip
    if newest.head_commit != tip.commit.object_name:
        return tip  # the bridge was killed before it had opened the next one
    rolling = site.mapping.pull_request.group is Group.MAPPING
    withdrawn = memory is not None and memory.withdrawn
    if tip.people and (withdrawn or not rolling):
        return tip
    return Tip(tip.commit, False, None, None)


def _is_merged(tip: Tip | None, pulls: Sequence[PullRequest]) -> bool:
    """Whether all of the branch has reached the base: nothing of it is proposed any more."""
    if tip is None or not pulls or pulls[0].state is not PullRequestState.MERGED:
        return False
    return pulls[0].head_commit == tip.commit.object_name
