"""Write back: the id of a prompt that was made of a file, committed straight to the base branch."""

from __future__ import annotations

import logging
from dataclasses import replace

from bridge.errors import Forbidden, Refused
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.plan import Plan, Propose
from bridge.repo.commit import CommitDraft
from bridge.steps.look import Look
from bridge.steps.site import Site
from bridge.steps.telling import message, story

log = logging.getLogger("bridge.write_back")


def write_back(site: Site, look: Look, plan: Plan) -> Outcome | None:
    """Commit to the base branch where a mapping wants that and nothing but ids is missing there.
    None where there is anything else to say, or where the branch takes no commit of the bridge:
    it is proposed then. Raises Stale when the base branch moved meanwhile."""
    if site.mapping.write_back != "commit" or not isinstance(plan, Propose):
        return None
    if plan.pull_request is not None or not all(edit.change.adds_only_an_id for edit in plan.edits):
        return None
    commit = look.snapshot.write(_draft(site, look, plan))
    try:
        look.snapshot.push(site.forge.git_remote(), look.base, commit, look.snapshot.commit)
    except (Refused, Forbidden) as error:
        log.warning("%s: the id is proposed: %s", look.proposal.branch, error)
        return None
    reason = f"its id was committed to {look.base}"
    return Outcome(OutcomeKind.IN_STEP, reason, commit=commit, refusals=look.refusals)


def _draft(site: Site, look: Look, plan: Propose) -> CommitDraft:
    told = replace(story(site, look, plan.edits, None), editors=())
    said = message(site, look.snapshot, told, look.causes)
    return CommitDraft(
        parent=look.snapshot.commit,
        changes={edit.change.path: edit.text for edit in plan.edits},
        message=said.text,
        author=site.bot.identity,
        committer=site.bot.identity,
        date=said.date,
        signing=site.bot.signing,
    )
