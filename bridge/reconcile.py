"""Reconcile: observe → compare → plan → carry out, for one proposal.

Repeating it is harmless; killed anywhere, it is run again. Nothing here knows which event, sweep
or person asked for it.
"""

from __future__ import annotations

from datetime import datetime

from bridge.carry_out import Permit, carry_out
from bridge.look import Look, look
from bridge.prompts.occasion import Occasion
from bridge.prompts.outcome import Outcome
from bridge.prompts.plan import Plan, decide
from bridge.prompts.target import Proposal
from bridge.repo.index import FileIndex
from bridge.site import Site


def preview(
    site: Site, index: FileIndex, proposal: Proposal, occasion: Occasion, now: datetime
) -> tuple[Look, Plan]:
    """What was found, and what would be done about it. Changes nothing."""
    found = look(site, index, proposal, occasion, now)
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
    found, plan = preview(site, index, proposal, occasion, now)
    return carry_out(site, found, plan, permit)
