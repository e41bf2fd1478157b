"""The commit status that says that a proposal waits for its evaluation."""

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
    """The commit that has a status, for the pull request to remember; or what kept it from
    having one."""

    commit: str | None = None
    problem: BridgeError | None = None


def request_evaluation(
    context: MappingContext,
    observation: ProposalObservation,
    open_: PullRequest | None,
    commit: str,
) -> EvaluationStatus:
    """Say on ``commit``, the branch's newest, that it waits, where the mapping requires
    evaluations. What an evaluation said there already stays. A commit that was just pushed has
    nothing said on it, and one that the pull request remembers costs no request."""
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
