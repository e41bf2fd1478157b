"""List the earlier pull requests of a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.forge.forge import PullRequest
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.pull_request_closing import mark_undecided_closing


class ProposalHistory(Protocol):
    """The pull requests of targets' proposals."""

    @property
    def is_cached(self) -> bool:
        """Whether they are read already, so that listing costs no request."""

    def list_pull_requests(self, target: Target, name: str, /) -> Sequence[PullRequest]:
        """List the pull requests of a target, the newest first; ``name`` is the prompt's."""


@dataclass(frozen=True)
class KnownProposalHistory:
    """The pull requests of the one proposal that is reconciled."""

    pull_requests: Sequence[PullRequest]
    is_cached: bool = True

    def list_pull_requests(self, _target: Target, _name: str) -> Sequence[PullRequest]:
        return self.pull_requests


@dataclass
class ForgeProposalHistory:
    """Requests the pull requests from the forge, once for each proposal."""

    context: MappingContext
    is_cached: bool = False
    _known: dict[Proposal, Sequence[PullRequest]] = field(default_factory=dict)

    def list_pull_requests(self, target: Target, name: str) -> Sequence[PullRequest]:
        proposal = self.context.build_proposal(name, target)
        if proposal not in self._known:
            found = self.context.forge.list_pull_requests(proposal.branch)
            self._known[proposal] = mark_undecided_closing(self.context, found, branch_exists=True)
        return self._known[proposal]
