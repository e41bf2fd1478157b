"""Reconcile one proposal: observe → diff → decide → apply.

Each stage takes values and returns one: ``observe_state`` a ProposalState, ``diff_proposal`` a
Look, ``decide_plan`` a Plan, ``apply`` an Outcome. Repeating it is harmless; killed anywhere, it is run
again. Nothing here knows which event, sweep or person asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bridge.errors import TransientError
from bridge.prompts.agreement import Agreement
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.planning.plan import ProposalPlan, build_decision_name, decide_plan
from bridge.prompts.planning.publication import PromptPublication
from bridge.prompts.planning.reconcile_context import ReconcileContext
from bridge.prompts.target import Proposal, Target
from bridge.reconcile.agreement_record import AgreementRecord
from bridge.reconcile.apply_plan import CreationPermit, apply_plan
from bridge.reconcile.decision_labels import apply_decision_labels
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.observe_proposal import ProposalObservation, diff_proposal
from bridge.reconcile.proposal_state import observe_state
from bridge.reconcile.publish_files import (
    PublishResult,
    build_published_agreements,
    describe_publish_result,
    publish_files,
)
from bridge.reconcile.target_diff import (
    build_target_observations,
    find_agreements,
    find_declined,
)
from bridge.reconcile.write_back_ids import write_back_ids
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.telemetry.log_context import span


def plan_proposal(
    context: MappingContext,
    index: PromptFileIndex,
    proposal: Proposal,
    reconcile_context: ReconcileContext,
    now: datetime,
) -> tuple[ProposalObservation, ProposalPlan]:
    """What was found, and what would be done about it. Changes nothing."""
    with span("observe"):
        state = observe_state(context, index, proposal)
        observation = diff_proposal(context, state, reconcile_context, now)
    return observation, decide_plan(observation.plan_input)


def reconcile_proposal(
    context: MappingContext,
    index: PromptFileIndex,
    proposal: Proposal,
    reconcile_context: ReconcileContext,
    *,
    now: datetime,
    permit: CreationPermit,
) -> ReconcileOutcome:
    """Bring one proposal in step with what both sides hold now.

    Raises TransientError (look again later) or PermanentError (a person has to act); everything
    that was done until then stays valid.
    """
    with span("observe"):
        state = observe_state(context, index, proposal)
        observation = diff_proposal(context, state, reconcile_context, now)
    plan = decide_plan(observation.plan_input)
    with span("carry out"):
        return apply(context, observation, plan, permit, now)


def apply(
    context: MappingContext,
    observation: ProposalObservation,
    plan: ProposalPlan,
    permit: CreationPermit,
    now: datetime,
) -> ReconcileOutcome:
    """Publish what was merged, move the labels that a decision moves, carry out the plan and
    record what both sides agree on; returns what came of it."""
    results = publish_files(context, observation.snapshot, observation.pending_publications)
    followed = apply_decision_labels(context, observation, results)
    outcome = write_back_ids(context, observation, plan) or apply_plan(
        context, observation, plan, permit
    )
    _record(context, observation, outcome, results, now)
    outcome = replace(
        _with_publications(outcome, results),
        observations=build_target_observations(observation.target_diffs),
        decided_pull_request=observation.decided_pull_request,
        moved_labels=followed.moved,
        selection=context.mapping.fingerprint,
    )
    if not followed.description:
        return outcome
    return replace(outcome, reason=f"{outcome.reason}; {followed.description}")


def _record(
    context: MappingContext,
    observation: ProposalObservation,
    outcome: ReconcileOutcome,
    results: Sequence[PublishResult],
    now: datetime,
) -> None:
    """Record what both sides agree on now. What was only proposed changes nothing of that."""
    published = build_published_agreements(context, observation.snapshot, results)
    all_declined = outcome.kind is ReconcileOutcomeKind.REJECTED
    declined = find_declined(
        one for one in observation.target_diffs if all_declined or one.declined
    )
    record = AgreementRecord(context, observation.snapshot)
    agreements = {**_find_superseded(record, observation), **declined, **published}
    if published or outcome.kind not in (
        ReconcileOutcomeKind.PROPOSED,
        ReconcileOutcomeKind.UPDATED,
    ):
        agreements = {
            **find_agreements(observation.target_diffs, observation.snapshot.commit),
            **agreements,
        }
    record.write(agreements, now)


def _find_superseded(
    record: AgreementRecord, observation: ProposalObservation
) -> dict[Target, Agreement]:
    """The agreements of what is proposed, without what was declined before: it is past as soon as
    something else is proposed."""
    proposed = {
        one.target: one.edit for one in observation.target_diffs if one.edit and not one.declined
    }
    return {
        target: replace(agreement, declined=None)
        for target, agreement in (record.read(proposed) if proposed else {}).items()
        if agreement.declined
        and agreement.declined.content not in (None, build_decision_name(proposed[target]))
    }


def _with_publications(
    outcome: ReconcileOutcome, results: Sequence[PublishResult]
) -> ReconcileOutcome:
    """What was published is the outcome where nothing else happened; it is told in any case, and so
    is what was refused."""
    for result in results:
        if isinstance(result.problem, TransientError):
            raise result.problem
    refused = tuple(
        (result.file.target, str(result.problem))
        for result in results
        if result.problem is not None and isinstance(result.file, PromptPublication)
    )
    words = [describe_publish_result(result) for result in results if result.problem is None]
    made = tuple(
        (result.file.target, result.published_version.version)
        for result in results
        if result.published_version is not None and isinstance(result.file, PromptPublication)
    )
    outcome = replace(outcome, refusals=(*outcome.refusals, *refused), published_versions=made)
    if outcome.kind not in (ReconcileOutcomeKind.REPOSITORY_AHEAD, ReconcileOutcomeKind.IN_STEP):
        return replace(outcome, reason="; ".join([outcome.reason, *words]))
    if refused:
        return replace(outcome, kind=ReconcileOutcomeKind.PARKED, reason=refused[0][1])
    if not words:
        return outcome
    return replace(outcome, kind=ReconcileOutcomeKind.PUBLISHED, reason="; ".join(words))
