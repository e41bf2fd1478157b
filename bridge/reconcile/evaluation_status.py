"""Set the commit status of a proposal that waits for its evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import BridgeError
from bridge.evals.pull_request_feedback import STATUS_NAME, WAITING_TEXT
from bridge.forge.forge import PullRequest, StatusState
from bridge.prompts.pull_request.metadata import parse_metadata
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation


@dataclass(frozen=True)
class EvaluationStatus:
    """The commit whose status was set, for the hidden line, or the error that prevented it."""

    commit: str | None = None
    problem: BridgeError | None = None


def request_evaluation(
    context: MappingContext,
    observation: ProposalObservation,
    open_: PullRequest | None,
    commit: str,
) -> EvaluationStatus:
    """Set the pending status on ``commit``, the branch's newest, where the mapping requires
    evaluations. A status that an evaluation set before stays. A commit that was just pushed
    has no status, and one that the hidden line names needs no request."""
    if not context.mapping.evals.required:
        return EvaluationStatus()
    before = parse_metadata(open_.body) if open_ is not None else None
    if before is not None and before.status_commit == commit:
        return EvaluationStatus(commit)
    forge = context.forge
    try:
        if commit != observation.tip_commit_id or forge.read_status(commit, STATUS_NAME) is None:
            forge.set_commit_status(commit, STATUS_NAME, StatusState.PENDING, WAITING_TEXT, None)
    except BridgeError as problem:
        return EvaluationStatus(problem=problem)
    return EvaluationStatus(commit)
