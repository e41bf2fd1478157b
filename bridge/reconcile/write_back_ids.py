"""Write back: the id of a prompt that was made of a file, committed straight to the base branch."""

from __future__ import annotations

import logging
from dataclasses import replace

from bridge.errors import ForbiddenError, RequestRefusedError
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.planning.plan import ProposalPlan, UpsertPullRequest
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation
from bridge.reconcile.proposal_branch import AuthoredMessage, write_commit
from bridge.reconcile.proposal_texts import build_commit_message, build_proposal_summary

log = logging.getLogger("bridge.write_back")


def write_back_ids(
    context: MappingContext, observation: ProposalObservation, plan: ProposalPlan
) -> ReconcileOutcome | None:
    """Commit to the base branch where a mapping wants that and nothing but ids is missing there.
    None where there is anything else to say, or where the branch takes no commit of the bridge:
    it is proposed then. Raises StaleStateError when the base branch moved meanwhile."""
    if context.mapping.write_back != "commit" or not isinstance(plan, UpsertPullRequest):
        return None
    if plan.pull_request is not None or not all(edit.change.adds_only_an_id for edit in plan.edits):
        return None
    changes = {edit.change.path: edit.text for edit in plan.edits}
    message = _build_message(context, observation, plan)
    snapshot = observation.snapshot
    commit = write_commit(context, snapshot, snapshot.commit, changes, message)
    try:
        observation.snapshot.push_branch(
            context.forge.create_git_remote(), observation.base, commit, observation.snapshot.commit
        )
    except (RequestRefusedError, ForbiddenError) as error:
        log.warning("%s: the id is proposed: %s", observation.proposal.branch, error)
        return None
    reason = f"its id was committed to {observation.base}"
    return ReconcileOutcome(
        ReconcileOutcomeKind.IN_STEP, reason, commit=commit, refusals=observation.refusals
    )


def _build_message(
    context: MappingContext, observation: ProposalObservation, plan: UpsertPullRequest
) -> AuthoredMessage:
    summary = replace(build_proposal_summary(context, observation, plan.edits, None), editors=())
    message = build_commit_message(
        context, observation.snapshot, summary, observation.trigger_events
    )
    return replace(message, author=context.bot.identity)
