"""Reconcile one proposal: observe → diff → decide → apply.

Each stage takes values and returns one: ``read_proposal_state`` a ProposalState, ``diff_proposal`` a
ProposalObservation, ``decide_plan`` a ProposalPlan, ``apply`` a ReconcileOutcome. Repeating it is
harmless: after a kill it runs again. No stage depends on which event, resync or person asked for it.
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
from bridge.reconcile.apply_plan import apply_plan
from bridge.reconcile.decision_labels import apply_decision_labels
from bridge.reconcile.mapping_context import MappingContext, ReconcileCallbacks
from bridge.reconcile.observe_proposal import ProposalObservation, diff_proposal
from bridge.reconcile.proposal_state import read_proposal_state
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
    find_ended,
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
    """Observe the proposal and decide the plan. Changes nothing."""
    with span("observe"):
        state = read_proposal_state(context, index, proposal)
        observation = diff_proposal(context, state, reconcile_context, now)
    return observation, decide_plan(observation.plan_input)


def reconcile_proposal(
    context: MappingContext,
    index: PromptFileIndex,
    proposal: Proposal,
    reconcile_context: ReconcileContext,
    *,
    now: datetime,
    callbacks: ReconcileCallbacks,
) -> ReconcileOutcome:
    """Bring one proposal in step with PromptLayer and the base branch.

    Raises TransientError (reconcile again later) or PermanentError (a person has to act); every
    change that was made before stays valid.
    """
    observation, plan = plan_proposal(context, index, proposal, reconcile_context, now)
    with span("carry out"):
        return apply(context, observation, plan, callbacks, now)


def apply(
    context: MappingContext,
    observation: ProposalObservation,
    plan: ProposalPlan,
    callbacks: ReconcileCallbacks,
    now: datetime,
) -> ReconcileOutcome:
    """Publish merged files, move the labels that a decision moves, apply the plan and record the
    agreement of both sides."""
    results = publish_files(context, observation.snapshot, observation.pending_publications)
    label_changes = apply_decision_labels(context, observation, results)
    outcome = write_back_ids(context, observation, plan) or apply_plan(
        context, observation, plan, callbacks
    )
    _record(context, observation, outcome, results, now)
    outcome = replace(
        _with_publications(outcome, results),
        observations=build_target_observations(observation.target_diffs),
        decided_pull_request=observation.decided_pull_request,
        moved_labels=label_changes.moved,
        selection=context.mapping.fingerprint,
    )
    if not label_changes.description:
        return outcome
    return replace(outcome, reason=f"{outcome.reason}; {label_changes.description}")


def _record(
    context: MappingContext,
    observation: ProposalObservation,
    outcome: ReconcileOutcome,
    results: Sequence[PublishResult],
    now: datetime,
) -> None:
    """Record the agreements of both sides. A proposal alone changes none of them."""
    published = build_published_agreements(context, observation.snapshot, results)
    all_declined = outcome.kind is ReconcileOutcomeKind.REJECTED
    declined = find_declined(
        [one for one in observation.target_diffs if all_declined or one.declined],
        observation.snapshot.commit,
    )
    record = AgreementRecord(context, observation.snapshot)
    ended = find_ended(observation.target_diffs)
    agreements = {**_find_superseded(record, observation), **ended, **declined, **published}
    if published or outcome.kind not in (
        ReconcileOutcomeKind.PROPOSED,
        ReconcileOutcomeKind.UPDATED,
    ):
        agreements = {
            **find_agreements(observation.target_diffs, observation.snapshot.commit),
            **agreements,
        }
    record.write(agreements, now, published)


def _find_superseded(
    record: AgreementRecord, observation: ProposalObservation
) -> dict[Target, Agreement]:
    """Find the agreements of proposed targets, without an earlier decline: proposing something
    else ends it."""
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
    """Add the publications and refusals to the outcome; where nothing else happened, publishing
    is the outcome."""
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
