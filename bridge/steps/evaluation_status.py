"""The commit status that says that a proposal waits for its evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import BridgeError
from bridge.evals.telling import STATUS, WAITING
from bridge.forge.base import PullRequest, StatusState
from bridge.prompts.memory import recall
from bridge.steps.look import Look
from bridge.steps.site import Site


@dataclass(frozen=True)
class EvaluationStatus:
    """The commit that has a status, for the pull request to remember; or what kept it from
    having one."""

    commit: str | None = None
    problem: BridgeError | None = None


def request_evaluation(
    site: Site, look: Look, open_: PullRequest | None, commit: str
) -> EvaluationStatus:
    """Say on ``commit``, the branch's newest, that it waits, where the mapping requires
    evaluations. What an evaluation said there already stays. A commit that was just pushed has
    nothing said on it, and one that the pull request remembers costs no request."""
    if not site.mapping.evals.required:
        return EvaluationStatus()
    before = recall(open_.body) if open_ is not None else None
    if before is not None and before.status_commit == commit:
        return EvaluationStatus(commit)
    forge = site.forge
    try:
        if commit != look.tip_name or forge.status(commit, STATUS) is None:
            forge.set_status(commit, STATUS, StatusState.PENDING, WAITING, None)
    except BridgeError as problem:
        return EvaluationStatus(problem=problem)
    return EvaluationStatus(commit)
