"""Reconcile one proposal: observe → diff → decide → apply.

Each stage takes values and returns one: ``observe_state`` a ProposalState, ``diff_proposal`` a
Look, ``decide`` a Plan, ``apply`` an Outcome. Repeating it is harmless; killed anywhere, it is run
again. Nothing here knows which event, sweep or person asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bridge.errors import Transient
from bridge.prompts.agreement import Agreement
from bridge.prompts.occasion import Occasion
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.plan import Plan, decide, decision_name
from bridge.prompts.publication import Publication
from bridge.prompts.target import Proposal, Target
from bridge.repo.index import FileIndex
from bridge.steps.agreement_record import AgreementRecord
from bridge.steps.carry_out import Permit, carry_out
from bridge.steps.decision import follow_decision
from bridge.steps.look import Look, diff_proposal
from bridge.steps.proposal_state import observe_state
from bridge.steps.publish import Result, agreements_of, publish_all, told
from bridge.steps.seen import find_agreements, find_declined
from bridge.steps.site import Site
from bridge.steps.write_back import write_back
from bridge.telemetry.trail import step


def preview(
    site: Site, index: FileIndex, proposal: Proposal, occasion: Occasion, now: datetime
) -> tuple[Look, Plan]:
    """What was found, and what would be done about it. Changes nothing."""
    with step("observe"):
        state = observe_state(site, index, proposal)
        found = diff_proposal(site, state, occasion, now)
    return found, decide(found.situation)


def reconcile(
    site: Site,
    index: FileIndex,
    proposal: Proposal,
    occasion: Occasion,
    *,
    now: datetime,
    permit: Permit,
) -> Outcome:
    """Bring one proposal in step with what both sides hold now.

    Raises Transient (look again later) or Permanent (a person has to act); everything that was
    done until then stays valid.
    """
    with step("observe"):
        state = observe_state(site, index, proposal)
        found = diff_proposal(site, state, occasion, now)
    plan = decide(found.situation)
    with step("carry out"):
        return apply(site, found, plan, permit, now)


def apply(site: Site, found: Look, plan: Plan, permit: Permit, now: datetime) -> Outcome:
    """Publish what was merged, move the labels that a decision moves, carry out the plan and
    record what both sides agree on; returns what came of it."""
    results = publish_all(site, found.snapshot, found.publications)
    followed = follow_decision(site, found, results)
    outcome = write_back(site, found, plan) or carry_out(site, found, plan, permit)
    _record(site, found, outcome, results, now)
    outcome = replace(
        _with_publications(outcome, results),
        sights=found.sights,
        decided=found.decided,
        moved=followed.moved,
        selection=site.mapping.fingerprint,
    )
    if not followed.words:
        return outcome
    return replace(outcome, reason=f"{outcome.reason}; {followed.words}")


def _record(
    site: Site, found: Look, outcome: Outcome, results: Sequence[Result], now: datetime
) -> None:
    """Record what both sides agree on now. What was only proposed changes nothing of that."""
    published = agreements_of(site, found.snapshot, results)
    all_declined = outcome.kind is OutcomeKind.REJECTED
    declined = find_declined(one for one in found.seen if all_declined or one.declined)
    record = AgreementRecord(site, found.snapshot)
    agreements = {**_find_superseded(record, found), **declined, **published}
    if published or outcome.kind not in (OutcomeKind.PROPOSED, OutcomeKind.UPDATED):
        agreements = {**find_agreements(found.seen, found.snapshot.commit), **agreements}
    record.write(agreements, now)


def _find_superseded(record: AgreementRecord, found: Look) -> dict[Target, Agreement]:
    """The agreements of what is proposed, without what was declined before: it is past as soon as
    something else is proposed."""
    proposed = {one.target: one.edit for one in found.seen if one.edit and not one.declined}
    return {
        target: replace(agreement, declined=None)
        for target, agreement in (record.read(proposed) if proposed else {}).items()
        if agreement.declined
        and agreement.declined.content not in (None, decision_name(proposed[target]))
    }


def _with_publications(outcome: Outcome, results: Sequence[Result]) -> Outcome:
    """What was published is the outcome where nothing else happened; it is told in any case, and so
    is what was refused."""
    for result in results:
        if isinstance(result.problem, Transient):
            raise result.problem
    refused = tuple(
        (result.work.target, str(result.problem))
        for result in results
        if result.problem is not None and isinstance(result.work, Publication)
    )
    words = [told(result) for result in results if result.problem is None]
    made = tuple(
        (result.work.target, result.published.version)
        for result in results
        if result.published is not None and isinstance(result.work, Publication)
    )
    outcome = replace(outcome, refusals=(*outcome.refusals, *refused), published=made)
    if outcome.kind not in (OutcomeKind.REPOSITORY_AHEAD, OutcomeKind.IN_STEP):
        return replace(outcome, reason="; ".join([outcome.reason, *words]))
    if refused:
        return replace(outcome, kind=OutcomeKind.PARKED, reason=refused[0][1])
    if not words:
        return outcome
    return replace(outcome, kind=OutcomeKind.PUBLISHED, reason="; ".join(words))
